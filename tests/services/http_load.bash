# shellcheck shell=bash disable=SC2154
# http_load.bash - clients that call the services of the two systems without end; behind harness.sh.
#
#   clients_start 'makes_orders 1' 'makes_orders 2' 'moves_orders 20 25'
#   ... services are killed ...
#   clients_stop
#
# What they were answered is in $RUN/answers.NAME, a line per request: BODY, STATUS and CORRELATION-ID with blanks between; status 000 is no answer. A client whose
# service or database is away goes on asking.
#
#   LOAD_PAUSE=0.2   of each client between two runs of requests; none by default

# ask_each NAME: a request for each line of its input, METHOD, URL and body with tabs between, one after the other on one connection, so that the service always has
# one in hand; when it is gone, the rest fails at once.
ask_each() {
  local method url body number=0 id
  while IFS=$'\t' read -r method url body; do
    number=$((number + 1))
    id=$MINE.$1.$EPOCHSECONDS$RANDOM.$number
    printf 'next\nrequest = "%s"\nurl = "%s"\nheader = "X-Correlation-Id: %s"\nwrite-out = " %%{http_code} %s\\n"\nmax-time = 10\n' "$method" "$url" "$id" "$id"
    [ -z "$body" ] || printf 'header = "Content-Type: application/json"\ndata = "%s"\n' "${body//\"/\\\"}"
  done | sed 1d >"$RUN/asked.$1"
  [ ! -s "$RUN/asked.$1" ] || curl -s -K "$RUN/asked.$1" >>"$RUN/answers.$1" || true
  [ -z "${LOAD_PAUSE:-}" ] || sleep "$LOAD_PAUSE"
}

# of_table SQL: lines for ask_each; none while the database is away.
of_table() {
  pg "$1" 2>>"$RUN/away" || true
}

service_url() {
  echo "http://127.0.0.1:${SERVICE_PORT[$1]}$2"
}

is_loaded() {
  [ -e "$RUN/load" ] && kill -0 $$ 2>/dev/null
}

# Orders: new ones, and their steps: moves_orders 20 25, moves_orders 25 80.
makes_orders() {
  local i url
  url=$(service_url order-service /api/orders)
  while is_loaded; do
    for i in {1..40}; do
      printf 'POST\t%s\t%s\n' "$url" "{\"customerId\": \"user-$1\", \"customerEmail\": \"user@example.com\", \"totalAmount\": $i, \"currency\": \"KRW\"}"
    done | ask_each "orders.$1"
  done
}
moves_orders() {
  local url
  url=$(service_url order-service /api/orders/)
  while is_loaded; do
    of_table "SELECT E'POST\t$url' || order_id || E'/status\t{\"customerId\": \"' || customer_id || '\", \"customerEmail\": \"user@example.com\", \"previousStatus\": $1, \"currentStatus\": $2}'
                FROM orders.customer_order WHERE status = $1 ORDER BY random() LIMIT 40" | ask_each "$2"
  done
}

# Members: everybody logs in twice, names that nobody had before, some leave.
logs_in() {
  local i first=0 url
  url=$(service_url auth-service /api/auth/oauth/login)
  while is_loaded; do
    for i in {1..40}; do
      printf 'POST\t%s\t%s\n' "$url" "{\"provider\": \"kakao\", \"code\": \"person-$((first + i / 2)):$1\"}"
    done | ask_each "logins.$1"
    first=$((first + 20))
  done
}
renames() {
  local turn=0 url
  url=$(service_url auth-service /api/members/)
  while is_loaded; do
    turn=$((turn + 1))
    of_table "SELECT E'PUT\t$url' || member_id || E'\t{\"nickname\": \"name-$turn-' || row_number() OVER () || '\"}'
                FROM (SELECT member_id FROM auth.member WHERE status = 'ACTIVE' ORDER BY random() LIMIT 40) m" | ask_each renames
  done
}
leaves() {
  local url
  url=$(service_url auth-service /api/members/)
  while is_loaded; do
    of_table "SELECT E'DELETE\t$url' || member_id FROM auth.member WHERE status = 'ACTIVE' ORDER BY random() LIMIT 5" | ask_each leaves
  done
}

# clients_start COMMAND...: one client each, the words of its command in one argument.
clients_start() {
  local client
  : >"$RUN/load"
  CLIENTS=()
  for client in "$@"; do
    $client &
    CLIENTS+=($!)
  done
}

clients_stop() {
  rm "$RUN/load"
  wait "${CLIENTS[@]}"
}

# answers_with STATUS FILE...: the bodies that came with this status (a regular expression).
answers_with() {
  local status=$1
  shift
  sed -nE "s/ ($status) [^ ]*\$//p" "$@"
}

# ids_with STATUS FILE...: the correlation ids.
ids_with() {
  local status=$1
  shift
  sed -nE "s/^.* ($status) ([^ ]*)\$/\\2/p" "$@"
}

# statuses_but KNOWN FILE...: which there were, other than what is said by the regular expression.
statuses_but() {
  local known=$1
  shift
  sed -nE 's/^.* ([0-9]+) [^ ]*$/\1/p' "$@" | grep -vxE "$known" | sort | uniq -c || true
}

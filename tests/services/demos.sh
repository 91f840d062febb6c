#!/usr/bin/env bash
# `./dev demo orders --keep` and `./dev demo membership --keep`: each ends well and names every part that goes on; each part answers where it is said to be, and together
# they still do what they are for. The topics are as topics.json has them. `./dev down` ends all of it, and nothing is left. The second finds its ports taken, and says by
# how much all are shifted.
# tags: real-kafka slow
# alone: demos
# shellcheck source=tests/e2e/harness.sh
. "${BASH_SOURCE[0]%/*}/../e2e/harness.sh"
# shellcheck source=tests/services/demos.bash
. "${BASH_SOURCE[0]%/*}/demos.bash"

# Services and consumers, with the ports that they have by default.
declare -A PROGRAMS=([orders]='order-service=8081 product-service=8083 notification-service=8082' [membership]='auth-service=8081 d-day-service=8083 member-dead-letters=8084')

# parts SYSTEM: the lines NAME=ADDRESS behind all that was shown.
parts() {
  sed '1,/^All of it goes on; \.\/dev down ends it$/d' "$RUN/demo.$1.log"
}

# address SYSTEM NAME
address() {
  parts "$1" | sed -n "s/^$2=//p"
}

# ask SYSTEM SQL
ask() {
  psql -X -q -A -t -v ON_ERROR_STOP=1 -d "$(address "$1" postgres)" -c "$2"
}

has_rows() {
  [ -n "$(ask "$1" "$2")" ]
}

# post SYSTEM SERVICE PATH BODY MEMBER: that member of the answer.
post() {
  curl -sSf --max-time 20 -H 'Content-Type: application/json' -d "$4" "$(address "$1" "$2")$3" | jq -r ".$5" || fail "POST $3: no answer of $2"
}

# all_are_named SYSTEM: nothing runs that is not named, and nothing is named that does not run; programs have the ports that they have by default, all shifted alike.
all_are_named() {
  local offset said programs name pid
  programs=$(parts "$1" | sed -nE 's|^([a-z-]+)=http://127\.0\.0\.1:([0-9]+)$|\1 \2|p' | sed '/^relay /d')
  offset=$(($(awk 'NR == 1 { print $2 }' <<<"$programs") - 8081))
  said=$(sed -n "s/^  some of the system's ports are taken here: all are shifted by //p" "$RUN/demo.$1.log")
  assert_eq "shift of the ports of $1" "${said:-0}" "$offset"
  assert_eq "programs of $1" "${PROGRAMS[$1]}" "$(awk -v offset="$offset" '{ print $1 "=" $2 - offset }' <<<"$programs" | paste -sd ' ')"
  # shellcheck disable=SC2086
  assert_eq "parts of $1" "postgres kafka relay $(printf '%s\n' ${PROGRAMS[$1]} | cut -d = -f 1 | paste -sd ' ') logs" "$(parts "$1" | cut -d = -f 1 | paste -sd ' ')"
  assert_eq "what runs of $1, and what is named" "$(cut -d ' ' -f 1 "$CHECKOUTS/$1/build/run/kept/processes" | LC_ALL=C sort | paste -sd ' ')" \
    "$(parts "$1" | cut -d = -f 1 | sed '/^logs$/d' | LC_ALL=C sort | paste -sd ' ')"
  while read -r name pid _; do
    holders "$1" | grep -qx "$pid" || fail "$name (process $pid) is not found by its log: this test looks at the wrong thing"
  done <"$CHECKOUTS/$1/build/run/kept/processes"
}

all_answer() {
  local name address
  while IFS='=' read -r name address; do
    case $name in
      postgres) assert_eq "answer of $address" 1 "$(ask "$1" 'SELECT 1')" ;;
      kafka) kafka_answers "$address" || fail "Kafka does not answer at $address" ;;
      logs) [ -s "$address/relay.log" ] || fail "the logs are not in $address" ;;
      *) await "/readyz of $name" 20 curl -sf --max-time 5 "$address/readyz" ;;
    esac
  done < <(parts "$1")
}

# topics_are_as_listed SYSTEM
topics_are_as_listed() {
  local database
  database=$(address "$1" postgres)
  RELAY_SETTINGS=()
  relay_set CONFIG "$ROOT/producers/$1/relay.json"
  relay_set POSTGRES_URL "${database/postgres@/relay@}"
  relay_set POSTGRES_PLUGIN "$PLUGIN"
  relay_set KAFKA_BOOTSTRAP_SERVERS "$(address "$1" kafka)"
  relay_checks_topics "$ROOT/producers/$1/topics.json"
}

# Through service, relay, Kafka and consumer.
orders_works() {
  local order
  order=$(post orders order-service /api/orders '{"customerId": "user-2002", "customerEmail": "user2002@example.com", "totalAmount": 100, "currency": "KRW"}' orderId)
  await 'the notification of one more order' 20 has_rows orders "SELECT 1 FROM notification.notification WHERE order_id = '$order' AND status = 'SENT'"
}
membership_works() {
  local member
  member=$(post membership auth-service /api/auth/oauth/login '{"provider": "kakao", "code": "code-2"}' memberId)
  await 'the copy of one more member' 20 has_rows membership "SELECT 1 FROM dday.member_reference WHERE member_id = $member AND status = 'ACTIVE'"
}

# down_leaves_nothing SYSTEM. That a port is free says nothing, since another demo of this machine may have taken it meanwhile.
down_leaves_nothing() {
  local folders folder
  folders=$(cat "$CHECKOUTS/$1/build/run/kept/folders")
  [ -n "$folders" ] || fail "no folder of $1 lies outside of its run: this test looks at the wrong thing"
  "$CHECKOUTS/$1/dev" down >"$RUN/down.$1.log" 2>&1 || fail "./dev down: exit code $?"$'\n'"$(cat "$RUN/down.$1.log")"
  ! grep 'was killed' "$RUN/down.$1.log" || fail "something of $1 did not end when it was asked to"
  wait_until 5 nobody_holds "$1" 2>/dev/null || fail "processes of $1 that ./dev down has left: $(holders "$1" | paste -sd ' ')"
  for folder in "$CHECKOUTS/$1/build/run/kept" $folders; do
    [ ! -e "$folder" ] || fail "./dev down has left $folder"
  done
  assert_eq 'what the next ./dev down finds' 'dev: nothing was kept' "$("$CHECKOUTS/$1/dev" down)"
}

demo_launch orders orders --keep
# From here on its ports are taken.
await 'the programs of orders' 100 demo_has_said orders '  notification-service  http://'
demo_launch membership membership --keep
demo_ends_well orders 7 4
demo_ends_well membership 5 4
for system in orders membership; do
  all_are_named "$system"
  all_answer "$system"
  topics_are_as_listed "$system"
  "${system}_works"
done
grep -q 'all are shifted by [1-9]' "$RUN/demo.membership.log" || fail 'the second demo was to find its ports taken'
down_leaves_nothing orders
# The other one is none of its affair.
all_answer membership
down_leaves_nothing membership

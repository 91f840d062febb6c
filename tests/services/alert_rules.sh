#!/usr/bin/env bash
# Alerts that are published are alerts on figures that exist: every name in docker/prometheus/*.rules.yml, and in the rules of docs/operations.md, is one that a program of ours
# shows or a rule records, and every label that is asked for, or summed by, is one that it has. (That a server of Prometheus takes the files nobody tests here: there is none.)
# tags: quick
# shellcheck source=tests/services/harness.sh
. "${BASH_SOURCE[0]%/*}/harness.sh"
# shellcheck source=tests/services/consumers.bash
. "${BASH_SOURCE[0]%/*}/consumers.bash"

system_new membership
relay_init
relay_start
service_start auth-service
consumer_start d-day-service
consumer_start member-dead-letters
call auth-service POST /api/auth/oauth/login '{"provider": "kakao", "code": "mina"}'
answered 201

page() { # PORT
  curl -sS --max-time 10 "http://127.0.0.1:$1/metrics" >>"$RUN/pages"
}
: >"$RUN/pages"
page "${SERVICE_PORT[auth-service]}"
page "${CONSUMER_PORT[d-day-service]}"
page "${CONSUMER_PORT[member-dead-letters]}"
relay_get /metrics >>"$RUN/pages"
# Of a histogram the three names of its series.
awk '$1 == "#" && $2 == "TYPE" { print $3 } $1 == "#" && $2 == "TYPE" && $4 == "histogram" { print $3 "_bucket"; print $3 "_sum"; print $3 "_count" }' "$RUN/pages" | sort -u >"$RUN/names"

# What counts failures must be there before the first one: an increase from nothing to 1 is none for Prometheus.
for series in 'consumer_dead_letters_total{topic="member-events",class="unknown"} 0' 'consumer_retries_total{topic="member-events",class="transient"} 0' \
  'consumer_dead_letters_refused_total{topic="member-events",cause="no_dead_letter_topic"} 0' \
  'consumer_dead_letters_refused_total{topic="member-events",cause="statement_refused"} 0' \
  'member_alerts_total{channel="webhook",outcome="failed"} 0' 'member_alerts_total{channel="email",outcome="failed"} 0' \
  'member_alerts_total{channel="webhook",outcome="sent"} 0' 'member_alerts_total{channel="email",outcome="sent"} 0'; do
  grep -qxF "$series" "$RUN/pages" || fail "no program shows $series"
done

sed -n '/^groups:$/,/^[^ g]/p' "$ROOT/docs/operations.md" >"$RUN/operations.rules.yml"
# labels_of FILE: lines of a name and the labels that are asked of it, in its braces or by the sum around it. `job` and `instance` are Prometheus' own.
labels_of() {
  sed -E 's/"[^"]*"//g' "$1" | grep -oE '[a-z_]+\{[^}]*\}' | sed -E 's/\{/ /; s/[!=~,}]+/ /g'
  sed -E 's/"[^"]*"//g' "$1" | grep -oE 'by \([a-z_, ]+\) \(([a-z_]+\()*[a-z_]+' | sed -E 's/^by \(([^)]*)\) \(([a-z_]+\()*([a-z_]+)$/\3 \1/; s/,/ /g; s/ (job|instance)\b//g'
}
looked=0
for file in "$ROOT"/docker/prometheus/*.rules.yml "$RUN/operations.rules.yml"; do
  alerts=$(grep -cE '^ *- (alert|record): ' "$file") || fail "$file has no rule"
  assert_eq "expressions of the rules of $file, each on one line" "$alerts" "$(grep -cE '^ *expr: .' "$file")"
  sed -nE 's/^ *expr: //p' "$file" >"$RUN/exprs"
  # Strings can hold anything, and are no names.
  while read -r name; do
    looked=$((looked + 1))
    case $name in
      *:*) grep -qE "^ *- record: $name\$" "$file" || fail "$file uses $name, which no rule of it records" ;;
      *) grep -qxF "$name" "$RUN/names" || fail "$file uses $name, which no program shows" ;;
    esac
  done < <(sed -E 's/"[^"]*"//g' "$RUN/exprs" | grep -oE '\b(cdc_relay|http|database|events|consumer|member|service|job:)[a-z0-9_:]+' | sort -u)
  while read -r name labels; do
    grep -qE "^${name}[{ ]" "$RUN/pages" || continue # no series of it yet
    for label in $labels; do
      looked=$((looked + 1))
      grep -E "^$name\{" "$RUN/pages" | grep -qE "[{,]$label=\"" || fail "$file asks for the label $label of $name, which has none"
    done
  done < <(labels_of "$RUN/exprs")
done
assert_number 'names and labels that were looked at' "$looked" '>=' 30
consumer_stop member-dead-letters
consumer_stop d-day-service

#!/usr/bin/env bash
# Kafka takes nothing for a while, and when it does again nothing more arrives from PostgreSQL, although the connection stands and the server hears the relay: so it is where
# TCP on the server's side has put off for minutes what it could not deliver during the pause. The relay asks for a word and, when none comes, connects anew.
# row: K-01 Kafka unreachable, and back
# expects: O1 O2 O3 O4 O7 O8 O10
# tags:
POSTGRES=own
# shellcheck source=tests/e2e/harness.sh
. "${BASH_SOURCE[0]%/*}/../e2e/harness.sh"
# shellcheck source=tests/faults/campaign.sh
. "$ROOT/tests/faults/campaign.sh"
# shellcheck source=tests/faults/proxy.sh
. "$ROOT/tests/faults/proxy.sh"

own_kafka
relay_set KAFKA_QUEUE_BUFFERING_MAX_MESSAGES 500
proxy_start line plain "127.0.0.1:$PG_PORT"
relay_set POSTGRES_URL "postgresql://relay@${PROXY[line]}/$DB"
watch_start
relay_init
relay_start
is_paused() {
  [ "$(relay_state)" = paused ]
}
has_been_paused() {
  is_paused && [ "$(seconds_since "$began" | cut -d . -f 1)" -ge 6 ]
}
has_stalled() {
  relay_has_logged relay session_failed '.cause == "stream_stalled"'
}
# More than the producer takes, on a slow machine, too.
load_start --rate 0 --seconds 10 --connections 4 --keys 40
await 'the first transactions' 30 load_has_committed 50
fault_begins 'Kafka frozen'
proxy_say kafka freeze
await 'a relay that waits for Kafka' 60 is_paused
began=$EPOCHREALTIME
await 'a pause of more than five seconds' 20 has_been_paused
proxy_say line freeze response
proxy_say kafka thaw
fault_ends 'Kafka frozen'
fault_begins 'PostgreSQL silent'
began=$EPOCHREALTIME
await 'the relay to notice' 30 has_stalled
figure noticed_after "$(seconds_since "$began")" s
proxy_say line thaw
fault_ends 'PostgreSQL silent'
recovery_begins
recovery_ends recovery
settle
verdict --only-unconfirmed
relay_stop

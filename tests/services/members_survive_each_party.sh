#!/usr/bin/env bash
# The members' system loses nothing: auth-service, relay, broker, PostgreSQL and d-day-service are killed by SIGKILL, each in turn, while members are made, renamed and
# withdrawn over HTTP. In the end d-day-service's tables have every committed event once, in order, and nothing else; its copy of the members is the original; every
# call that was answered with success is among them, and one without an answer is what the database says.
# row: C-06 service, relay, broker, PostgreSQL, consumer killed in turn under load
# tags: real-kafka slow
# seconds: 1500
POSTGRES=own
# shellcheck disable=SC2034
OWN_POSTGRES=()
# shellcheck source=tests/services/harness.sh
. "${BASH_SOURCE[0]%/*}/harness.sh"
# shellcheck source=tests/services/consumers.bash
. "${BASH_SOURCE[0]%/*}/consumers.bash"
# shellcheck source=tests/services/http_load.bash
. "${BASH_SOURCE[0]%/*}/http_load.bash"
# shellcheck source=tests/faults/campaign.sh
. "$ROOT/tests/faults/campaign.sh"
# shellcheck source=tests/services/parties.bash
. "${BASH_SOURCE[0]%/*}/parties.bash"

LOAD_PAUSE=0.3
parties_start membership
clients_start 'logs_in 1' renames leaves
parties_are_killed "$(times 1 10)"
clients_stop
parties_account

#!/usr/bin/env bash
# The orders' system loses nothing: as members_survive_each_party.sh, with order-service and notification-service.
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

LOAD_PAUSE=$(times 1.2 0.3) # what was published is handled again in the end
parties_start orders
clients_start 'makes_orders 1' 'moves_orders 20 25' 'moves_orders 25 80'
parties_are_killed "$(times 1 10)"
clients_stop
parties_account

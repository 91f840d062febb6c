# shellcheck shell=bash disable=SC2154
# cluster.sh - three real brokers for one scenario, of which any may go; read after campaign.sh.
#
#   own_cluster           starts them: KAFKA is all three. Topics have three replicas, two of which have to have a record before it is acknowledged
#   node_stop I SIGNAL    / node_run I      takes node 1, 2 or 3 away, brings it back with its data
#   node_leads TOPIC      prints the node that leads partition 0
#   cluster_is_whole TOPIC      all replicas of all its partitions are in sync, for await

declare -A NODE_PORT NODE_CONTROLLER

node_init() {
  local i=$1 voters=$2
  cat >"$RUN/node-$i.properties" <<PROPERTIES
process.roles=broker,controller
node.id=$i
controller.quorum.voters=$voters
listeners=PLAINTEXT://127.0.0.1:${NODE_PORT[$i]},CONTROLLER://127.0.0.1:${NODE_CONTROLLER[$i]}
advertised.listeners=PLAINTEXT://127.0.0.1:${NODE_PORT[$i]}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
log.dirs=$RUN/node-$i.data
auto.create.topics.enable=false
default.replication.factor=3
min.insync.replicas=2
offsets.topic.replication.factor=3
offsets.topic.num.partitions=2
transaction.state.log.replication.factor=3
transaction.state.log.min.isr=2
transaction.state.log.num.partitions=2
broker.session.timeout.ms=6000
broker.heartbeat.interval.ms=1000
unclean.leader.election.enable=false
log.cleaner.dedupe.buffer.size=4194304
PROPERTIES
  kafka_java kafka.tools.StorageTool format -t cdcRelayTestsCluster3w -c "$RUN/node-$i.properties" >"$RUN/node-$i.format.log" 2>&1 ||
    fail "node $i: $(cat "$RUN/node-$i.format.log")"
  echo "KAFKA=127.0.0.1:${NODE_PORT[$i]}" >"$RUN/node-$i.env"
}

node_run() {
  KAFKA_HEAP=256m kafka_launch "node-$1"
}

node_stop() {
  process_stop "node-$1" "$2" 60 || fail "node $1 did not end when asked"
}

own_cluster() {
  kafka_is_installed || {
    echo 'needs a real Kafka, which could not be fetched'
    exit 77
  }
  local i voters='' servers=''
  for i in 1 2 3; do
    NODE_PORT[$i]=$(port_new)
    NODE_CONTROLLER[$i]=$(port_new)
    voters+=${voters:+,}$i@127.0.0.1:${NODE_CONTROLLER[$i]}
    servers+=${servers:+,}127.0.0.1:${NODE_PORT[$i]}
  done
  for i in 1 2 3; do
    node_init $i "$voters"
    node_run $i
  done
  # shellcheck disable=SC2034
  KAFKA=$servers EMBEDDED_INPUT='' WATCH_KAFKA=$servers
  await 'three brokers' 120 nodes_are 3
  relay_set KAFKA_BOOTSTRAP_SERVERS "$KAFKA"
}

nodes_are() {
  [ "$(timeout 5 kcat -b "$KAFKA" -L -m 2 2>/dev/null | grep -c '^  broker ')" = "$1" ]
}

node_leads() {
  timeout 10 kcat -b "$KAFKA" -L -t "$1" -m 5 | sed -n 's/^    partition 0, leader \([0-9]*\),.*/\1/p'
}

cluster_is_whole() {
  local lines
  lines=$(timeout 10 kcat -b "$KAFKA" -L -t "$1" -m 5 | grep '^    partition ') && ! grep -qvE 'isrs: [0-9],[0-9],[0-9]' <<<"$lines"
}

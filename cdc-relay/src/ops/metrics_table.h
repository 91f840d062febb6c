/*
 * metrics_table.h - every figure of the relay, in the order in which it is shown. The table makes the storage, both expositions and docs/metrics.md.
 *
 *   X(SYMBOL, name without the type's suffix, type, unit, source, label, label, help)
 *
 * Sources: CELLS, counters of our own, one per combination of the labels' values; GAUGE_AT, CHOICE_AT, COUNT_AT a member of struct metric_gauges (a number, an
 * enum that is shown as one series per value, a counter kept elsewhere); PROCESS_AT a member of struct process_figures; LATENCY and BUILD stand alone.
 */
#ifndef OPS_METRICS_TABLE_H
#define OPS_METRICS_TABLE_H

/* DIMENSIONS(X): X(SYMBOL, label). */
#define METRIC_DIMENSIONS(X)                                                                                                                                   \
  X(NONE, "")                                                                                                                                                  \
  X(STATE, "state")                                                                                                                                            \
  X(TABLE, "table")                                                                                                                                            \
  X(OUTCOME, "outcome")                                                                                                                                        \
  X(REASON, "reason")                                                                                                                                          \
  X(OP, "op")                                                                                                                                                  \
  X(SIDE, "side")                                                                                                                                              \
  X(CAUSE, "cause")                                                                                                                                            \
  X(SLOT_STATUS, "status")

#define METRICS(X)                                                                                                                                             \
  X(STATE, "cdc_relay_state", GAUGE, "", CHOICE_AT(state), STATE, NONE, "1 for the state that the relay is in, 0 for the others.")                             \
  X(EVENTS, "cdc_relay_events", COUNTER, "", CELLS, TABLE, OUTCOME, "Outbox events that Kafka has acknowledged, by what became of them.")                      \
  X(LATENCY, "cdc_relay_commit_to_ack_seconds", HISTOGRAM, "seconds", LATENCY, NONE, NONE,                                                                     \
    "Time from the commit in PostgreSQL to the acknowledgement by Kafka, per event.")                                                                          \
  X(IN_FLIGHT_EVENTS, "cdc_relay_in_flight_events", GAUGE, "", GAUGE_AT(in_flight_events), NONE, NONE, "Events that were read and are not settled.")           \
  X(IN_FLIGHT_TRANSACTIONS, "cdc_relay_in_flight_transactions", GAUGE, "", GAUGE_AT(in_flight_transactions), NONE, NONE,                                       \
    "Transactions that were begun and are not settled.")                                                                                                       \
  X(UNCONFIRMED_EVENTS, "cdc_relay_unconfirmed_events", GAUGE, "", GAUGE_AT(unconfirmed_events), NONE, NONE,                                                   \
    "Events of whole transactions in Kafka of which PostgreSQL was not told: what a crash repeats, beside what is in flight.")                                 \
  X(CONFIRMED_LAG_BYTES, "cdc_relay_confirmed_lag_bytes", GAUGE, "bytes", GAUGE_AT(confirmed_lag_bytes), NONE, NONE,                                           \
    "End of WAL minus the position that PostgreSQL was told.")                                                                                                 \
  X(OLDEST_UNSETTLED_SECONDS, "cdc_relay_oldest_unsettled_seconds", GAUGE, "seconds", GAUGE_AT(oldest_unsettled_seconds), NONE, NONE,                          \
    "Age of the oldest event that is not in Kafka; while not streaming, time since the relay had last caught up; 0 when idle.")                                \
  X(SLOT_RETAINED_BYTES, "cdc_relay_slot_retained_bytes", GAUGE, "bytes", GAUGE_AT(slot_retained_bytes), NONE, NONE, "WAL that the slot holds back.")          \
  X(SLOT_SAFE_BYTES, "cdc_relay_slot_safe_bytes", GAUGE, "bytes", GAUGE_AT(slot_safe_bytes), NONE, NONE,                                                       \
    "WAL that may still be written before the slot is lost; +Inf without max_slot_wal_keep_size.")                                                             \
  X(SLOT_SECONDS_TO_LOSS, "cdc_relay_slot_seconds_to_loss", GAUGE, "seconds", GAUGE_AT(slot_seconds_to_loss), NONE, NONE,                                      \
    "When the slot will be lost if WAL grows on as in the last minutes; +Inf without a limit.")                                                                \
  X(SLOT_STATUS, "cdc_relay_slot_status", GAUGE, "", CHOICE_AT(slot_status), SLOT_STATUS, NONE,                                                                \
    "1 for the slot's wal_status, 0 for the others; no series before it is known.")                                                                            \
  X(RECONNECTS, "cdc_relay_reconnects", COUNTER, "", CELLS, SIDE, CAUSE, "Connections that were lost or refused and are tried again.")                         \
  X(POISON_EVENTS, "cdc_relay_poison_events", COUNTER, "", CELLS, TABLE, REASON, "Events that can never be published as they are.")                            \
  X(IGNORED_OPERATIONS, "cdc_relay_ignored_operations", COUNTER, "", CELLS, TABLE, OP,                                                                         \
    "Updates and deletes on the outbox, from the table's statistics; they publish nothing.")                                                                   \
  X(STREAM_OPERATIONS_IGNORED, "cdc_relay_stream_operations_ignored", COUNTER, "", COUNT_AT(routed.operations_ignored), NONE, NONE,                            \
    "Updates, deletes and truncates that reached the stream and were ignored: the publication should publish inserts only.")                                   \
  X(TIMESTAMPS_REPLACED, "cdc_relay_timestamps_replaced", COUNTER, "", COUNT_AT(routed.timestamps_replaced), NONE, NONE,                                       \
    "Events whose timestamp was not after 1970 or too far ahead, and that got the commit time instead.")                                                       \
  X(PAYLOADS_NOT_EXPANDED, "cdc_relay_payloads_not_expanded", COUNTER, "", COUNT_AT(routed.payloads_not_expanded), NONE, NONE,                                 \
    "Payloads that were to be expanded, are no JSON, and were published as they are.")                                                                         \
  X(MESSAGES_IGNORED, "cdc_relay_messages_ignored", COUNTER, "", COUNT_AT(routed.messages_not_transactional), NONE, NONE,                                      \
    "Logical messages of ours that were not transactional and were ignored.")                                                                                  \
  X(KAFKA_QUEUE_EVENTS, "cdc_relay_kafka_queue_events", GAUGE, "", GAUGE_AT(kafka_queue_events), NONE, NONE, "Records in the producer's queue.")               \
  X(KAFKA_QUEUE_BYTES, "cdc_relay_kafka_queue_bytes", GAUGE, "bytes", GAUGE_AT(kafka_queue_bytes), NONE, NONE, "Bytes in the producer's queue.")               \
  X(BUILD, "cdc_relay_build", INFO, "", BUILD, NONE, NONE, "1, with the versions of the relay and its libraries, and the plugin in use.")                      \
  X(PROCESS_CPU, "process_cpu_seconds", COUNTER, "seconds", PROCESS_AT(cpu_seconds), NONE, NONE, "User and system CPU time spent.")                            \
  X(PROCESS_RSS, "process_resident_memory_bytes", GAUGE, "bytes", PROCESS_AT(resident_bytes), NONE, NONE, "Resident memory.")                                  \
  X(PROCESS_VSZ, "process_virtual_memory_bytes", GAUGE, "bytes", PROCESS_AT(virtual_bytes), NONE, NONE, "Virtual memory.")                                     \
  X(PROCESS_FDS, "process_open_fds", GAUGE, "", PROCESS_AT(open_fds), NONE, NONE, "Open file descriptors.")                                                    \
  X(PROCESS_MAX_FDS, "process_max_fds", GAUGE, "", PROCESS_AT(max_fds), NONE, NONE, "Limit on open file descriptors.")                                         \
  X(PROCESS_START, "process_start_time_seconds", GAUGE, "seconds", PROCESS_AT(start_time_seconds), NONE, NONE,                                                 \
    "When the process started, in seconds since 1970-01-01 UTC.")

#endif

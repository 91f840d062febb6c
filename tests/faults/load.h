/*
 * load.h - what fault_writer was asked to do, and the pieces that its connections share: names of keys, payloads, transactions.
 *
 * Key I has the text of load_key(I) and belongs to topic I modulo the number of topics, so that writers with the same --keys, --key-prefix and --topics agree.
 */
#ifndef FAULTS_LOAD_H
#define FAULTS_LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "database.h"
#include "dice.h"
#include "json_line.h"

enum { LOAD_TOPICS_MAX = 64, LOAD_EVENTS_MAX = 2000000, LOAD_PAYLOAD_MAX_BYTES = 800000, LOAD_KEY_MAX_BYTES = 96 };

/* The column `type` marks rows that their topics are to refuse for good; scenarios give it to rows of their own, too. */
#define LOAD_TYPE        "FaultEvent"
#define LOAD_TYPE_POISON "FaultPoison"

struct load {
  const char *conninfo;
  int output; /* the history's file */
  int connections;
  double rate;          /* transactions per second, all connections together; 0: no limit */
  double seconds;       /* 0: no limit */
  int64_t transactions; /* 0: no limit */
  uint32_t keys;
  const char *key_prefix;
  uint32_t events_least, events_most; /* in one transaction */
  double rollbacks;                   /* share of transactions that are rolled back */
  double savepoints;                  /* share of those with a savepoint, half of which are rolled back to */
  uint32_t payload_least, payload_most;
  const char *type;                    /* of its events: LOAD_TYPE or LOAD_TYPE_POISON */
  const char *topics[LOAD_TOPICS_MAX]; /* values of aggregatetype */
  uint32_t topic_count;
  const char *topic_prefix; /* of the Kafka topic */
  uint64_t seed;
  double pause_s; /* before a lost connection is opened again */
};

struct load_counts {
  int64_t committed;
  int64_t rolled_back;
  int64_t unknown;
  int64_t events; /* of committed transactions */
  int64_t losses; /* of a connection */
};

/* Writes the key's text, with its end, into `ret_key`. */
void load_key(const struct load *load, uint32_t key, char ret_key[LOAD_KEY_MAX_BYTES]);

/* What follows {"n":N in a payload, from the comma to the last brace: the key, and nasty content of about `bytes` bytes. Replaces what `line` holds. */
void load_payload(struct dice *dice, const char *key, uint32_t bytes, struct json_line *line);

/* SHA-256 in 64 hexadecimal digits. */
void load_sha256(const void *bytes, size_t length, char ret_hex[65]);

/* Makes table fault_keys and its rows, on an open connection. */
bool load_prepare_keys(const struct load *load, struct database *database);

/* What one connection keeps between its transactions. Zeroed but for `load`, `database` and `number`. */
struct load_session {
  const struct load *load;
  struct database database;
  struct dice dice;
  int number;
  int64_t transactions;
  struct load_counts counts;
  struct json_line line;
  struct json_line payload;
  struct load_event *events; /* owned, LOAD_EVENTS_MAX at most */
};

/* Opens the connection and prepares what transactions need. */
bool load_session_open(struct load_session *session);

/* One transaction, told in the history. Returns false when the connection was lost in it. */
bool load_session_run(struct load_session *session);

void load_session_done(struct load_session *session);

/* Prints the table's rows; returns false when they could not be read. */
bool load_resolve(const struct load *load);

#endif

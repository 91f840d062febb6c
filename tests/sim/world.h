/*
 * world.h - one simulated history: databases, brokers, relays, faults and time. All of it follows from the seed.
 *
 * Time is a number that jumps to whatever happens next: a writer's step, a message's arrival, an append, a fault, a deadline of a relay. No clock is read.
 */
#ifndef SIM_WORLD_H
#define SIM_WORLD_H

#include <stdarg.h>

#include "model_kafka.h"
#include "model_postgres.h"
#include "oracle.h"
#include "session/session.h"

enum { WORLD_RELAYS_MAX = HISTORY_RELAYS_MAX, WORLD_FINDING_MAX = 512 };

#define WORLD_BEGIN_US    INT64_C(1000000000)
#define WORLD_MIDNIGHT_US INT64_C(1795219200000000) /* 2026-11-21 00:00 UTC: the wall clock at time 0 */

/* The second connection, as far as the session hears of it. */
struct monitor {
  int64_t ask_us;    /* when the slot is asked for next */
  int64_t asked_us;  /* when it was */
  int64_t answer_us; /* when the answer is there; INT64_MAX: none was asked */
  bool is_active;    /* the answer */
  int32_t active_pid;
  int64_t shutdown_us; /* when the server's goodbye is there */
  int64_t refused_us;  /* when it knocks again after that */
};

enum { SIGNAL_STOP = 1, SIGNAL_RELOAD = 2 };

/* One process of the relay, turned as relay.c turns it. */
struct relay {
  struct world *world;
  uint32_t number;
  bool is_alive;
  uint32_t process; /* how many there were */
  bool is_stopping;
  int64_t begin_us; /* not alive: when the next process begins */
  int64_t frozen_until_us;
  int64_t busy_until_us; /* the turn before costs time */
  int64_t tick_us;
  int64_t wall_offset_us;
  struct link link;
  struct model_stream stream;
  struct model_publisher publisher;
  struct monitor monitor;
  struct config config;
  struct session *session;
  struct session_observer observer;
  enum relay_state state;
  uint32_t signal;     /* not taken yet: SIGNAL_... */
  int64_t stop_us;     /* when it was told to stop */
  int64_t person_us;   /* when a person comes to a row that only another configuration lets pass */
  bool is_held_by_row; /* at held_at; else by its position */
  struct position held_at;
  uint32_t turns_of_second;
  uint32_t idle_turns_of_second; /* without any event */
  int64_t second_us;
};

/* When somebody else's relay takes the slot. */
enum slot_taking { SLOT_NOT_TAKEN, SLOT_TAKEN_BEFORE_START, SLOT_TAKEN_BEFORE_LOOK };

struct world {
  struct plan plan;
  struct dice dice;
  int64_t now_us;
  struct history history;
  struct server server;
  struct cluster cluster;
  struct relay relays[WORLD_RELAYS_MAX];
  struct oracle oracle;

  int64_t fault_us[PLAN_FAULTS_MAX];
  enum sim_fault fault_kind[PLAN_FAULTS_MAX];
  uint32_t fault_next;
  int64_t mend_us; /* when a person mends the topics that refuse rows */
  int64_t heal_us;
  bool is_healed;
  bool slot_is_to_move; /* once a relay has looked at it and asks for its start */
  int64_t slot_seen_us; /* when the walsender was ended for that, and its number */
  int32_t slot_seen_pid;
  enum slot_taking slot_is_to_be_taken;
  int64_t progress_us; /* when something last got further: a row into Kafka, the slot, the mark of isolation */
  struct position isolated_until;
  bool is_closing; /* content once; now only the end of WAL has to be followed */
  Lsn closing_lsn;
  bool is_leaving; /* the relays were told to stop at the end */
  int64_t foreign_us;
  size_t poison_once_count;
  struct position poison_once[CONFIG_POISON_ONCE_MAX];

  uint32_t sessions;     /* numbered from 1 */
  uint32_t faults_drawn; /* their time came; whether anything was there to be hit is not known of all */
  uint64_t steps;
  uint64_t turns;
  uint32_t bounds;      /* receive buffers whose size was fixed */
  uint32_t stalls;      /* lines that stalled behind a pause */
  uint32_t replays;     /* rows appended again */
  uint64_t fingerprint; /* of all statuses and records: the same for the same seed, wherever and behind whatever it is lived */

  bool is_traced;
  bool has_finding;
  char finding[WORLD_FINDING_MAX];
};

/* Lives one history from begin to end. True when nothing was found; else world->finding says what. */
bool world_live(struct world *world, uint64_t seed, bool is_traced);

/* What does not hold; the first one counts. `rule`: as in oracle.h. */
void world_finds(struct world *world, const char *rule, const char *format, ...) __attribute__((format(printf, 3, 4)));

int64_t world_wall_us(const struct world *world); /* of the servers */

/* One line of the trace. `who` is static. */
void trace_line(const struct world *world, const char *who, const char *format, ...) __attribute__((format(printf, 3, 4)));
#define TRACE(world, who, ...)                                                                                                                                 \
  do {                                                                                                                                                         \
    if ((world)->is_traced) {                                                                                                                                  \
      trace_line((world), (who), __VA_ARGS__);                                                                                                                 \
    }                                                                                                                                                          \
  } while (0)

/* ---- relay_process.c ---- */
void relay_init(struct world *world, uint32_t number);
void relay_begin(struct relay *relay);
void relay_kill(struct relay *relay, int64_t begin_us);
void relay_stop(struct relay *relay, int64_t begin_us);
void relay_reload(struct relay *relay);
int64_t relay_next_us(const struct relay *relay);
void relay_run(struct relay *relay);
/* Tells the monitors that the server is going. */
void relay_on_server_stops(struct relay *relay);
const char *relay_name(const struct relay *relay);
/* Things kept across histories, since they are costly to make. */
void relay_done_for_good(struct world *world);

/* ---- nemesis.c ---- */
void nemesis_init(struct world *world);
int64_t nemesis_next_us(const struct world *world);
void nemesis_run(struct world *world);
/* A relay has judged the slot, and its START_REPLICATION is on the way. */
void nemesis_on_start(struct world *world, struct relay *relay);
/* Its stream has begun, and it is about to look where. */
void nemesis_on_look(struct world *world, struct walsender *sender);
/* The relay reads again what has lain unread for so long. */
void nemesis_on_read(struct world *world, struct walsender *sender, int64_t unread_us);
/* All that is broken is mended. */
void nemesis_heal(struct world *world);

#endif

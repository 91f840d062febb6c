/* pg_stream_priv.h - the stream's own struct, shared by pg_stream.c (the protocol) and pg_stream_connect.c (the way to a connection that is ready to start). */
#ifndef STREAM_PG_STREAM_PRIV_H
#define STREAM_PG_STREAM_PRIV_H

#include "stream/catalog.h"
#include "stream/pg_connection.h"
#include "stream/pg_stream.h"
#include "stream/stream_priv.h"

enum step {
  STEP_CLOSED,
  STEP_ATTEMPT,
  STEP_IDENTIFY,
  STEP_HISTORY,
  STEP_CATALOG,
  STEP_READY,
  STEP_STARTING,
  STEP_LOOKING,
  STEP_PARTING,
  STEP_STREAMING,
  STEP_FINISHING
};

struct pg_stream {
  struct stream base;
  const struct config *config;
  enum step step;
  struct pg_attempt *attempt;
  PGconn *connection; /* that is being talked to */
  PGconn *aside;      /* the other one: that has read the catalog, from then on until the stream has begun; in STEP_LOOKING the one that streams */
  PGresult *result;   /* of the query under way */
  struct catalog catalog;
  bool has_catalog;
  bool is_checked; /* the catalog was read and judged on a connection before this one */
  size_t query;
  struct server_facts facts;
  char *message;               /* of the last receive; libpq's memory */
  bool publication_is_missing; /* the server has said so in a notice, before the next message */
};

static inline struct pg_stream *pg_stream_of(struct stream *stream)
{
  return (struct pg_stream *)stream;
}

/* Any failure ends the connection: there is one way back, from the start. Both return the verdict. */
enum verdict pg_stream_fail(struct pg_stream *stream, enum verdict verdict);
enum verdict pg_stream_fail_with(struct pg_stream *stream, const PGresult *result, const char *doing, struct problem *problem);
/* Sends what is buffered; POLLOUT is wanted while some is left. */
enum verdict pg_stream_send(struct pg_stream *stream, const char *doing, struct problem *problem);
enum verdict pg_stream_query(struct pg_stream *stream, const char *sql, const char *doing, struct problem *problem);
/* WAIT until a query's answer is here whole, then OK with its last result (the caller clears it). A COPY is its own end. */
enum verdict pg_stream_result(struct pg_stream *stream, const char *doing, PGresult **ret_result, struct problem *problem);
void pg_stream_drop_catalog(struct pg_stream *stream);
/* Talks to the other connection from now on. */
void pg_stream_swap(struct pg_stream *stream);

/* The port's connect. */
enum verdict pg_stream_connect(struct stream *base, struct moment now, struct server_facts *ret_facts, struct problem *problem);

#endif

/* pg_stream.h - the replication stream of a real server, on libpq. */
#ifndef STREAM_PG_STREAM_H
#define STREAM_PG_STREAM_H

#include "config/config.h"
#include "stream/stream.h"

/* Opens nothing yet. `config` is borrowed for the stream's life. Never NULL. */
struct stream *pg_stream_new(const struct config *config);

/* The START_REPLICATION command for `start`, with the plugin's options; malloc'ed. `server_version` decides which options the server knows. Pure. */
char *pg_stream_command(const struct config *config, int server_version, Lsn start);

#endif

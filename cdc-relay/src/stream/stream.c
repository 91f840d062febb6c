/* stream.c - forwards the port's calls to the implementation. */
#include "stream/stream_priv.h"

#include <stddef.h>

void stream_free(struct stream *stream)
{
  if (stream != NULL) {
    stream->ops->close(stream, true);
  }
}

enum verdict stream_connect(struct stream *stream, struct moment now, struct server_facts *ret_facts, struct problem *problem)
{
  return stream->ops->connect(stream, now, ret_facts, problem);
}

enum verdict stream_start(struct stream *stream, Lsn start, struct stream_beginning *ret_beginning, struct problem *problem)
{
  return stream->ops->start(stream, start, ret_beginning, problem);
}

enum verdict stream_receive(struct stream *stream, bool may_read, struct stream_message *ret_message, struct problem *problem)
{
  return stream->ops->receive(stream, may_read, ret_message, problem);
}

enum verdict stream_send_status(struct stream *stream, Lsn write, Lsn flush, Lsn apply, bool asks, struct moment now, struct problem *problem)
{
  return stream->ops->send_status(stream, write, flush, apply, asks, now, problem);
}

enum verdict stream_flush(struct stream *stream, struct problem *problem)
{
  return stream->ops->flush(stream, problem);
}

enum verdict stream_finish(struct stream *stream, struct problem *problem)
{
  return stream->ops->finish(stream, problem);
}

void stream_bound(struct stream *stream, bool is_bounded)
{
  if (is_bounded != stream->is_bounded && stream->ops->bound != NULL) {
    stream->ops->bound(stream, is_bounded);
  }
  stream->is_bounded = is_bounded;
}

void stream_close(struct stream *stream)
{
  stream->ops->close(stream, false);
}

int stream_fd(const struct stream *stream)
{
  return stream->fd;
}

short stream_events(const struct stream *stream)
{
  return stream->events;
}

uint64_t stream_bytes_read(const struct stream *stream)
{
  return stream->bytes_read;
}

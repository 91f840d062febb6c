/*
 * model_poll.c - what has arrived at the relay's end of a replication connection, and what poll() says of it: now, and when next.
 *
 * While the line is frozen nothing arrives. A descriptor that is not asked for input tells only of the end of the connection, and of that at once, however much lies
 * unread before it.
 */
#include <poll.h>

#include "world.h"

static const struct link *link_of(const struct model_stream *stream)
{
  return &stream->world->relays[stream->relay].link;
}

bool model_stream_is_through(const struct model_stream *stream)
{
  int64_t now_us = stream->world->now_us;

  return now_us >= stream->due_us && now_us >= link_of(stream)->frozen_until_us;
}

const struct down *model_stream_head(const struct model_stream *stream)
{
  const struct walsender *sender = stream->sender;

  return sender != NULL && sender->down_count > 0 ? &sender->down[sender->down_first] : NULL;
}

const struct down *model_stream_newest(const struct model_stream *stream)
{
  const struct walsender *sender = stream->sender;

  return sender != NULL && sender->down_count > 0 ? &sender->down[(sender->down_first + sender->down_count - 1) % WALSENDER_DOWN_MAX] : NULL;
}

bool model_stream_has(const struct model_stream *stream, const struct down *down)
{
  int64_t now_us = stream->world->now_us;

  return down != NULL && down->arrives_us <= now_us && now_us >= link_of(stream)->frozen_until_us;
}

static bool is_end(const struct down *down)
{
  return down != NULL && down->kind >= DOWN_REFUSED;
}

short model_stream_poll(const struct model_stream *stream, short wanted)
{
  const struct down *newest = model_stream_newest(stream);
  bool has_ended = is_end(newest) && model_stream_has(stream, newest);
  short ready = 0;

  switch (stream->step) {
  case STEP_CLOSED:
    return 0;
  case STEP_ATTEMPT:
  case STEP_SECOND:
  case STEP_STARTING:
  case STEP_LOOKING:
    return (short)(model_stream_is_through(stream) || stream->is_cut ? wanted & POLLIN : 0);
  case STEP_READY:
    return stream->is_cut ? POLLIN : 0;
  case STEP_STREAMING:
  case STEP_FINISHING:
    break;
  }
  if (stream->is_cut || (has_ended && newest->kind != DOWN_DONE)) {
    ready = (short)(POLLHUP | POLLERR | (wanted & (POLLIN | POLLRDHUP)));
  } else if (has_ended && stream->step == STEP_STREAMING) {
    ready = (short)(wanted & POLLRDHUP);
  }
  if (model_stream_has(stream, model_stream_head(stream))) {
    ready = (short)(ready | (wanted & POLLIN));
  }
  if (stream->has_partial && stream->world->now_us >= link_of(stream)->blocked_until_us) {
    ready = (short)(ready | (wanted & POLLOUT));
  }
  return ready;
}

int64_t model_stream_next_us(const struct model_stream *stream, short wanted)
{
  const struct link *link = link_of(stream);
  int64_t next_us = INT64_MAX;

  if (stream->step == STEP_CLOSED) {
    return INT64_MAX;
  }
  if (stream->is_cut) {
    return 0;
  }
  if (stream->step < STEP_STREAMING) {
    next_us = stream->step == STEP_READY ? INT64_MAX : stream->due_us;
  } else {
    if ((wanted & POLLIN) != 0 && model_stream_head(stream) != NULL) {
      next_us = model_stream_head(stream)->arrives_us;
    } else if (is_end(model_stream_newest(stream))) {
      next_us = model_stream_newest(stream)->arrives_us;
    }
    if (next_us < INT64_MAX && next_us < link->frozen_until_us) {
      next_us = link->frozen_until_us;
    }
    if (stream->has_partial && (wanted & POLLOUT) != 0 && link->blocked_until_us < next_us) {
      next_us = link->blocked_until_us;
    }
    return next_us;
  }
  return next_us < INT64_MAX && next_us < link->frozen_until_us ? link->frozen_until_us : next_us;
}

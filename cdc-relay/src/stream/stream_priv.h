/* stream_priv.h - the seam; included by stream.c and the implementations only. */
#ifndef STREAM_STREAM_PRIV_H
#define STREAM_STREAM_PRIV_H

#include "stream/stream.h"

struct stream_ops {
  enum verdict (*connect)(struct stream *stream, struct moment now, struct server_facts *ret_facts, struct problem *problem);
  enum verdict (*start)(struct stream *stream, Lsn start, struct stream_beginning *ret_beginning, struct problem *problem);
  enum verdict (*receive)(struct stream *stream, bool may_read, struct stream_message *ret_message, struct problem *problem);
  enum verdict (*send_status)(struct stream *stream, Lsn write, Lsn flush, Lsn apply, bool asks, struct moment now, struct problem *problem);
  enum verdict (*flush)(struct stream *stream, struct problem *problem);
  enum verdict (*finish)(struct stream *stream, struct problem *problem);
  void (*close)(struct stream *stream, bool for_good);   /* for_good: also frees the struct */
  void (*bound)(struct stream *stream, bool is_bounded); /* only called when it changes; NULL: it has no such buffer */
};

/* First member of each implementation's own struct; the implementation keeps the public figures up to date. */
struct stream {
  const struct stream_ops *ops;
  int fd;
  short events;
  uint64_t bytes_read;
  bool is_bounded; /* kept by stream_bound(); an implementation resets it with the connection */
};

#endif

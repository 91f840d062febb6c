/* publisher_priv.h - the seam; included by publisher.c and the implementations only. */
#ifndef PUBLISH_PUBLISHER_PRIV_H
#define PUBLISH_PUBLISHER_PRIV_H

#include "publish/publisher.h"

struct publisher_ops {
  enum verdict (*open)(struct publisher *publisher, struct problem *problem);
  void (*close)(struct publisher *publisher);
  enum verdict (*publish)(struct publisher *publisher, const struct record *record, uint64_t token, struct problem *problem);
  void (*hurry)(struct publisher *publisher); /* NULL: nothing ever waits for company */
  enum verdict (*reports)(struct publisher *publisher, int limit, ReportFunction report, void *context, struct problem *problem);
  void (*figures)(const struct publisher *publisher, struct publisher_figures *ret_figures);
  void (*free)(struct publisher *publisher);
};

/* First member of each implementation's own struct. */
struct publisher {
  const struct publisher_ops *ops;
  int fd;
};

#endif

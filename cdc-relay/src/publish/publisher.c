/* publisher.c - forwards the port's calls to the implementation. */
#include "publish/publisher_priv.h"

#include <stddef.h>

void publisher_free(struct publisher *publisher)
{
  if (publisher != NULL) {
    publisher->ops->free(publisher);
  }
}

enum verdict publisher_open(struct publisher *publisher, struct problem *problem)
{
  return publisher->ops->open(publisher, problem);
}

void publisher_close(struct publisher *publisher)
{
  publisher->ops->close(publisher);
}

enum verdict publisher_publish(struct publisher *publisher, const struct record *record, uint64_t token, struct problem *problem)
{
  return publisher->ops->publish(publisher, record, token, problem);
}

void publisher_hurry(struct publisher *publisher)
{
  if (publisher->ops->hurry != NULL) {
    publisher->ops->hurry(publisher);
  }
}

enum verdict publisher_reports(struct publisher *publisher, int limit, ReportFunction report, void *context, struct problem *problem)
{
  return publisher->ops->reports(publisher, limit, report, context, problem);
}

int publisher_fd(const struct publisher *publisher)
{
  return publisher->fd;
}

void publisher_figures(const struct publisher *publisher, struct publisher_figures *ret_figures)
{
  publisher->ops->figures(publisher, ret_figures);
}

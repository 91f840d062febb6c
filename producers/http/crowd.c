/*
 * crowd.c - a doubly linked list. A member leaves before its descriptor is closed, so that a descriptor in the list is never somebody else's.
 */
#include "crowd.h"

#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "moment.h"
#include "service.h"

struct crowd_member {
  struct crowd_member *next;
  struct crowd_member *previous;
  int fd;
  bool is_working;
  bool is_shut;
  bool is_new;      /* has had no answer */
  int64_t since_us; /* opened, or answered last */
};

struct crowd {
  struct crowd_member *first;
  size_t count;
};

struct crowd *crowd_new(void)
{
  struct crowd *crowd = calloc(1, sizeof(*crowd));

  if (crowd == NULL) {
    abort();
  }
  return crowd;
}

void crowd_free(struct crowd *crowd)
{
  free(crowd);
}

struct crowd_member *crowd_enter(struct crowd *crowd, int fd)
{
  struct crowd_member *member = calloc(1, sizeof(*member));

  if (member == NULL) {
    abort();
  }
  *member = (struct crowd_member){.next = crowd->first, .fd = fd, .is_new = true, .since_us = moment_now().mono_us};
  if (crowd->first != NULL) {
    crowd->first->previous = member;
  }
  crowd->first = member;
  crowd->count++;
  return member;
}

void crowd_leave(struct crowd *crowd, struct crowd_member *member)
{
  if (member->previous != NULL) {
    member->previous->next = member->next;
  } else {
    crowd->first = member->next;
  }
  if (member->next != NULL) {
    member->next->previous = member->previous;
  }
  crowd->count--;
  free(member);
}

size_t crowd_count(const struct crowd *crowd)
{
  return crowd->count;
}

bool crowd_begin_work(struct crowd_member *member)
{
  member->is_working = !member->is_shut;
  return member->is_working;
}

void crowd_end_work(struct crowd_member *member, int64_t now_us)
{
  member->is_working = false;
  member->is_new = false;
  member->since_us = now_us;
}

size_t crowd_shut_overdue(struct crowd *crowd, int64_t now_us)
{
  size_t shut = 0;

  for (struct crowd_member *member = crowd->first; member != NULL; member = member->next) {
    if (!member->is_working && !member->is_shut && now_us - member->since_us >= (int64_t)HTTP_IDLE_TIMEOUT_S * US_PER_S) {
      (void)shutdown(member->fd, SHUT_RDWR);
      member->is_shut = true;
      shut++;
    }
  }
  return shut;
}

static bool has_unread(const struct crowd_member *member)
{
  int waiting = 0;

  return ioctl(member->fd, FIONREAD, &waiting) == 0 && waiting > 0;
}

bool crowd_expects_request(const struct crowd *crowd, int64_t now_us)
{
  for (const struct crowd_member *member = crowd->first; member != NULL; member = member->next) {
    if (!member->is_working && !member->is_shut &&
        ((member->is_new && now_us - member->since_us < (int64_t)HTTP_NEWCOMER_MS * US_PER_MS) || has_unread(member))) {
      return true;
    }
  }
  return false;
}

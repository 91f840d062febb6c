/*
 * crowd.c - a doubly linked list under one lock. A member leaves before its descriptor is closed, so that a descriptor in the list is never somebody else's.
 */
#include "crowd.h"

#include <pthread.h>
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
  int64_t since_us; /* opened, or answered last */
};

struct crowd {
  pthread_mutex_t lock;
  struct crowd_member *first;
  size_t count;
};

struct crowd *crowd_new(void)
{
  struct crowd *crowd = calloc(1, sizeof(*crowd));

  if (crowd == NULL) {
    abort();
  }
  (void)pthread_mutex_init(&crowd->lock, NULL);
  return crowd;
}

void crowd_free(struct crowd *crowd)
{
  if (crowd != NULL) {
    (void)pthread_mutex_destroy(&crowd->lock);
    free(crowd);
  }
}

struct crowd_member *crowd_enter(struct crowd *crowd, int fd)
{
  struct crowd_member *member = calloc(1, sizeof(*member));

  if (member == NULL) {
    abort();
  }
  member->fd = fd;
  member->since_us = moment_now().mono_us;
  (void)pthread_mutex_lock(&crowd->lock);
  member->next = crowd->first;
  if (crowd->first != NULL) {
    crowd->first->previous = member;
  }
  crowd->first = member;
  crowd->count++;
  (void)pthread_mutex_unlock(&crowd->lock);
  return member;
}

void crowd_leave(struct crowd *crowd, struct crowd_member *member)
{
  (void)pthread_mutex_lock(&crowd->lock);
  if (member->previous != NULL) {
    member->previous->next = member->next;
  } else {
    crowd->first = member->next;
  }
  if (member->next != NULL) {
    member->next->previous = member->previous;
  }
  crowd->count--;
  (void)pthread_mutex_unlock(&crowd->lock);
  free(member);
}

size_t crowd_count(struct crowd *crowd)
{
  size_t count;

  (void)pthread_mutex_lock(&crowd->lock);
  count = crowd->count;
  (void)pthread_mutex_unlock(&crowd->lock);
  return count;
}

bool crowd_begin_work(struct crowd *crowd, struct crowd_member *member)
{
  bool is_open;

  (void)pthread_mutex_lock(&crowd->lock);
  is_open = !member->is_shut;
  member->is_working = is_open;
  (void)pthread_mutex_unlock(&crowd->lock);
  return is_open;
}

void crowd_end_work(struct crowd *crowd, struct crowd_member *member, int64_t now_us)
{
  (void)pthread_mutex_lock(&crowd->lock);
  member->is_working = false;
  member->since_us = now_us;
  (void)pthread_mutex_unlock(&crowd->lock);
}

size_t crowd_shut_overdue(struct crowd *crowd, int64_t now_us)
{
  size_t shut = 0;

  (void)pthread_mutex_lock(&crowd->lock);
  for (struct crowd_member *member = crowd->first; member != NULL; member = member->next) {
    if (!member->is_working && !member->is_shut && now_us - member->since_us >= (int64_t)HTTP_IDLE_TIMEOUT_S * US_PER_S) {
      (void)shutdown(member->fd, SHUT_RDWR);
      member->is_shut = true;
      shut++;
    }
  }
  (void)pthread_mutex_unlock(&crowd->lock);
  return shut;
}

bool crowd_has_unread(struct crowd *crowd)
{
  bool has_unread = false;

  (void)pthread_mutex_lock(&crowd->lock);
  for (struct crowd_member *member = crowd->first; member != NULL && !has_unread; member = member->next) {
    int waiting = 0;

    has_unread = !member->is_working && !member->is_shut && ioctl(member->fd, FIONREAD, &waiting) == 0 && waiting > 0;
  }
  (void)pthread_mutex_unlock(&crowd->lock);
  return has_unread;
}

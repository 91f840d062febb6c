/*
 * crowd.c - a doubly linked list. A member leaves before its descriptor is closed, so that a descriptor in the list is never somebody else's.
 *
 * Nobody here sees a request before its head is whole: until then its bytes are libmicrohttpd's, or the kernel's. What is known of them is how many there were
 * and when the last one came (TCP_INFO), and how many lie unread (FIONREAD).
 */
#include "crowd.h"

#include <linux/tcp.h> /* knows more than <netinet/tcp.h> */
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "moment.h"
#include "service.h"

_Static_assert(HTTP_DRAIN_SILENCE_MS < HTTP_DRAIN_ARRIVAL_MS && HTTP_DRAIN_ARRIVAL_MS < HTTP_DRAIN_TIMEOUT_MS, "each is a part of the next");

enum crowd_step {
  CROWD_ASKING,   /* no head is there */
  CROWD_ARRIVING, /* the rest of a request is to come */
  CROWD_WORKING,
  CROWD_TAKING, /* an answer */
  CROWD_SHUT,   /* and not cleared away yet */
};

struct crowd_member {
  struct crowd_member *next;
  struct crowd_member *previous;
  int fd;
  enum crowd_step step;
  void *request;    /* of crowd_begin_request(), until its end */
  int64_t since_us; /* opened, or answered last; of one that takes an answer: got it */
  int64_t stuck_us; /* when it was first seen that nothing was read beyond `read_bytes`, though more was there, or the line's end; 0: it was not */
  uint64_t read_bytes;
};

struct crowd {
  struct crowd_member *first;
  size_t count;
  int64_t stop_us; /* 0: not yet */
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

struct crowd_member *crowd_enter(struct crowd *crowd, int fd, int64_t now_us)
{
  struct crowd_member *member = calloc(1, sizeof(*member));

  if (member == NULL) {
    abort();
  }
  *member = (struct crowd_member){.next = crowd->first, .fd = fd, .step = CROWD_ASKING, .since_us = now_us};
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

/* Who is shut stays it. */
static void set_step(struct crowd_member *member, enum crowd_step step)
{
  if (member->step != CROWD_SHUT) {
    member->step = step;
  }
}

void crowd_begin_request(struct crowd_member *member, void *request)
{
  set_step(member, CROWD_ARRIVING);
  member->request = request;
}

void *crowd_request(const struct crowd_member *member)
{
  return member->request;
}

bool crowd_begin_work(struct crowd_member *member)
{
  set_step(member, CROWD_WORKING);
  return member->step == CROWD_WORKING;
}

void crowd_begin_answer(struct crowd_member *member, int64_t now_us)
{
  set_step(member, CROWD_TAKING);
  member->since_us = now_us;
}

void crowd_end_request(struct crowd_member *member, int64_t now_us)
{
  set_step(member, CROWD_ASKING);
  member->request = NULL;
  member->since_us = now_us;
}

void crowd_stop(struct crowd *crowd, int64_t now_us)
{
  crowd->stop_us = now_us;
}

/* Bytes that nobody has read. */
static unsigned int unread(const struct crowd_member *member)
{
  int waiting = 0;

  return ioctl(member->fd, FIONREAD, &waiting) == 0 && waiting > 0 ? (unsigned int)waiting : 0;
}

/* False: no TCP. */
static bool look_at_line(const struct crowd_member *member, struct tcp_info *ret_info)
{
  socklen_t size = sizeof(*ret_info);

  *ret_info = (struct tcp_info){0};
  return getsockopt(member->fd, IPPROTO_TCP, TCP_INFO, ret_info, &size) == 0;
}

/* Since the last byte of it, or its coming; where the kernel does not say: for ever. */
static int64_t silence_us(const struct crowd_member *member)
{
  struct tcp_info info;

  return look_at_line(member, &info) ? (int64_t)info.tcpi_last_data_recv * US_PER_MS : INT64_MAX;
}

/*
 * libmicrohttpd reads whatever comes, at once, unless its memory for the connection is full of something that has no end; then it tries for ever. And it does
 * not see the end of a line that came together with the last bytes.
 */
static bool is_stuck(struct crowd_member *member, int64_t now_us)
{
  struct tcp_info info;
  uint64_t read_bytes;
  char byte;

  if (recv(member->fd, &byte, sizeof(byte), MSG_PEEK | MSG_DONTWAIT) < 0 || !look_at_line(member, &info)) {
    member->stuck_us = 0;
    return false;
  }
  read_bytes = info.tcpi_bytes_received - unread(member);
  if (member->stuck_us == 0 || read_bytes != member->read_bytes) {
    member->stuck_us = now_us;
    member->read_bytes = read_bytes;
  }
  return now_us - member->stuck_us >= (int64_t)HTTP_STUCK_MS * US_PER_MS;
}

/* Of a member that is waited for, the time that it has had since the stop, or since it may ask again. */
static int64_t drained_us(const struct crowd *crowd, const struct crowd_member *member, int64_t now_us)
{
  return now_us - (member->since_us > crowd->stop_us ? member->since_us : crowd->stop_us);
}

static bool has_nothing_here(const struct crowd *crowd, const struct crowd_member *member, int64_t now_us)
{
  const int64_t patience_us = (int64_t)HTTP_DRAIN_SILENCE_MS * US_PER_MS;

  return crowd->stop_us != 0 && drained_us(crowd, member, now_us) >= patience_us && silence_us(member) >= patience_us && unread(member) == 0;
}

static bool is_too_slow(const struct crowd *crowd, const struct crowd_member *member, int64_t now_us)
{
  return now_us - member->since_us >= (int64_t)HTTP_IDLE_TIMEOUT_S * US_PER_S ||
         (crowd->stop_us != 0 && drained_us(crowd, member, now_us) >= (int64_t)HTTP_DRAIN_ARRIVAL_MS * US_PER_MS);
}

static bool is_overdue(const struct crowd *crowd, const struct crowd_member *member, int64_t now_us)
{
  switch (member->step) {
  case CROWD_ASKING:
  case CROWD_ARRIVING:
    return is_too_slow(crowd, member, now_us);
  case CROWD_TAKING:
    return now_us - member->since_us >= (int64_t)HTTP_ANSWER_TIMEOUT_S * US_PER_S;
  case CROWD_WORKING:
  case CROWD_SHUT:
    break;
  }
  return false;
}

static bool is_done(const struct crowd *crowd, struct crowd_member *member, int64_t now_us)
{
  bool is_asking = member->step == CROWD_ASKING;

  return ((is_asking || member->step == CROWD_ARRIVING) && is_stuck(member, now_us)) || (is_asking && has_nothing_here(crowd, member, now_us));
}

void crowd_shut(struct crowd_member *member)
{
  (void)shutdown(member->fd, SHUT_RDWR);
  member->step = CROWD_SHUT;
}

size_t crowd_shut_overdue(struct crowd *crowd, int64_t now_us)
{
  size_t shut = 0;

  for (struct crowd_member *member = crowd->first; member != NULL; member = member->next) {
    if (is_overdue(crowd, member, now_us)) {
      crowd_shut(member);
      shut++;
    } else if (is_done(crowd, member, now_us)) {
      crowd_shut(member);
    }
  }
  return shut;
}

/*
 * rough_sockets.c - LD_PRELOAD: stream sockets do what the kernel may do and hardly ever does. A call of recv, recvmsg, send, sendmsg, read or write
 *
 *   is interrupted by a signal (EINTR), or
 *   finds nothing to do where the socket does not block (EAGAIN), or
 *   moves fewer bytes than it was given, down to one,
 *
 * and poll, ppoll and epoll_wait are interrupted. Which, and when, comes from a seed.
 *
 *   ROUGH_SOCKETS_SEED=N        default 1
 *   ROUGH_SOCKETS_PERCENT=N     of the calls are treated so; default 50
 *   ROUGH_SOCKETS_NOTE=FILE     at an orderly end gets a line "eintr N eagain N short N calls N"
 *
 * The kernel interrupts only calls that wait. libpq does not rely on that, so its calls (recv, send) are interrupted at will; librdkafka does (recvmsg, sendmsg: it takes
 * EINTR for the end of the connection), so those are interrupted only on sockets that block.
 *
 * Left alone are sockets that came from accept: libmicrohttpd watches them by edges (EPOLLET), and the kernel promises there that a short read means
 * "there is no more".
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { FDS_MAX = 4096, PIECES_MAX = 1024, SHORT_MAX_BYTES = 24 };

enum rough { ROUGH_NOT, ROUGH_EINTR, ROUGH_EAGAIN, ROUGH_SHORT, ROUGH_KINDS };

static uint64_t seed = 1;
static uint64_t percent = 50;
static _Atomic uint64_t draws;
static _Atomic unsigned long counts[ROUGH_KINDS];
static _Atomic bool accepted[FDS_MAX];

static void __attribute__((constructor)) begin(void)
{
  const char *text = getenv("ROUGH_SOCKETS_SEED");

  seed = text != NULL ? strtoul(text, NULL, 10) : 1;
  text = getenv("ROUGH_SOCKETS_PERCENT");
  percent = text != NULL ? strtoul(text, NULL, 10) : 50;
}

static void __attribute__((destructor)) end(void)
{
  const char *file = getenv("ROUGH_SOCKETS_NOTE");
  FILE *note = file != NULL ? fopen(file, "ae") : NULL;

  if (note != NULL) {
    (void)fprintf(note, "eintr %lu eagain %lu short %lu calls %lu\n", counts[ROUGH_EINTR], counts[ROUGH_EAGAIN], counts[ROUGH_SHORT],
                  (unsigned long)atomic_load(&draws));
    (void)fclose(note);
  }
}

/* Splitmix64 of the seed and a count of calls, so that threads need no lock. */
static uint64_t draw(void)
{
  uint64_t x = seed * UINT64_C(0x9e3779b97f4a7c15) + atomic_fetch_add_explicit(&draws, 1, memory_order_relaxed) * UINT64_C(0xbf58476d1ce4e5b9);

  x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
  x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
  return x ^ (x >> 31);
}

static bool is_ours(int fd)
{
  int saved = errno;
  int type = 0;
  socklen_t length = sizeof(type);
  bool is = fd >= 0 && fd < FDS_MAX && !atomic_load(&accepted[fd]) && getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) == 0 && type == SOCK_STREAM;

  errno = saved;
  return is;
}

/* What happens to a call that would move `length` bytes; *ret_length is how many it may. */
static enum rough rough_of(int fd, int flags, bool minds_eintr, size_t length, size_t *ret_length)
{
  uint64_t dice;
  bool waits;
  enum rough rough = ROUGH_NOT;

  *ret_length = length;
  if (length == 0 || (flags & MSG_PEEK) != 0 || !is_ours(fd)) {
    return ROUGH_NOT;
  }
  dice = draw();
  if (dice % 100 >= percent) {
    return ROUGH_NOT;
  }
  dice /= 100;
  waits = (flags & MSG_DONTWAIT) == 0 && (fcntl(fd, F_GETFL) & O_NONBLOCK) == 0;
  if (dice % 10 < 2 && (waits || !minds_eintr)) {
    rough = ROUGH_EINTR;
    errno = EINTR;
  } else if (dice % 10 < 4 && !waits) {
    rough = ROUGH_EAGAIN;
    errno = EAGAIN;
  } else {
    rough = ROUGH_SHORT;
    dice /= 10;
    dice = dice % 4 == 0 ? 1 : dice % SHORT_MAX_BYTES + 1;
    *ret_length = length < dice ? length : dice;
  }
  atomic_fetch_add_explicit(&counts[rough], 1, memory_order_relaxed);
  return rough;
}

static bool is_refused(enum rough rough)
{
  return rough == ROUGH_EINTR || rough == ROUGH_EAGAIN;
}

ssize_t recv(int fd, void *bytes, size_t length, int flags)
{
  return is_refused(rough_of(fd, flags, false, length, &length)) ? -1 : syscall(SYS_recvfrom, fd, bytes, length, flags, NULL, NULL);
}

ssize_t send(int fd, const void *bytes, size_t length, int flags)
{
  return is_refused(rough_of(fd, flags, false, length, &length)) ? -1 : syscall(SYS_sendto, fd, bytes, length, flags, NULL, 0);
}

ssize_t read(int fd, void *bytes, size_t length)
{
  return is_refused(rough_of(fd, 0, false, length, &length)) ? -1 : syscall(SYS_read, fd, bytes, length);
}

ssize_t write(int fd, const void *bytes, size_t length)
{
  return is_refused(rough_of(fd, 0, false, length, &length)) ? -1 : syscall(SYS_write, fd, bytes, length);
}

/* The message with its pieces cut to `length` bytes in all; its own pieces are left as they are. */
static struct msghdr cut(const struct msghdr *message, size_t length, struct iovec *pieces)
{
  struct msghdr shorter = *message;
  size_t count = 0;

  for (; count < message->msg_iovlen && count < PIECES_MAX && length > 0; count++) {
    pieces[count] = message->msg_iov[count];
    pieces[count].iov_len = pieces[count].iov_len < length ? pieces[count].iov_len : length;
    length -= pieces[count].iov_len;
  }
  shorter.msg_iov = pieces;
  shorter.msg_iovlen = count;
  return shorter;
}

static size_t bytes_of(const struct msghdr *message)
{
  size_t bytes = 0;

  for (size_t i = 0; i < message->msg_iovlen; i++) {
    bytes += message->msg_iov[i].iov_len;
  }
  return bytes;
}

ssize_t recvmsg(int fd, struct msghdr *message, int flags)
{
  struct iovec pieces[PIECES_MAX];
  struct msghdr shorter;
  size_t length;
  enum rough rough = rough_of(fd, flags, true, bytes_of(message), &length);
  ssize_t received;

  if (rough != ROUGH_SHORT) {
    return is_refused(rough) ? -1 : syscall(SYS_recvmsg, fd, message, flags);
  }
  shorter = cut(message, length, pieces);
  received = syscall(SYS_recvmsg, fd, &shorter, flags);
  message->msg_namelen = shorter.msg_namelen;
  message->msg_controllen = shorter.msg_controllen;
  message->msg_flags = shorter.msg_flags;
  return received;
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
  struct iovec pieces[PIECES_MAX];
  struct msghdr shorter;
  size_t length;
  enum rough rough = rough_of(fd, flags, true, bytes_of(message), &length);

  if (rough != ROUGH_SHORT) {
    return is_refused(rough) ? -1 : syscall(SYS_sendmsg, fd, message, flags);
  }
  shorter = cut(message, length, pieces);
  return syscall(SYS_sendmsg, fd, &shorter, flags);
}

/* One wait in ten, so that somebody gets somewhere. */
static bool wait_is_interrupted(void)
{
  if (draw() % 1000 >= percent * 2) {
    return false;
  }
  atomic_fetch_add_explicit(&counts[ROUGH_EINTR], 1, memory_order_relaxed);
  errno = EINTR;
  return true;
}

int poll(struct pollfd *polled, nfds_t count, int timeout_ms)
{
  return wait_is_interrupted() ? -1 : (int)syscall(SYS_poll, polled, count, timeout_ms);
}

extern int __poll_chk(struct pollfd *polled, nfds_t count, int timeout_ms, size_t bytes);
int __poll_chk(struct pollfd *polled, nfds_t count, int timeout_ms, size_t bytes)
{
  (void)bytes;
  return poll(polled, count, timeout_ms);
}

int ppoll(struct pollfd *polled, nfds_t count, const struct timespec *timeout, const sigset_t *mask)
{
  struct timespec left = timeout != NULL ? *timeout : (struct timespec){0};

  return wait_is_interrupted() ? -1 : (int)syscall(SYS_ppoll, polled, count, timeout != NULL ? &left : NULL, mask, (size_t)8);
}

int epoll_wait(int fd, struct epoll_event *events, int count, int timeout_ms)
{
  return wait_is_interrupted() ? -1 : (int)syscall(SYS_epoll_wait, fd, events, count, timeout_ms);
}

int accept4(int listening, struct sockaddr *address, socklen_t *length, int flags)
{
  int fd = (int)syscall(SYS_accept4, listening, address, length, flags);

  if (fd >= 0 && fd < FDS_MAX) {
    atomic_store(&accepted[fd], true);
  }
  return fd;
}

int socket(int domain, int type, int protocol)
{
  int fd = (int)syscall(SYS_socket, domain, type, protocol);

  if (fd >= 0 && fd < FDS_MAX) {
    atomic_store(&accepted[fd], false);
  }
  return fd;
}

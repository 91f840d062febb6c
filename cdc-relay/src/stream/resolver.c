/*
 * resolver.c - one request, shared by the loop and one detached thread; whoever leaves last frees it.
 *
 * The thread writes the answers, then sets `done` (release) and the eventfd; the loop reads them only after it saw `done` (acquire).
 */
#include "stream/resolver.h"

#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

struct resolver {
  atomic_int users;
  atomic_bool done;
  int fd;
  size_t name_count;
  char *names[RESOLVER_HOSTS_MAX];
  const char *errors[RESOLVER_HOSTS_MAX];
  size_t count;
  struct resolved addresses[RESOLVER_ADDRESSES_MAX];
};

static void resolver_leave(struct resolver *resolver)
{
  if (atomic_fetch_sub(&resolver->users, 1) != 1) {
    return;
  }
  for (size_t i = 0; i < resolver->name_count; i++) {
    free(resolver->names[i]);
  }
  if (resolver->fd >= 0) {
    (void)close(resolver->fd);
  }
  free(resolver);
}

static void resolve_one(struct resolver *resolver, size_t request)
{
  const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
  struct addrinfo *list = NULL;
  int error = getaddrinfo(resolver->names[request], NULL, &hints, &list);

  if (error != 0) {
    resolver->errors[request] = gai_strerror(error);
    return;
  }
  for (const struct addrinfo *at = list; at != NULL && resolver->count < RESOLVER_ADDRESSES_MAX; at = at->ai_next) {
    struct resolved *address = &resolver->addresses[resolver->count];

    if (getnameinfo(at->ai_addr, at->ai_addrlen, address->address, sizeof(address->address), NULL, 0, NI_NUMERICHOST) == 0) {
      address->request = request;
      resolver->count++;
    }
  }
  freeaddrinfo(list);
}

static void *resolver_run(void *argument)
{
  struct resolver *resolver = argument;

  for (size_t i = 0; i < resolver->name_count; i++) {
    if (resolver->names[i] != NULL) {
      resolve_one(resolver, i);
    }
  }
  atomic_store_explicit(&resolver->done, true, memory_order_release);
  (void)!write(resolver->fd, &(uint64_t){1}, sizeof(uint64_t));
  resolver_leave(resolver);
  return NULL;
}

/* The thread takes no signals: they are for the loop's signalfd. */
static bool thread_start(struct resolver *resolver)
{
  pthread_attr_t attributes;
  pthread_t thread;
  sigset_t all;
  sigset_t before;
  int error;

  if (pthread_attr_init(&attributes) != 0) {
    return false;
  }
  (void)pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  (void)pthread_attr_setstacksize(&attributes, 256 << 10);
  (void)sigfillset(&all);
  (void)pthread_sigmask(SIG_SETMASK, &all, &before);
  error = pthread_create(&thread, &attributes, resolver_run, resolver);
  (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
  (void)pthread_attr_destroy(&attributes);
  return error == 0;
}

struct resolver *resolver_new(const char *const *names, size_t count)
{
  struct resolver *resolver = calloc(1, sizeof(*resolver));

  if (resolver == NULL) {
    return NULL;
  }
  atomic_init(&resolver->users, 2);
  atomic_init(&resolver->done, false);
  resolver->name_count = count < RESOLVER_HOSTS_MAX ? count : RESOLVER_HOSTS_MAX;
  for (size_t i = 0; i < resolver->name_count; i++) {
    resolver->names[i] = names[i] != NULL ? strdup(names[i]) : NULL;
    if (names[i] != NULL && resolver->names[i] == NULL) {
      abort();
    }
  }
  resolver->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (resolver->fd < 0 || !thread_start(resolver)) {
    atomic_store(&resolver->users, 1);
    resolver_leave(resolver);
    return NULL;
  }
  return resolver;
}

void resolver_free(struct resolver *resolver)
{
  if (resolver != NULL) {
    resolver_leave(resolver);
  }
}

int resolver_fd(const struct resolver *resolver)
{
  return resolver->fd;
}

bool resolver_is_done(struct resolver *resolver)
{
  return atomic_load_explicit(&resolver->done, memory_order_acquire);
}

size_t resolver_count(const struct resolver *resolver)
{
  return resolver->count;
}

const struct resolved *resolver_at(const struct resolver *resolver, size_t index)
{
  return &resolver->addresses[index];
}

const char *resolver_error(const struct resolver *resolver, size_t request)
{
  return request < RESOLVER_HOSTS_MAX ? resolver->errors[request] : NULL;
}

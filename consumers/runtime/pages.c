/*
 * pages.c - one thread that polls three descriptors: the admin server's, a signalfd, and an eventfd by which the program ends it.
 *
 * Signals are read here and nowhere else. They are blocked before the first thread is made, so that librdkafka's threads have them blocked too.
 */
#include "pages.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "admin.h"
#include "exposition_text.h"
#include "moment.h"

struct pages {
  struct vitals *vitals;
  const struct figures *figures;
  struct admin *admin;
  int signal_fd;
  int end_fd;
  pthread_t thread;
};

static const char text_plain[] = "text/plain; charset=utf-8";

void vitals_init(struct vitals *vitals)
{
  memset(vitals, 0, sizeof(*vitals));
  atomic_init(&vitals->moved_us, moment_now().mono_us);
  atomic_init(&vitals->is_member, false);
  atomic_init(&vitals->is_database_there, false);
  atomic_init(&vitals->is_stopping, false);
  (void)pthread_mutex_init(&vitals->lock, NULL);
}

void vitals_set_trouble(struct vitals *vitals, const char *text)
{
  (void)pthread_mutex_lock(&vitals->lock);
  if (strcmp(vitals->trouble, text) != 0) {
    (void)snprintf(vitals->trouble, sizeof(vitals->trouble), "%s", text);
  }
  (void)pthread_mutex_unlock(&vitals->lock);
}

static void page_of(struct admin_page *page, unsigned int status, const char *text)
{
  *page = (struct admin_page){.status = status, .content_type = text_plain, .body = strdup(text), .length = strlen(text)};
  if (page->body == NULL) {
    abort();
  }
}

static void live_page(void *context, const char *accept, struct admin_page *ret_page)
{
  struct pages *pages = context;
  int64_t still_us = moment_now().mono_us - atomic_load(&pages->vitals->moved_us);
  char text[96];

  (void)accept;
  if (still_us <= PAGES_LIVE_S * INT64_C(1000000)) {
    page_of(ret_page, 200, "ok\n");
    return;
  }
  (void)snprintf(text, sizeof(text), "the loop has not moved for %lld s\n", (long long)(still_us / US_PER_S));
  page_of(ret_page, 503, text);
}

static void ready_page(void *context, const char *accept, struct admin_page *ret_page)
{
  struct pages *pages = context;
  struct vitals *vitals = pages->vitals;
  char text[PROBLEM_TEXT_MAX + 256];
  int length = 0;

  (void)accept;
  (void)pthread_mutex_lock(&vitals->lock);
  if (atomic_load(&vitals->is_stopping)) {
    length += snprintf(text + length, sizeof(text) - (size_t)length, "stopping\n");
  }
  if (!atomic_load(&vitals->is_member)) {
    length +=
        snprintf(text + length, sizeof(text) - (size_t)length, "no partitions are assigned yet%s%s\n", vitals->trouble[0] != '\0' ? ": " : "", vitals->trouble);
  }
  if (!atomic_load(&vitals->is_database_there)) {
    length += snprintf(text + length, sizeof(text) - (size_t)length, "the database does not answer\n");
  }
  (void)pthread_mutex_unlock(&vitals->lock);
  page_of(ret_page, length == 0 ? 200 : 503, length == 0 ? "ok\n" : text);
}

static void metrics_page(void *context, const char *accept, struct admin_page *ret_page)
{
  struct pages *pages = context;

  (void)accept;
  *ret_page = (struct admin_page){.status = 200, .content_type = EXPOSITION_TEXT_TYPE};
  ret_page->body = instruments_text(pages->figures->instruments, &ret_page->length);
}

static const struct admin_route routes[] = {{"/livez", live_page}, {"/readyz", ready_page}, {"/metrics", metrics_page}, {NULL, NULL}};

static void take_signals(struct pages *pages)
{
  struct signalfd_siginfo info;

  while (read(pages->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
    if (atomic_exchange(&pages->vitals->is_stopping, true)) {
      _exit(EXIT_UNEXPECTED);
    }
  }
}

static void *serve(void *context)
{
  struct pages *pages = context;
  struct pollfd polled[] = {
      {.fd = admin_fd(pages->admin), .events = POLLIN}, {.fd = pages->signal_fd, .events = POLLIN}, {.fd = pages->end_fd, .events = POLLIN}};

  while ((polled[2].revents & POLLIN) == 0) {
    if (poll(polled, sizeof(polled) / sizeof(polled[0]), (int)admin_timeout_ms(pages->admin)) < 0 && errno != EINTR) {
      abort();
    }
    take_signals(pages);
    admin_step(pages->admin);
  }
  return NULL;
}

enum verdict pages_open(const struct address *listen, struct vitals *vitals, const struct figures *figures, struct pages **ret_pages, struct problem *problem)
{
  const struct listener_place place = {.host = listen->host, .port = listen->port, .setting = "HTTP_LISTEN", .cause = "http_listen"};
  struct pages *pages = calloc(1, sizeof(*pages));
  enum verdict verdict;
  sigset_t signals;

  if (pages == NULL) {
    abort();
  }
  pages->vitals = vitals;
  pages->figures = figures;
  verdict = admin_open(&place, routes, pages, &pages->admin, problem);
  if (verdict != VERDICT_OK) {
    free(pages);
    return verdict;
  }
  (void)sigemptyset(&signals);
  (void)sigaddset(&signals, SIGTERM);
  (void)sigaddset(&signals, SIGINT);
  (void)pthread_sigmask(SIG_BLOCK, &signals, NULL);
  pages->signal_fd = signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC);
  pages->end_fd = eventfd(0, EFD_CLOEXEC);
  if (pages->signal_fd < 0 || pages->end_fd < 0 || pthread_create(&pages->thread, NULL, serve, pages) != 0) {
    abort();
  }
  *ret_pages = pages;
  return VERDICT_OK;
}

uint16_t pages_port(const struct pages *pages)
{
  return admin_port(pages->admin);
}

void pages_close(struct pages *pages)
{
  if (pages == NULL) {
    return;
  }
  (void)eventfd_write(pages->end_fd, 1);
  (void)pthread_join(pages->thread, NULL);
  admin_close(pages->admin);
  (void)close(pages->signal_fd);
  (void)close(pages->end_fd);
  free(pages);
}

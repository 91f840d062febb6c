/*
 * fuzz_admin.c - the admin server, through a socket of its own: a client sends the input. Whatever it was, the answers must be HTTP, and the next client
 * must get its page. Connections are ended by reset, so that no port waits for its time to pass.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "admin.h"
#include "fuzz.h"

enum { ANSWER_MAX_BYTES = 1 << 16, STEPS_MAX = 100000, QUIET_STEPS = 3 };

static struct admin *admin;

static void page(void *context, const char *accept, struct admin_page *ret_page)
{
  static const char text[] = "alive\n";

  (void)context;
  fuzz_touch(span_of_text(accept));
  ret_page->body = strdup(text);
  ret_page->length = sizeof(text) - 1;
}

static const struct admin_route routes[] = {{"/livez", page}, {"/readyz", page}, {"/metrics", page}, {"/status", page}, {NULL, NULL}};

/* libFuzzer's alarm would interrupt it. */
static bool connect_undisturbed(int fd, const struct sockaddr_in *address)
{
  sigset_t alarm;
  sigset_t before;
  bool is_connected;

  (void)sigemptyset(&alarm);
  (void)sigaddset(&alarm, SIGALRM);
  (void)sigprocmask(SIG_BLOCK, &alarm, &before);
  is_connected = connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0;
  (void)sigprocmask(SIG_SETMASK, &before, NULL);
  return is_connected;
}

static int connect_client(void)
{
  const struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(admin_port(admin)), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

  if (fd < 0 || !connect_undisturbed(fd, &address)) {
    perror("could not connect");
    abort();
  }
  FUZZ_EXPECT(setsockopt(fd, SOL_SOCKET, SO_LINGER, &(struct linger){.l_onoff = 1}, sizeof(struct linger)) == 0);
  return fd;
}

/*
 * Sends all of it and turns the server until it has closed its side or has nothing to do: it keeps a connection that may bring more. Returns the length of what
 * it said. On the loopback what was sent is there at once, so that nothing to do now is nothing to do.
 */
static size_t converse(struct span request, char answer[ANSWER_MAX_BYTES])
{
  int fd = connect_client();
  size_t sent = 0;
  size_t length = 0;
  bool is_open = true;

  for (int quiet = 0, step = 0; is_open && quiet < QUIET_STEPS; quiet++, step++) {
    ssize_t count = sent < request.length ? send(fd, request.data + sent, request.length - sent, MSG_DONTWAIT | MSG_NOSIGNAL) : 0;

    FUZZ_EXPECT(step < STEPS_MAX);
    if (count < 0 && errno != EAGAIN) {
      sent = request.length; /* it does not listen to the end */
    } else if (count > 0) {
      sent += (size_t)count;
      quiet = 0;
    }
    if (poll(&(struct pollfd){.fd = admin_fd(admin), .events = POLLIN}, 1, 0) > 0 || admin_timeout_ms(admin) == 0) {
      quiet = 0;
    }
    admin_step(admin);
    while ((count = recv(fd, answer + length, ANSWER_MAX_BYTES - length, MSG_DONTWAIT)) > 0) {
      length += (size_t)count;
      quiet = 0;
    }
    is_open = count < 0 && errno == EAGAIN && length < ANSWER_MAX_BYTES;
  }
  (void)close(fd);
  return length;
}

static bool begins_with(const char *bytes, size_t length, const char *text)
{
  return length >= strlen(text) && memcmp(bytes, text, strlen(text)) == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  static const struct listener_place place = {.host = "127.0.0.1", .setting = "admin.listen", .cause = "admin_listen"};
  static char answer[ANSWER_MAX_BYTES];
  struct problem problem;
  size_t length;

  if (admin == NULL && admin_open(&place, routes, NULL, &admin, &problem) != VERDICT_OK) {
    (void)fprintf(stderr, "%s\n", problem.text);
    abort();
  }
  length = converse(span_of((const char *)data, size), answer);
  FUZZ_EXPECT(length == 0 || begins_with(answer, length, "HTTP/1."));
  length = converse(span_of_text("GET /livez HTTP/1.0\r\n\r\n"), answer);
  FUZZ_EXPECT(begins_with(answer, length, "HTTP/1.") && length > 6 && memcmp(answer + length - 6, "alive\n", 6) == 0);
  return 0;
}

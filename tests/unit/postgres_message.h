/* postgres_message.h - a message of PostgreSQL's protocol, version 3, as a server sends it: type, length of the rest, body. */
#ifndef POSTGRES_MESSAGE_H
#define POSTGRES_MESSAGE_H

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

static inline void postgres_say(int fd, char type, const void *body, size_t length)
{
  char message[4096];
  uint32_t size = htonl((uint32_t)length + 4);

  cr_assert_leq(length + 5, sizeof(message));
  message[0] = type;
  memcpy(message + 1, &size, 4);
  memcpy(message + 5, body, length);
  cr_assert_eq(send(fd, message, length + 5, MSG_NOSIGNAL), (ssize_t)length + 5);
}

#endif

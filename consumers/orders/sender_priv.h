/* sender_priv.h - what an implementation of the sender port is. */
#ifndef SENDER_PRIV_H
#define SENDER_PRIV_H

#include "sender.h"

struct sender_methods {
  enum verdict (*open)(struct sender *sender, struct problem *problem);
  enum verdict (*send)(struct sender *sender, const struct notice *notice, struct problem *problem);
};

struct sender {
  const struct sender_methods *methods;
  const struct sender_settings *settings;
  const struct log *log;
  int fd; /* -1: none */
};

extern const struct sender_methods sender_log;
extern const struct sender_methods sender_file;

#endif

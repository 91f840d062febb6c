/* config_priv.h - what belongs to a configuration and is nobody else's business; included by config.c, outbox.c and config_print.c. */
#ifndef CONFIG_CONFIG_PRIV_H
#define CONFIG_CONFIG_PRIV_H

#include "config/options.h"
#include "config/setting.h"
#include "config/texts.h"

/* A value that came from a file and is read again by config_reload_secrets(). */
struct secret_file {
  const char *path;                      /* of the option, for people */
  const char *file;                      /* where to read */
  const char **member;                   /* of the configuration, to be replaced */
  const struct kafka_property *property; /* NULL: none */
  bool has_lines;
  bool is_url;    /* must stay a connection string */
  bool is_secret; /* else it is shown, so it must be UTF-8 */
};

struct config_priv {
  struct texts texts;
  const char *scalar_origins[SCALAR_OPTION_COUNT];
  struct config_outbox *outbox;
  const char *(*outbox_origins)[OUTBOX_OPTION_COUNT];
  struct config_property *kafka;
  const char **kafka_origins;
  size_t secret_file_count, secret_file_capacity;
  struct secret_file *secret_files;
};

/* `file shop.json`, and with a value from a file `file shop.json, read from /run/secrets/pg`. The pool's. */
const char *config_origin(struct texts *texts, const struct setting *setting);

/* Builds config->outbox from the settings; needs config->delivery. */
void outbox_build(struct config *config, struct settings *settings);

#endif

/* connection_text.h - libpq connection strings as texts: the database in them, and the passwords that nobody may see. config_mask_url() is here too. */
#ifndef CONFIG_CONNECTION_TEXT_H
#define CONFIG_CONNECTION_TEXT_H

#include <stdbool.h>

#include "config/texts.h"

enum { CONNECTION_NAME_MAX_BYTES = 63 }; /* NAMEDATALEN - 1: slots, publications, databases */

/* NULL when libpq can read it, else what is wrong; the pool's. libpq's own words quote the string, so only those outside of quotes are kept. */
const char *connection_text_refusal(const char *url, struct texts *texts);

/* Whether libpq finds a password (`password` or `sslpassword`) in it. In NULL, and in what libpq cannot read, it finds none. */
bool connection_text_has_password(const char *url);

/* `<database>_outbox` for the database that libpq would connect to, in the letters of a slot name; the pool's. NULL when the string does not say which. */
const char *connection_text_slot(const char *url, const char *const *environment, struct texts *texts);

#endif

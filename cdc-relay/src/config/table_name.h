/* table_name.h - `[schema.]table` with PostgreSQL's rules of quoting. */
#ifndef CONFIG_TABLE_NAME_H
#define CONFIG_TABLE_NAME_H

#include "config/texts.h"

struct table_name {
  const char *schema;
  const char *table;
  const char *display; /* quoted only where it must be: `public.outbox`, `"Shop"."Events"` */
};

/*
 * Reads all of `text`: one or two identifiers; a bare one is folded to lower case (ASCII letters), a quoted one stays, with "" for a quote. The schema is
 * `public` when there is none. NULL and *ret_name, or why not (static).
 */
const char *table_name_parse(const char *text, struct texts *texts, struct table_name *ret_name);

#endif

/*
 * replacement.h - the option route.topic.replacement, read once: Java's replacement text, and `$name` without braces.
 *
 *   ${name}  $name     what the named group matched      \x    the character x
 *   $1  $12            the numbered group; as many digits as there is a group for, as in Java
 *
 * A group that took no part in the match gives nothing. Include <pcre2.h> with PCRE2_CODE_UNIT_WIDTH 8 first.
 */
#ifndef ROUTE_REPLACEMENT_H
#define ROUTE_REPLACEMENT_H

#include <pcre2.h>
#include <stdint.h>

#include "problem_list.h"
#include "span.h"

struct replacement_piece {
  uint32_t group;      /* with `literal` null */
  struct span literal; /* in the replacement's `text` */
};

struct replacement {
  size_t count;
  struct replacement_piece *pieces; /* owned */
  char *text;                       /* owned: all literals, backslashes taken out */
};

/* Mistakes go to `problems` as `<path>.route.topic.replacement`. `regex` says which groups there are, and is only borrowed for the call. */
void replacement_init(struct replacement *replacement, const char *text, const pcre2_code *regex, const char *path, struct problem_list *problems);
void replacement_done(struct replacement *replacement); /* also of a struct of zeros */

/* Writes at most `size` bytes at `to` and returns how many; a result that was cut has the length `size`. `groups` is the match's vector for `subject`. */
size_t replacement_write(const struct replacement *replacement, struct span subject, const size_t *groups, char *to, size_t size);

#endif

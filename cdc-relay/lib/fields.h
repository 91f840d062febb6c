/*
 * fields.h - typed readers for the members of a JSON object that came from outside. Each reader that finds something wrong notes it and goes on, so that a
 * caller reads all fields first and looks at the count of mistakes once:
 *
 *     struct fields fields = fields_of(body);
 *     const char *name = fields_text(&fields, "productName", 1, 200);
 *     const char *price = fields_decimal(&fields, "price", "0.01", 2);
 *     if (fields.mistake_count > 0) { ... }
 *
 * What a reader returns after a mistake is a harmless value of its type: "", `least`, NULL for a list. Texts are borrowed from the document. Members that
 * nobody reads are no mistake.
 */
#ifndef FIELDS_H
#define FIELDS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { FIELDS_MISTAKES_MAX = 16, FIELDS_TEXT_MAX = 160, FIELDS_DECIMAL_SIZE = 40, FIELDS_DECIMALS_MAX = 8 };

struct field_mistake {
  char field[96]; /* `items[2].quantity` */
  char text[FIELDS_TEXT_MAX];
};

struct fields {
  const json_t *object;
  const char *prefix; /* of names in mistakes: "" or `items[2].` */
  size_t mistake_count;
  struct field_mistake mistakes[FIELDS_MISTAKES_MAX]; /* further ones are counted */
  size_t decimal_count;
  char decimals[FIELDS_DECIMALS_MAX][FIELDS_DECIMAL_SIZE]; /* what fields_decimal() returned */
};

/* A document that is no object is one mistake, without a name. */
struct fields fields_of(const json_t *document);
/* The same for an object inside of another, with a prefix that ends in a point, borrowed: a member that is no object is one mistake, of the prefix's name. */
struct fields fields_of_member(const json_t *member, const char *prefix);
/* The mistakes of a member are the document's, too. */
void fields_append(struct fields *fields, const struct fields *more);
/* A mistake that only the caller can see. The words are for the client. */
void fields_mistake(struct fields *fields, const char *field, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* UTF-8 without U+0000, `least` to `most` characters. Spaces around count as characters; a text of spaces alone is a mistake unless `least` is 0. */
const char *fields_text(struct fields *fields, const char *name, size_t least, size_t most);
/* The same; NULL where it is absent or null, and after a mistake. */
const char *fields_optional_text(struct fields *fields, const char *name, size_t least, size_t most);
/* One @ with something on both sides, no space, no control character, at most 254 bytes (RFC 5321's limit); whether anybody reads it only a mail can tell. */
const char *fields_email(struct fields *fields, const char *name);
/* Three capital letters of ISO 4217's list of active codes; not XTS (for tests) nor XXX (no currency). */
const char *fields_currency(struct fields *fields, const char *name);
/* A JSON integer; 12.0 and "12" are none. */
int64_t fields_integer(struct fields *fields, const char *name, int64_t least, int64_t most);
/*
 * A JSON number as the shortest decimal text that means it, without an exponent: at least `least`, at most 15 digits, at most `scale` of them behind the point.
 * Fit for numeric columns. Lives in `fields`, so not longer than that, and not through a copy of it; FIELDS_DECIMALS_MAX of them in one.
 */
const char *fields_decimal(struct fields *fields, const char *name, const char *least, int scale);
/* The array of that name with `least` to `most` members, else NULL. */
const json_t *fields_array(struct fields *fields, const char *name, size_t least, size_t most);

#endif

/*
 * connection_string.h - a connection string of libpq as text: whether it can be one, and how it looks without its passwords. Pure, and without libpq.
 */
#ifndef CONNECTION_STRING_H
#define CONNECTION_STRING_H

#include <stdbool.h>

/*
 * NULL when libpq can read the text as far as its form goes, else what is wrong, static and without a word of the text. Stricter than libpq in four things,
 * each of which would bring a piece of a password into messages: an @ too many in a URI, a port that is no number, a name of an option in other characters than
 * libpq's, and a connection string in the place of a name.
 */
const char *connection_string_refusal(const char *text);

/* Whether that is what is wrong: a connection string in the place of a database's name, a host, a user or a service. */
bool connection_string_is_nested(const char *text);

/*
 * Whether a URI has an @ too many, whatever else is wrong with it: a password with a raw @ or / ends earlier for libpq than its owner thinks, and its rest becomes
 * a host, a port or a name of a database, which log lines show.
 */
bool connection_string_has_stray_at(const char *text);

/*
 * A copy with `***` in the place of each password, to be freed. Only `***` where the text is refused or has an option that is not known to be harmless: nobody
 * can say then where a password begins and ends.
 */
char *connection_string_mask(const char *text);

#endif

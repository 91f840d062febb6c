/*
 * alert_way.h - how one alert goes out. Blocks up to ALERT_TIMEOUT_MS.
 */
#ifndef ALERT_WAY_H
#define ALERT_WAY_H

#include <curl/curl.h>

#include "alert.h"

/* {"text": ...} by POST; OK: a 2xx. Anything else is RETRY: a person may mend it, and the alert waits. The address is a secret and in no problem's text. */
enum verdict MUST_CHECK alert_way_webhook(const struct alert_settings *settings, const char *subject, const char *text, struct problem *problem);
/* Addresses with commas between, and blanks where one likes. False: one of them is none. `ret_list`: owned by the caller; NULL: nobody wants it. Pure. */
bool alert_way_recipients(const char *addresses, struct curl_slist **ret_list);
/* A mail of plain text, to all recipients or, where the server refuses one of them, to none. `id` makes its Message-ID. OK: the server has taken it over. Else RETRY. */
enum verdict MUST_CHECK alert_way_mail(const struct alert_settings *settings, const char *id, const char *subject, const char *text, struct problem *problem);

#endif

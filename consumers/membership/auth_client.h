/*
 * auth_client.h - asks auth-service who a member is: GET <url>/api/members/<id>.
 */
#ifndef AUTH_CLIENT_H
#define AUTH_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "verdict.h"

enum {
  AUTH_NAME_SIZE = 801, /* of UTF-8, with its zero: what fits into 200 characters */
  AUTH_ANSWER_MAX_BYTES = 65536,
  AUTH_URL_MAX_BYTES = 1024,
  AUTH_CONNECT_TIMEOUT_MS = 2000,
};

struct auth_member {
  char nickname[AUTH_NAME_SIZE];
  char email[AUTH_NAME_SIZE]; /* empty: none */
  bool is_active;
};

struct auth_client;

/*
 * `url`: `http://host:port` or https, with a prefix of the path where a gateway wants one; copied. `timeout_ms` is for one question, from connecting to the answer's last
 * byte. FATAL: `url` is none. Owned by the caller, who may not be several threads.
 */
enum verdict MUST_CHECK auth_client_open(const char *url, int64_t timeout_ms, struct auth_client **ret_client, struct problem *problem);
void auth_client_free(struct auth_client *client); /* takes NULL */

/*
 * OK. FATAL: auth-service does not know the member (404 with its `memberId`), and nothing else. RETRY, with a hint where a person must mend it: whatever else keeps us from an answer, be it that
 * it cannot be reached, has a fault of its own, refuses us, or says what is no answer to this question. Blocks up to the timeout.
 */
enum verdict MUST_CHECK auth_client_ask(struct auth_client *client, int64_t member_id, const char *correlation_id, struct auth_member *ret_member,
                                        struct problem *problem);

#endif

/*
 * reply.h - what goes out for a request: its answer as libmicrohttpd sends it, its figures and its line in the log.
 */
#ifndef HTTP_REPLY_H
#define HTTP_REPLY_H

#include "request.h"

/* Makes request->response of the answer, which there is; NULL afterwards: it could not be made, and the log says why. From any thread that has the request. */
void reply_make(struct request *request);

#endif

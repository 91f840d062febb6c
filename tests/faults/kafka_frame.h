/*
 * kafka_frame.h - cuts a stream of Kafka's protocol into requests or responses, and knows which response answers what.
 *
 * On the wire a request is   size:int32  api:int16  version:int16  correlation:int32  ...
 *            a response is   size:int32  correlation:int32  ...
 * big-endian, the size without itself. A response says only its correlation id; kafka_calls remembers what was asked under it.
 *
 * Nothing here allocates, and nothing keeps the bytes: a frame is known by its head, and its body may be as long as it wants.
 */
#ifndef CDC_TESTS_FAULTS_KAFKA_FRAME_H
#define CDC_TESTS_FAULTS_KAFKA_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
  KAFKA_API_UNKNOWN = -1,
  KAFKA_FRAME_BYTES_MAX = 128 * 1024 * 1024, /* a broker's own limit for a request is 100 MiB; a larger size is no Kafka */
  KAFKA_CALLS_MAX = 1024,                    /* without an answer at one time; the oldest is forgotten */
};

enum kafka_direction { KAFKA_REQUEST, KAFKA_RESPONSE };

struct kafka_frame {
  size_t size_bytes; /* all of it, its size field included */
  int api;           /* of a request only; a response gets both by kafka_calls_answer */
  int version;
  int32_t correlation;
};

struct kafka_cutter {
  enum kafka_direction direction;
  size_t left_bytes; /* of the frame that has begun, yet to come */
};

enum kafka_cut {
  KAFKA_CUT_MORE,    /* these bytes do not hold a whole head: nothing is taken, come again with them and more */
  KAFKA_CUT_BEGINS,  /* a frame begins: *ret_frame says which, *ret_taken how many of its bytes are here */
  KAFKA_CUT_GOES_ON, /* *ret_taken more bytes of the frame that has begun */
  KAFKA_CUT_BROKEN,  /* this is not Kafka's protocol, for good */
};

void kafka_cutter_init(struct kafka_cutter *cutter, enum kafka_direction direction);

/* Takes the bytes of at most one frame from the beginning of these. What is not taken comes again as the beginning of the next call's. */
enum kafka_cut kafka_cut(struct kafka_cutter *cutter, const uint8_t *bytes, size_t length, size_t *ret_taken, struct kafka_frame *ret_frame);

/* What was asked on one connection and not answered yet, oldest first. A broker answers a connection's requests in their order. */
struct kafka_calls {
  struct {
    int32_t correlation;
    int api;
    int version;
  } ring[KAFKA_CALLS_MAX];
  size_t oldest;
  size_t count;
};

void kafka_calls_init(struct kafka_calls *calls);
void kafka_calls_ask(struct kafka_calls *calls, const struct kafka_frame *request);

/* Gives a response API and version of the request that it answers, and forgets it with all that were asked before it: those get no answer (a request that was swallowed,
 * acks=0). KAFKA_API_UNKNOWN, and nothing forgotten, when no such request was seen. */
void kafka_calls_answer(struct kafka_calls *calls, struct kafka_frame *io_response);

/* By name (Produce) or number (0). KAFKA_API_UNKNOWN when it is neither. */
int kafka_api_parse(const char *text);

/* Static; NULL for a number that has no name here. */
const char *kafka_api_name(int api);

#endif

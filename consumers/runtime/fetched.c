/*
 * fetched.c - from librdkafka's message to a record. A key or value of length 0 is an empty one, not a missing one: librdkafka gives NULL for a missing one alone.
 */
#include "fetched.h"

#include <stdlib.h>

static struct span span_of_bytes(const void *bytes, size_t length)
{
  return span_of(bytes, bytes != NULL ? length : 0);
}

struct fetched *fetched_new(rd_kafka_message_t *message)
{
  rd_kafka_timestamp_type_t time = RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
  int64_t timestamp_ms = rd_kafka_message_timestamp(message, &time);
  rd_kafka_headers_t *headers = NULL;
  struct record_header *copies;
  struct fetched *fetched;
  size_t count = 0, header_bytes = 0;

  if (rd_kafka_message_headers(message, &headers) == RD_KAFKA_RESP_ERR_NO_ERROR) {
    count = rd_kafka_header_cnt(headers);
  }
  fetched = calloc(1, sizeof(*fetched) + count * sizeof(*copies));
  if (fetched == NULL) {
    abort();
  }
  copies = (struct record_header *)(fetched + 1);
  for (size_t i = 0; i < count; i++) {
    const void *value = NULL;
    size_t length = 0;

    if (rd_kafka_header_get_all(headers, i, &copies[i].name, &value, &length) != RD_KAFKA_RESP_ERR_NO_ERROR) {
      count = i;
      break;
    }
    copies[i].value = span_of_bytes(value, length);
    header_bytes += length;
  }
  fetched->message = message;
  fetched->bytes = sizeof(*fetched) + count * sizeof(*copies) + message->len + message->key_len + header_bytes;
  fetched->record = (struct record){
      .topic = rd_kafka_topic_name(message->rkt),
      .partition = message->partition,
      .offset = message->offset,
      .timestamp_ms = timestamp_ms,
      .time = time == RD_KAFKA_TIMESTAMP_CREATE_TIME       ? RECORD_TIME_CREATED
              : time == RD_KAFKA_TIMESTAMP_LOG_APPEND_TIME ? RECORD_TIME_APPENDED
                                                           : RECORD_TIME_NONE,
      .key = span_of_bytes(message->key, message->key_len),
      .value = span_of_bytes(message->payload, message->len),
      .header_count = count,
      .headers = copies,
  };
  return fetched;
}

void fetched_free(struct fetched *fetched)
{
  if (fetched != NULL) {
    rd_kafka_message_destroy(fetched->message);
    free(fetched);
  }
}

/*
 * fetched.c - from librdkafka's message to a record of our own.
 *
 *   struct fetched | struct record_header x count | topic 0 | key | value | name 0 value, of each header
 *
 * A key or value of length 0 is an empty one, not a missing one: librdkafka gives NULL for a missing one alone.
 */
#include "fetched.h"

#include <stdlib.h>
#include <string.h>

static struct span span_of_bytes(const void *bytes, size_t length)
{
  return span_of(bytes, bytes != NULL ? length : 0);
}

static struct record_header header_at(const rd_kafka_headers_t *headers, size_t index)
{
  struct record_header header = {.name = ""};
  const void *value = NULL;
  size_t length = 0;

  (void)rd_kafka_header_get_all(headers, index, &header.name, &value, &length); /* fails behind the last alone */
  header.value = span_of_bytes(value, length);
  return header;
}

/* Behind `*at`, which goes on. NULL stays NULL. */
static struct span put(char **at, struct span bytes)
{
  struct span copy = span_is_null(bytes) ? bytes : span_of(*at, bytes.length);

  if (bytes.length > 0) {
    memcpy(*at, bytes.data, bytes.length);
    *at += bytes.length;
  }
  return copy;
}

static const char *put_text(char **at, const char *text)
{
  return put(at, span_of(text, strlen(text) + 1)).data;
}

struct fetched *fetched_new(rd_kafka_message_t *message)
{
  const char *topic = rd_kafka_topic_name(message->rkt);
  struct span key = span_of_bytes(message->key, message->key_len);
  struct span value = span_of_bytes(message->payload, message->len);
  rd_kafka_timestamp_type_t time = RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
  int64_t timestamp_ms = rd_kafka_message_timestamp(message, &time);
  rd_kafka_headers_t *headers = NULL;
  struct record_header *copies;
  struct fetched *fetched;
  size_t count = 0, bytes;
  char *at;

  if (rd_kafka_message_headers(message, &headers) == RD_KAFKA_RESP_ERR_NO_ERROR) {
    count = rd_kafka_header_cnt(headers);
  }
  bytes = sizeof(*fetched) + count * sizeof(*copies) + strlen(topic) + 1 + key.length + value.length;
  for (size_t i = 0; i < count; i++) {
    struct record_header header = header_at(headers, i);

    bytes += strlen(header.name) + 1 + header.value.length;
  }
  fetched = malloc(bytes);
  if (fetched == NULL) {
    abort();
  }
  copies = (struct record_header *)(fetched + 1);
  at = (char *)(copies + count);
  *fetched = (struct fetched){
      .record =
          {
              .topic = put_text(&at, topic),
              .partition = message->partition,
              .offset = message->offset,
              .timestamp_ms = timestamp_ms,
              .time = time == RD_KAFKA_TIMESTAMP_CREATE_TIME       ? RECORD_TIME_CREATED
                      : time == RD_KAFKA_TIMESTAMP_LOG_APPEND_TIME ? RECORD_TIME_APPENDED
                                                                   : RECORD_TIME_NONE,
              .header_count = count,
              .headers = copies,
          },
      .bytes = bytes,
  };
  fetched->record.key = put(&at, key);
  fetched->record.value = put(&at, value);
  for (size_t i = 0; i < count; i++) {
    struct record_header header = header_at(headers, i);

    copies[i] = (struct record_header){.name = put_text(&at, header.name)};
    copies[i].value = put(&at, header.value);
  }
  rd_kafka_message_destroy(message);
  return fetched;
}

void fetched_free(struct fetched *fetched)
{
  free(fetched);
}

/*
 * kafka_properties.h - which of librdkafka's properties pass through, and why the others do not.
 *
 * A property that is listed is judged by its row. One that is not listed (librdkafka gains new ones) passes under an allowed prefix and is refused elsewhere.
 * The names are those of librdkafka 2.0.2. Properties of consumers and callbacks are not listed: they fall under "not one that passes through".
 *
 *   X(name, rule, argument, preset, flags, doc)
 */
#ifndef CONFIG_KAFKA_PROPERTIES_H
#define CONFIG_KAFKA_PROPERTIES_H

#include <stdbool.h>
#include <stddef.h>

enum kafka_rule {
  KAFKA_PASS,    /* any value */
  KAFKA_ALIAS,   /* another name of the one in `argument` */
  KAFKA_ONLY,    /* one of the values in `argument`, a|b|c; the doc says why */
  KAFKA_EXCEPT,  /* any but the values in `argument` */
  KAFKA_REFUSED, /* the doc says why, and what to use instead */
};

enum kafka_flag {
  KAFKA_SECRET = 1,
  KAFKA_LINES = 2, /* the value may have several lines (PEM) */
  KAFKA_SHELL = 4, /* librdkafka puts the value into a shell command: no character that a shell would read */
  KAFKA_WARN = 8,  /* the value `false` deserves the warning in the doc */
};

#define KAFKA_PROPERTIES(X)                                                                                                                                    \
  X("bootstrap.servers", PASS, NULL, NULL, 0, "the brokers to begin with, `host:port`, separated by commas; required")                                         \
  X("metadata.broker.list", ALIAS, "bootstrap.servers", NULL, 0, "")                                                                                           \
  X("client.id", PASS, NULL, NULL, 0, "what the brokers call this client; default: `name`")                                                                    \
  X("client.rack", PASS, NULL, NULL, 0, "")                                                                                                                    \
  X("security.protocol", PASS, NULL, NULL, 0, "plaintext, ssl, sasl_plaintext, sasl_ssl")                                                                      \
  X("sasl.mechanism", PASS, NULL, NULL, 0, "SCRAM-SHA-512, SCRAM-SHA-256, PLAIN, GSSAPI, OAUTHBEARER")                                                         \
  X("sasl.mechanisms", ALIAS, "sasl.mechanism", NULL, 0, "")                                                                                                   \
  X("sasl.username", PASS, NULL, NULL, 0, "")                                                                                                                  \
  X("sasl.password", PASS, NULL, NULL, KAFKA_SECRET, "")                                                                                                       \
  X("sasl.kerberos.service.name", PASS, NULL, NULL, KAFKA_SHELL, "")                                                                                           \
  X("sasl.kerberos.principal", PASS, NULL, NULL, KAFKA_SHELL, "")                                                                                              \
  X("sasl.kerberos.keytab", PASS, NULL, NULL, KAFKA_SHELL, "")                                                                                                 \
  X("sasl.kerberos.min.time.before.relogin", PASS, NULL, NULL, 0, "")                                                                                          \
  X("sasl.oauthbearer.method", PASS, NULL, NULL, 0, "")                                                                                                        \
  X("sasl.oauthbearer.config", PASS, NULL, NULL, KAFKA_SECRET, "")                                                                                             \
  X("sasl.oauthbearer.client.id", PASS, NULL, NULL, 0, "")                                                                                                     \
  X("sasl.oauthbearer.client.secret", PASS, NULL, NULL, KAFKA_SECRET, "")                                                                                      \
  X("sasl.oauthbearer.scope", PASS, NULL, NULL, 0, "")                                                                                                         \
  X("sasl.oauthbearer.extensions", PASS, NULL, NULL, 0, "")                                                                                                    \
  X("sasl.oauthbearer.token.endpoint.url", PASS, NULL, NULL, 0, "")                                                                                            \
  X("ssl.ca.location", PASS, NULL, NULL, 0, "the file or folder of certificates to trust; a small image has none of its own")                                  \
  X("ssl.ca.pem", PASS, NULL, NULL, KAFKA_LINES, "")                                                                                                           \
  X("ssl.ca.certificate.stores", PASS, NULL, NULL, 0, "")                                                                                                      \
  X("ssl.certificate.location", PASS, NULL, NULL, 0, "")                                                                                                       \
  X("ssl.certificate.pem", PASS, NULL, NULL, KAFKA_LINES, "")                                                                                                  \
  X("ssl.key.location", PASS, NULL, NULL, 0, "")                                                                                                               \
  X("ssl.key.password", PASS, NULL, NULL, KAFKA_SECRET, "")                                                                                                    \
  X("ssl.key.pem", PASS, NULL, NULL, KAFKA_SECRET | KAFKA_LINES, "")                                                                                           \
  X("ssl.keystore.location", PASS, NULL, NULL, 0, "")                                                                                                          \
  X("ssl.keystore.password", PASS, NULL, NULL, KAFKA_SECRET, "")                                                                                               \
  X("ssl.crl.location", PASS, NULL, NULL, 0, "")                                                                                                               \
  X("ssl.cipher.suites", PASS, NULL, NULL, 0, "")                                                                                                              \
  X("ssl.curves.list", PASS, NULL, NULL, 0, "")                                                                                                                \
  X("ssl.sigalgs.list", PASS, NULL, NULL, 0, "")                                                                                                               \
  X("ssl.endpoint.identification.algorithm", PASS, NULL, NULL, 0, "")                                                                                          \
  X("enable.ssl.certificate.verification", PASS, NULL, NULL, KAFKA_WARN,                                                                                       \
    "without it the broker's certificate is not verified: anybody on the way can read and forge events")                                                       \
  X("linger.ms", PASS, NULL, "0", 0,                                                                                                                           \
    "how long a batch waits for more events. 0: an event goes out at once, or within 20 ms in a full batch while those that are read are 100 ms old")          \
  X("queue.buffering.max.ms", ALIAS, "linger.ms", NULL, 0, "")                                                                                                 \
  X("batch.size", PASS, NULL, NULL, 0, "bytes of one batch; keep it below the topics' `max.message.bytes`")                                                    \
  X("batch.num.messages", PASS, NULL, NULL, 0, "")                                                                                                             \
  X("compression.type", PASS, NULL, NULL, 0, "none, gzip, snappy, lz4, zstd")                                                                                  \
  X("compression.codec", ALIAS, "compression.type", NULL, 0, "")                                                                                               \
  X("compression.level", PASS, NULL, NULL, 0, "")                                                                                                              \
  X("queue.buffering.max.kbytes", PASS, NULL, "16384", 0, "the most memory for payloads that Kafka does not have yet; keys and headers have as much again")    \
  X("queue.buffering.max.messages", EXCEPT, "0", "20000", 0, "the most events that Kafka does not have yet; 0 would lift the bound on memory")                 \
  X("queue.buffering.backpressure.threshold", PASS, NULL, NULL, 0, "")                                                                                         \
  X("message.max.bytes", PASS, NULL, NULL, 0, "the largest record; as the topics' `max.message.bytes`")                                                        \
  X("message.copy.max.bytes", PASS, NULL, NULL, 0, "")                                                                                                         \
  X("receive.message.max.bytes", PASS, NULL, NULL, 0, "")                                                                                                      \
  X("request.timeout.ms", PASS, NULL, NULL, 0, "how long a broker may wait for its replicas")                                                                  \
  X("retry.backoff.ms", PASS, NULL, NULL, 0, "")                                                                                                               \
  X("reconnect.backoff.ms", PASS, NULL, NULL, 0, "")                                                                                                           \
  X("reconnect.backoff.max.ms", PASS, NULL, "2000", 0, "a broker that is back is found again within this time")                                                \
  X("socket.nagle.disable", PASS, NULL, "true", 0, "small batches leave at once")                                                                              \
  X("socket.keepalive.enable", PASS, NULL, NULL, 0, "")                                                                                                        \
  X("socket.timeout.ms", PASS, NULL, NULL, 0, "")                                                                                                              \
  X("socket.send.buffer.bytes", PASS, NULL, NULL, 0, "")                                                                                                       \
  X("socket.receive.buffer.bytes", PASS, NULL, NULL, 0, "")                                                                                                    \
  X("socket.max.fails", PASS, NULL, NULL, 0, "")                                                                                                               \
  X("socket.connection.setup.timeout.ms", PASS, NULL, NULL, 0, "")                                                                                             \
  X("connections.max.idle.ms", PASS, NULL, NULL, 0, "")                                                                                                        \
  X("broker.address.family", PASS, NULL, NULL, 0, "any, v4, v6")                                                                                               \
  X("broker.address.ttl", PASS, NULL, NULL, 0, "")                                                                                                             \
  X("metadata.max.age.ms", PASS, NULL, NULL, 0, "")                                                                                                            \
  X("topic.metadata.refresh.interval.ms", PASS, NULL, NULL, 0, "")                                                                                             \
  X("topic.metadata.refresh.fast.interval.ms", PASS, NULL, NULL, 0, "")                                                                                        \
  X("topic.metadata.refresh.sparse", PASS, NULL, NULL, 0, "")                                                                                                  \
  X("topic.metadata.propagation.max.ms", PASS, NULL, "5000", 0, "so long an unknown topic may be one that was made just now; then the relay holds")            \
  X("statistics.interval.ms", PASS, NULL, NULL, 0, "librdkafka's own figures; off without it")                                                                 \
  X("log_level", PASS, NULL, NULL, 0, "0 to 7, of librdkafka's own lines; `log.level` filters them too")                                                       \
  X("log.connection.close", PASS, NULL, NULL, 0, "")                                                                                                           \
  X("debug", PASS, NULL, NULL, 0, "librdkafka's debug contexts; for a search, not for production")                                                             \
  X("enable.idempotence", ONLY, "true|t|1", "true", 0, "without it a retry can repeat or reorder events")                                                      \
  X("acks", ONLY, "all|-1", "all", 0, "an event that one broker alone has seen is lost with that broker")                                                      \
  X("request.required.acks", ALIAS, "acks", NULL, 0, "")                                                                                                       \
  X("message.timeout.ms", ONLY, "0", "0", 0, "an event that times out leaves a gap while later ones go on; the relay waits instead")                           \
  X("delivery.timeout.ms", ALIAS, "message.timeout.ms", NULL, 0, "")                                                                                           \
  X("max.in.flight", ONLY, "1|2|3|4|5", NULL, 0, "the idempotent producer keeps the order of at most five requests")                                           \
  X("max.in.flight.requests.per.connection", ALIAS, "max.in.flight", NULL, 0, "")                                                                              \
  X("retries", ONLY, "2147483647", NULL, 0, "a finite number would give up on an event while later ones go on")                                                \
  X("message.send.max.retries", ALIAS, "retries", NULL, 0, "")                                                                                                 \
  X("queuing.strategy", ONLY, "fifo", NULL, 0, "the newest first would turn the order of events round")                                                        \
  X("allow.auto.create.topics", ONLY, "false|f|0", "false", 0, "a mistyped topic would come to life; `cdc-relay init --create-topics` makes those listed")     \
  X("delivery.report.only.error", ONLY, "false|f|0", NULL, 0, "a position is confirmed by reports of success, which it would leave out")                       \
  X("partitioner", REFUSED, NULL, NULL, 0, "the relay places keys as Java's default partitioner does; choose another partition with a `partition` placement")  \
  X("enable.gapless.guarantee", REFUSED, NULL, NULL, 0, "is experimental; the relay itself resumes from the last safe position after a failure")               \
  X("transactional.id", REFUSED, NULL, NULL, 0, "belongs to delivery.mode exactly-once, which sets it")                                                        \
  X("transaction.timeout.ms", REFUSED, NULL, NULL, 0, "belongs to delivery.mode exactly-once, which sets it")                                                  \
  X("plugin.library.paths", REFUSED, NULL, NULL, 0, "loads code into the relay")                                                                               \
  X("interceptors", REFUSED, NULL, NULL, 0, "loads code into the relay")                                                                                       \
  X("ssl.engine.location", REFUSED, NULL, NULL, 0, "loads code into the relay; use ssl.key.location or ssl.keystore.location")                                 \
  X("ssl.engine.id", REFUSED, NULL, NULL, 0, "loads code into the relay; use ssl.key.location or ssl.keystore.location")                                       \
  X("ssl.providers", REFUSED, NULL, NULL, 0, "loads code into the relay; set providers in OpenSSL's own configuration (OPENSSL_CONF)")                         \
  X("sasl.kerberos.kinit.cmd", REFUSED, NULL, NULL, 0, "runs a shell command; use sasl.kerberos.keytab and sasl.kerberos.principal")                           \
  X("enable.sasl.oauthbearer.unsecure.jwt", REFUSED, NULL, NULL, 0, "makes tokens without a signature, which prove nothing")                                   \
  X("test.mock.num.brokers", REFUSED, NULL, NULL, 0, "a mock cluster acknowledges into nowhere, and the slot would be confirmed for it")                       \
  X("test.mock.broker.rtt", REFUSED, NULL, NULL, 0, "a mock cluster acknowledges into nowhere, and the slot would be confirmed for it")                        \
  X("api.version.request", REFUSED, NULL, NULL, 0, "the idempotent producer needs it on, as it is")                                                            \
  X("broker.version.fallback", REFUSED, NULL, NULL, 0, "is for brokers that are too old for the idempotent producer")                                          \
  X("log.queue", REFUSED, NULL, NULL, 0, "the relay takes librdkafka's lines itself")                                                                          \
  X("enabled_events", REFUSED, NULL, NULL, 0, "the relay chooses the events that it listens to")                                                               \
  X("group.id", REFUSED, NULL, NULL, 0, "is a property of consumers; the relay only produces")                                                                 \
  X("auto.offset.reset", REFUSED, NULL, NULL, 0, "is a property of consumers; the relay only produces")                                                        \
  X("isolation.level", REFUSED, NULL, NULL, 0, "is a property of consumers; the relay only produces")                                                          \
  X("sasl.jaas.config", REFUSED, NULL, NULL, KAFKA_SECRET, "is a property of Java clients; use sasl.username and sasl.password_file")                          \
  X("ssl.truststore.location", REFUSED, NULL, NULL, 0, "is a property of Java clients; use ssl.ca.location with a PEM file")                                   \
  X("ssl.truststore.password", REFUSED, NULL, NULL, KAFKA_SECRET, "is a property of Java clients; use ssl.ca.location with a PEM file")                        \
  X("buffer.memory", REFUSED, NULL, NULL, 0, "is a property of Java clients; use queue.buffering.max.kbytes")                                                  \
  X("max.request.size", REFUSED, NULL, NULL, 0, "is a property of Java clients; use message.max.bytes")                                                        \
  X("key.serializer", REFUSED, NULL, NULL, 0, "is a property of Java clients; the key column's bytes are the key")                                             \
  X("value.serializer", REFUSED, NULL, NULL, 0, "is a property of Java clients; the payload column's bytes are the value")

/* Unlisted names that begin so pass through. */
#define KAFKA_ALLOWED_PREFIXES(X)                                                                                                                              \
  X("bootstrap.")                                                                                                                                              \
  X("client.")                                                                                                                                                 \
  X("security.")                                                                                                                                               \
  X("sasl.")                                                                                                                                                   \
  X("ssl.")                                                                                                                                                    \
  X("https.")                                                                                                                                                  \
  X("socket.")                                                                                                                                                 \
  X("broker.")                                                                                                                                                 \
  X("metadata.")                                                                                                                                               \
  X("topic.metadata.")                                                                                                                                         \
  X("reconnect.")                                                                                                                                              \
  X("retry.")                                                                                                                                                  \
  X("batch.")                                                                                                                                                  \
  X("linger.")                                                                                                                                                 \
  X("queue.buffering.")                                                                                                                                        \
  X("compression.")                                                                                                                                            \
  X("statistics.")                                                                                                                                             \
  X("dns.")

/* Unlisted names that begin so are refused, for the reason beside it: a longer word than an allowed prefix wins. */
#define KAFKA_REFUSED_PREFIXES(X)                                                                                                                              \
  X("plugin.", "loads code into the relay")                                                                                                                    \
  X("ssl.engine.", "loads code into the relay")                                                                                                                \
  X("ssl.provider", "loads code into the relay")                                                                                                               \
  X("sasl.kerberos.kinit.", "runs a shell command")                                                                                                            \
  X("sasl.login.callback.", "is a property of Java clients")                                                                                                   \
  X("sasl.client.callback.", "is a property of Java clients")                                                                                                  \
  X("test.", "is for librdkafka's own tests; a mock cluster acknowledges into nowhere, and the slot would be confirmed for it")

struct kafka_property {
  const char *name;
  enum kafka_rule rule;
  const char *argument;
  const char *preset; /* our default; NULL: librdkafka's */
  unsigned flags;
  const char *doc; /* may be empty */
};

#define X(...) +1
enum { KAFKA_PROPERTY_COUNT = 0 KAFKA_PROPERTIES(X) };
#undef X

extern const struct kafka_property kafka_properties[KAFKA_PROPERTY_COUNT];

/* The row of that exact name, or NULL; an alias gives the row of the name it stands for. */
const struct kafka_property *kafka_property_find(const char *name, size_t length);

/* NULL when a property of that name may be set at all, else why not; static. `property` is its row, or NULL when it has none. */
const char *kafka_property_refusal(const struct kafka_property *property, const char *name);
/* Whether an unlisted name passes by its prefix. */
bool kafka_prefix_is_allowed(const char *name);
/* NULL when `value` is allowed for `property` (NULL: any is), else why not; static. */
const char *kafka_value_refusal(const struct kafka_property *property, const char *value);
/* By its row; an unlisted name is secret when it sounds like one. */
bool kafka_property_is_secret(const struct kafka_property *property, const char *name);

#endif

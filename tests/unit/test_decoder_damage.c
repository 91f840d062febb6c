/*
 * test_decoder_damage.c - both decoders on messages that were cut or changed: always a verdict, never a crash (run it under AddressSanitizer: each message lies
 * in memory of exactly its length), never half a message taken for a whole one, and nothing of a refused message stays behind.
 */
#include "decode_fixture.h"

enum { ARENA_BYTES = 65536, SWEEP_POSITIONS = 200 };

struct subject {
  enum plugin plugin;
  struct decoder *decoder;
  struct arena arena;
};

static void subject_init(struct subject *subject, enum plugin plugin)
{
  subject->plugin = plugin;
  subject->decoder = decoder_new(plugin);
  arena_init(&subject->arena, ARENA_BYTES);
}

static void subject_done(struct subject *subject)
{
  decoder_free(subject->decoder);
  arena_done(&subject->arena);
}

/* Decodes a copy and renders what came out, so that every byte which a result points to is read. malloc'ed; NULL: damaged. */
static char *decode(struct subject *subject, struct span message)
{
  char *copy = exact_copy(message);
  struct change change = {.kind = CHANGE_NONE, .xid = 4711};
  struct problem problem = {.text = ""};
  enum verdict verdict = decoder_read(subject->decoder, span_of(copy, message.length), &subject->arena, &change, &problem);
  char *text = NULL;

  if (verdict == VERDICT_OK) {
    size_t length;
    FILE *out = open_memstream(&text, &length);

    render_change(out, &change, RENDER_WHOLE);
    fclose(out);
  } else {
    cr_assert_eq(verdict, VERDICT_RETRY);
    cr_assert_eq(change.xid, 4711, "a refused message left a result");
    cr_assert(strncmp(problem.text, "damaged ", 8) == 0, "words are: %s", problem.text);
    cr_assert_str_eq(problem.cause, "damaged_message");
  }
  free(copy);
  arena_reset(&subject->arena);
  return text;
}

/* The whole message must read the same before and after the subject has been mistreated. */
static void expect_unharmed(struct subject *subject, struct span message, const char *expected)
{
  char *text = decode(subject, message);

  cr_assert(text != NULL);
  cr_assert_str_eq(text, expected);
  free(text);
}

Test(decoder_damage, no_cut_message_is_taken_for_a_whole_one)
{
  for (size_t i = 0; i < FIXTURE_COUNT; i++) {
    for (enum plugin plugin = 0; plugin < PLUGIN_COUNT; plugin++) {
      struct fixture fixture = fixture_load(fixture_names[i], plugin);
      struct subject subject;
      struct subject clean;

      subject_init(&subject, plugin);
      subject_init(&clean, plugin);
      for (size_t n = 0; n < fixture.count; n++) {
        struct span message = fixture.messages[n];
        char *expected = decode(&clean, message);

        cr_assert(expected != NULL);
        for (size_t length = 1; length < message.length; length++) {
          cr_assert(decode(&subject, span_of(message.data, length)) == NULL, "%s.%s line %zu cut to %zu bytes", fixture_names[i], plugin_names[plugin], n + 1,
                    length);
        }
        expect_unharmed(&subject, message, expected);
        free(expected);
      }
      subject_done(&subject);
      subject_done(&clean);
      fixture_free(&fixture);
    }
  }
}

Test(decoder_damage, bytes_behind_a_message_are_damage)
{
  static const char *const tails[] = {"\0", "x", "{}", "}"};

  for (enum plugin plugin = 0; plugin < PLUGIN_COUNT; plugin++) {
    struct fixture fixture = fixture_load("updates", plugin);
    struct subject subject;

    subject_init(&subject, plugin);
    for (size_t n = 0; n < fixture.count; n++) {
      for (size_t i = 0; i < sizeof(tails) / sizeof(tails[0]); i++) {
        size_t tail_length = tails[i][0] == '\0' ? 1 : strlen(tails[i]);
        char *longer = malloc(fixture.messages[n].length + tail_length);

        memcpy(longer, fixture.messages[n].data, fixture.messages[n].length);
        memcpy(longer + fixture.messages[n].length, tails[i], tail_length);
        cr_expect(decode(&subject, span_of(longer, fixture.messages[n].length + tail_length)) == NULL, "%s line %zu with tail %zu", plugin_names[plugin], n + 1,
                  i);
        free(longer);
      }
      free(decode(&subject, fixture.messages[n]));
    }
    subject_done(&subject);
    fixture_free(&fixture);
  }
}

Test(decoder_damage, a_changed_byte_gives_a_verdict)
{
  static const unsigned char masks[] = {0x01, 0x20, 0x80, 0xff};
  size_t refused = 0;
  size_t accepted = 0;

  for (size_t i = 0; i < FIXTURE_COUNT; i++) {
    for (enum plugin plugin = 0; plugin < PLUGIN_COUNT; plugin++) {
      struct fixture fixture = fixture_load(fixture_names[i], plugin);
      struct subject subject;

      subject_init(&subject, plugin);
      for (size_t n = 0; n < fixture.count; n++) {
        struct span message = fixture.messages[n];
        size_t step = message.length / SWEEP_POSITIONS + 1;
        char *damaged = exact_copy(message);

        for (size_t at = 0; at < message.length; at += step) {
          for (size_t m = 0; m <= sizeof(masks); m++) {
            char *text;

            damaged[at] = m < sizeof(masks) ? (char)(message.data[at] ^ masks[m]) : '\0';
            text = decode(&subject, span_of(damaged, message.length));
            refused += text == NULL;
            accepted += text != NULL;
            free(text);
          }
          damaged[at] = message.data[at];
        }
        free(damaged);
        free(decode(&subject, message)); /* a relation that was damaged is announced again */
      }
      subject_done(&subject);
      fixture_free(&fixture);
    }
  }
  cr_expect_gt(refused, 50000);
  cr_expect_gt(accepted, 50000); /* a changed letter of a text is another text */
}

Test(decoder_damage, one_plugins_messages_are_damage_to_the_other)
{
  for (enum plugin plugin = 0; plugin < PLUGIN_COUNT; plugin++) {
    struct fixture fixture = fixture_load("outbox", plugin);
    struct subject subject;

    subject_init(&subject, plugin == PLUGIN_PGOUTPUT ? PLUGIN_WAL2JSON : PLUGIN_PGOUTPUT);
    for (size_t n = 0; n < fixture.count; n++) {
      cr_expect(decode(&subject, fixture.messages[n]) == NULL);
    }
    subject_done(&subject);
    fixture_free(&fixture);
  }
}

Test(decoder_damage, after_a_reset_rows_of_relations_sent_before_are_damage)
{
  struct fixture fixture = fixture_load("outbox", PLUGIN_PGOUTPUT);
  struct subject subject;
  size_t rows = 0;

  subject_init(&subject, PLUGIN_PGOUTPUT);
  for (size_t n = 0; n < fixture.count; n++) {
    free(decode(&subject, fixture.messages[n]));
  }
  decoder_reset(subject.decoder);
  for (size_t n = 0; n < fixture.count; n++) {
    if (fixture.messages[n].data[0] == 'I' || fixture.messages[n].data[0] == 'D') {
      rows++;
      cr_expect(decode(&subject, fixture.messages[n]) == NULL);
    }
  }
  cr_expect_gt(rows, 20);
  subject_done(&subject);
  fixture_free(&fixture);
}

/*
 * test_wal2json_differential.c - the wal2json decoder against a slow one made of jansson: every line of the fixtures, then generated lines, whole and mutated.
 * Both must accept and refuse alike and read the same values, but for what jansson alone refuses:
 *
 *   text                                        jansson    here
 *   ------------------------------------------  ---------  -----------------------------------------------
 *   integer beyond 64 bits, real 1e400          refused    accepted: a number stays text
 *   \u0000, half a surrogate pair, a name twice refused    refused in what is read, accepted in what is skipped
 *   bytes that are not UTF-8                    refused    accepted: judged where a text has to be UTF-8
 */
#include "backoff.h"
#include "decode_fixture.h"
#include "wal2json_reference.h"

struct peers {
  struct decoder *decoder;
  struct arena arena;
  size_t both_accept, both_refuse, undecided;
};

static void peers_init(struct peers *peers)
{
  *peers = (struct peers){.decoder = decoder_new(PLUGIN_WAL2JSON)};
  arena_init(&peers->arena, 4096);
}

static void peers_done(struct peers *peers)
{
  decoder_free(peers->decoder);
  arena_done(&peers->arena);
}

static void compare(struct peers *peers, struct span line)
{
  json_error_t error;
  json_t *reference = json_loadb(line.data, line.length, JSON_REJECT_DUPLICATES, &error);
  char *exact = exact_copy(line);
  struct change change;
  struct problem problem = {.text = ""};
  bool is_accepted = decoder_read(peers->decoder, span_of(exact, line.length), &peers->arena, &change, &problem) == VERDICT_OK;

  if (reference == NULL && reference_is_undecided(line, &error)) {
    peers->undecided++;
  } else {
    cr_assert_eq(is_accepted, reference != NULL && reference_accepts(reference), "here: %s, jansson: %s, line: %.*s", problem.text,
                 reference == NULL ? error.text : "", (int)line.length, line.data);
    if (is_accepted) {
      cr_assert(reference_says_the_same(&change, reference), "line: %.*s", (int)line.length, line.data);
    }
    peers->both_accept += is_accepted;
    peers->both_refuse += !is_accepted;
  }
  json_decref(reference);
  free(exact);
  arena_reset(&peers->arena);
}

Test(wal2json_differential, jansson_reads_the_same_from_every_fixture)
{
  struct peers peers;

  peers_init(&peers);
  for (size_t i = 0; i < FIXTURE_COUNT; i++) {
    struct fixture fixture = fixture_load(fixture_names[i], PLUGIN_WAL2JSON);

    for (size_t n = 0; n < fixture.count; n++) {
      if (fixture.messages[n].data[11] != 'B' && fixture.messages[n].data[11] != 'C') {
        compare(&peers, fixture.messages[n]);
      }
    }
    fixture_free(&fixture);
  }
  cr_expect_gt(peers.both_accept, 200);
  cr_expect_eq(peers.both_refuse, 0);
  cr_expect_leq(peers.undecided, 2, "only the rows of types.sql have numbers beyond 64 bits");
  peers_done(&peers);
}

static uint64_t below(uint64_t *state, uint64_t bound)
{
  return chance_next(state) % bound;
}

static void put_string(FILE *out, uint64_t *state)
{
  static const char *const pieces[] = {
      "a", "id",      "payload", "\\n", "\\\"", "\\\\", "\xc3\xa9", "\xf0\x9f\x98\x80", "\\u0001", "\\u20ac", "\\ud83d\\ude00", "{\\\"k\\\": [1, 2]}",
      " ", "12345678"};

  fputc('"', out);
  for (uint64_t n = below(state, 5); n > 0; n--) {
    fputs(pieces[below(state, sizeof(pieces) / sizeof(pieces[0]))], out);
  }
  fputc('"', out);
}

static void put_columns(FILE *out, uint64_t *state)
{
  static const char *const scalars[] = {"null", "true",     "false", "0", "-1", "1.5", "9223372036854775807", "-0", "1e+308", "123456789012345678901234567890",
                                        "[]",   "{\"a\":1}"};
  static const char *const types[] = {"16", "17", "23", "25", "114", "-1294967296", "4294967295", "4294967296", "2.5"};

  fputc('[', out);
  for (uint64_t n = below(state, 6); n > 0; n--) {
    fputs("{\"name\":", out);
    put_string(out, state);
    fprintf(out, ",\"typeoid\":%s", types[below(state, below(state, 30) == 0 ? 9 : 7)]);
    if (below(state, 10) == 0) {
      fputs(",\"optional\":true", out);
    }
    fputs(",\"value\":", out);
    if (below(state, 2) == 0) {
      put_string(out, state);
    } else {
      fputs(scalars[below(state, below(state, 30) == 0 ? 12 : 9)], out);
    }
    fputs(n > 1 ? "}," : "}", out);
  }
  fputc(']', out);
}

static void put_line(FILE *out, uint64_t *state)
{
  static const char actions[] = "IIIIIUUDTMZ";

  fprintf(out, "{\"action\":\"%c\",\"xid\":%u", actions[below(state, sizeof(actions) - 1)], (unsigned)below(state, 1000));
  for (unsigned member = 0; member < 7; member++) {
    static const char *const names[] = {"schema", "table", "columns", "identity", "transactional", "prefix", "content"};

    if (below(state, 20) == 0) {
      continue;
    }
    fprintf(out, ",\"%s\":", names[member]);
    if (member == 2 || member == 3) {
      put_columns(out, state);
    } else if (member == 4) {
      fputs(below(state, 2) == 0 ? "true" : "false", out);
    } else {
      put_string(out, state);
    }
  }
  fputc('}', out);
}

Test(wal2json_differential, jansson_accepts_and_reads_the_same_from_generated_and_damaged_lines)
{
  static const char alphabet[] = "\"\\{}[]:,01-.etnul \n\x01\x80IUDTM";
  uint64_t state = 20260103;
  struct peers peers;

  peers_init(&peers);
  for (int n = 0; n < 5000; n++) {
    char *line;
    size_t length;
    FILE *out = open_memstream(&line, &length);

    put_line(out, &state);
    fclose(out);
    compare(&peers, span_of(line, length));
    for (int m = 0; m < 3; m++) {
      size_t at = below(&state, length);
      char whole = line[at];

      line[at] = alphabet[below(&state, sizeof(alphabet) - 1)];
      compare(&peers, span_of(line, length));
      if (below(&state, 2) == 0) {
        line[at] = whole;
      }
    }
    free(line);
  }
  cr_expect_gt(peers.both_accept, 4000, "%zu", peers.both_accept);
  cr_expect_gt(peers.both_refuse, 4000, "%zu", peers.both_refuse);
  cr_expect_gt(peers.undecided, 100, "%zu", peers.undecided);
  peers_done(&peers);
}

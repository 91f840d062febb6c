#include <criterion/criterion.h>
#include <string.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "trace_context.h"
#include "uuid.h"

/* In the place of the C library's, for who counts how often the kernel is asked. */
static unsigned int questions;

ssize_t getrandom(void *buffer, size_t length, unsigned int flags)
{
  questions++;
  return syscall(SYS_getrandom, buffer, length, flags);
}

Test(uuid, a_new_one_is_sound_and_says_version_4)
{
  for (int i = 0; i < 1000; i++) {
    char text[UUID_SIZE];

    memset(text, 'x', sizeof(text));
    uuid_new(text);
    cr_assert_eq(strlen(text), UUID_SIZE - 1);
    cr_assert(uuid_is_sound(text), "%s", text);
    cr_assert_eq(text[14], '4', "%s", text);
    cr_assert_not_null(strchr("89ab", text[19]), "%s", text);
    cr_assert_eq(strcspn(text, "ABCDEF"), UUID_SIZE - 1, "%s", text);
  }
}

/* What a request without a correlation id and a trace takes to make an order: those two, a span, the order's id and the event's. */
Test(uuid, all_identifiers_of_a_request_cost_one_question)
{
  struct uuid_source source = {0};
  char text[UUID_SIZE];
  char traceparent[TRACEPARENT_SIZE];

  questions = 0;
  uuid_next(&source, text);
  traceparent_child(NULL, &source, traceparent);
  uuid_next(&source, text);
  uuid_next(&source, text);
  cr_assert_eq(questions, 1, "%u", questions);
  cr_assert(traceparent_is_sound(traceparent), "%s", traceparent);
  uuid_next(&source, text);
  cr_assert_eq(questions, 1, "%u", questions);
  uuid_next(&source, text);
  cr_assert_eq(questions, 2, "a source that is empty asks again");
}

Test(uuid, no_two_of_one_source_are_the_same)
{
  enum { COUNT = 600 };
  static char texts[COUNT][UUID_SIZE];
  struct uuid_source source = {0};

  for (size_t i = 0; i < COUNT; i++) {
    uuid_next(&source, texts[i]);
    cr_assert(uuid_is_sound(texts[i]), "%s", texts[i]);
    cr_assert_eq(texts[i][14], '4', "%s", texts[i]);
    cr_assert_not_null(strchr("89ab", texts[i][19]), "%s", texts[i]);
    for (size_t j = 0; j < i; j++) {
      cr_assert_str_neq(texts[i], texts[j]);
    }
  }
}

/* Each digit but those two takes all sixteen values: a digit that stands still, or a byte that is not random, shows. */
Test(uuid, every_other_digit_is_random)
{
  static const char digits[] = "0123456789abcdef";
  unsigned int seen[UUID_SIZE - 1] = {0};

  for (int i = 0; i < 2000; i++) {
    char text[UUID_SIZE];

    uuid_new(text);
    for (size_t at = 0; at < UUID_SIZE - 1; at++) {
      const char *digit = strchr(digits, text[at]);

      seen[at] |= digit != NULL ? 1U << (digit - digits) : 0;
    }
  }
  for (size_t at = 0; at < UUID_SIZE - 1; at++) {
    unsigned int expected = at == 14 ? 1U << 4 : at == 19 ? 0xf00 : at == 8 || at == 13 || at == 18 || at == 23 ? 0 : 0xffff;

    cr_assert_eq(seen[at], expected, "digit %zu: %x", at, seen[at]);
  }
}

Test(uuid, texts_of_another_form_are_not_sound)
{
  static const char *const sound[] = {
      "00000000-0000-0000-0000-000000000000",
      "01890a5d-ac96-774b-bcce-b302099a8057",
      "01890A5D-AC96-774B-BCCE-B302099A8057",
  };
  static const char *const unsound[] = {
      "",
      "0",
      "01890a5d-ac96-774b-bcce-b302099a805",
      "01890a5d-ac96-774b-bcce-b302099a80577",
      "01890a5d-ac96-774b-bcce-b302099a8057 ",
      " 01890a5d-ac96-774b-bcce-b302099a805",
      "01890a5dac96774bbcceb302099a8057",
      "{01890a5d-ac96-774b-bcce-b302099a80}",
      "01890a5g-ac96-774b-bcce-b302099a8057",
      "01890a5d-ac96-774b-bcce_b302099a8057",
      "01890a5d-ac96-774b-bccec-302099a8057",
  };

  for (size_t i = 0; i < sizeof(sound) / sizeof(*sound); i++) {
    cr_assert(uuid_is_sound(sound[i]), "%s", sound[i]);
  }
  for (size_t i = 0; i < sizeof(unsound) / sizeof(*unsound); i++) {
    cr_assert_not(uuid_is_sound(unsound[i]), "%s", unsound[i]);
  }
  cr_assert_not(uuid_is_sound(NULL));
}

#include <criterion/criterion.h>
#include <stdint.h>

#include "arena.h"

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#endif

Test(arena, allocations_are_aligned_and_do_not_overlap)
{
  struct arena arena;
  char *a;
  char *b;

  arena_init(&arena, 64);
  a = arena_alloc(&arena, 3);
  b = arena_alloc(&arena, 5);
  cr_assert_eq((uintptr_t)b % _Alignof(max_align_t), 0);
  cr_assert(b >= a + 3);
  arena_done(&arena);
}

Test(arena, a_message_larger_than_the_first_block_fits)
{
  struct arena arena;
  char *big;

  arena_init(&arena, 64);
  (void)arena_alloc(&arena, 60);
  big = arena_alloc(&arena, 100000);
  memset(big, 1, 100000);
  arena_reset(&arena);
  big = arena_alloc(&arena, 8);
  memset(big, 1, 8);
  arena_done(&arena);
}

Test(arena, reset_gives_the_first_block_again)
{
  struct arena arena;
  void *first;

  arena_init(&arena, 64);
  first = arena_alloc(&arena, 8);
  (void)arena_alloc(&arena, 1000);
  arena_reset(&arena);
  cr_assert_eq(arena_alloc(&arena, 8), first);
  arena_done(&arena);
}

Test(arena, copy_ends_with_a_zero_and_keeps_null)
{
  struct arena arena;
  struct span copy;

  arena_init(&arena, 64);
  copy = arena_copy(&arena, span_of("abcd", 3));
  cr_assert(span_is(copy, "abc"));
  cr_assert_eq(copy.data[3], '\0');
  cr_assert(span_is_null(arena_copy(&arena, span_of(NULL, 0))));
  cr_assert_not(span_is_null(arena_copy(&arena, span_of("", 0))));
  arena_done(&arena);
}

#ifdef __SANITIZE_ADDRESS__
Test(arena, the_sanitizer_sees_what_is_used_behind_a_reset_or_beyond_its_end)
{
  struct arena arena;
  char *kept;

  arena_init(&arena, 64);
  kept = arena_alloc(&arena, 19);
  cr_assert_null(__asan_region_is_poisoned(kept, 19));
  cr_assert(__asan_address_is_poisoned(kept + 19));
  arena_reset(&arena);
  cr_assert(__asan_address_is_poisoned(kept));
  cr_assert(__asan_address_is_poisoned(kept + 18));
  cr_assert_eq(arena_alloc(&arena, 1), kept);
  cr_assert_not(__asan_address_is_poisoned(kept));
  cr_assert(__asan_address_is_poisoned(kept + 1));
  arena_done(&arena);
}
#endif

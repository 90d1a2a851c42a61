/* SPDX-License-Identifier: Apache-2.0 */
#include "base/arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void memory_is_zeroed_and_aligned(void **state)
{
    CLEANUP(arena_deinit) struct arena a = { 0 };

    (void)state;
    arena_init(&a);
    for (size_t n = 0; n < 5000; n += 7) {
        unsigned char *p = arena_alloc(&a, n);

        assert_int_equal((uintptr_t)p % 16, 0);
        for (size_t i = 0; i < n; i++)
            assert_int_equal(p[i], 0);
        memset(p, 0xff, n);
    }
}

/* What was given out stays as it is while blocks are added. */
static void allocations_do_not_overlap(void **state)
{
    enum { N = 3000 };
    CLEANUP(arena_deinit) struct arena a = { 0 };
    static uint32_t *all[N];

    (void)state;
    arena_init(&a);
    for (uint32_t i = 0; i < N; i++) {
        all[i] = arena_array(&a, uint32_t, i % 50 + 1);
        for (uint32_t k = 0; k <= i % 50; k++)
            all[i][k] = i;
    }
    for (uint32_t i = 0; i < N; i++)
        for (uint32_t k = 0; k <= i % 50; k++)
            assert_int_equal(all[i][k], i);
}

static void one_piece_may_be_large(void **state)
{
    CLEANUP(arena_deinit) struct arena a = { 0 };
    char *p, *q;

    (void)state;
    arena_init(&a);
    p = arena_alloc(&a, 8 << 20);
    p[0] = p[(8 << 20) - 1] = 'x';
    q = arena_alloc(&a, 1);
    q[0] = 'y';
    assert_int_equal(p[(8 << 20) - 1], 'x');
}

static void text_is_copied(void **state)
{
    CLEANUP(arena_deinit) struct arena a = { 0 };
    char long_text[3000];

    (void)state;
    arena_init(&a);
    assert_string_equal(arena_copy(&a, str_make("abcd", 3)), "abc");
    assert_string_equal(arena_copy(&a, STR_NULL), "");
    assert_string_equal(arena_printf(&a, "%s-%d", "x", 5), "x-5");
    memset(long_text, 'z', sizeof(long_text) - 1);
    long_text[sizeof(long_text) - 1] = '\0';
    assert_string_equal(arena_printf(&a, "%s", long_text), long_text);
}

static void an_arena_can_be_used_again(void **state)
{
    struct arena a;
    int *p;

    (void)state;
    arena_init(&a);
    arena_deinit(&a);
    p = arena_new(&a, int);
    assert_int_equal(*p, 0);
    arena_deinit(&a);
    arena_deinit(&a);
    assert_null(a.head);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_is_zeroed_and_aligned),
        cmocka_unit_test(allocations_do_not_overlap),
        cmocka_unit_test(one_piece_may_be_large),
        cmocka_unit_test(text_is_copied),
        cmocka_unit_test(an_arena_can_be_used_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <cmocka.h>

#if defined(__SANITIZE_ADDRESS__)
#define IS_SANITIZED true
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define IS_SANITIZED true
#endif
#endif
#ifndef IS_SANITIZED
#define IS_SANITIZED false
#endif

static void memory_is_made_and_copied(void **state)
{
    int *zeros = xcalloc(10, sizeof(int)), *one = xnew(int);
    char *copy = xmemdup("ab\0c", 4), *text = xstrdup("text"), *made = xasprintf("%d %s", 5, "six");

    (void)state;
    for (int i = 0; i < 10; i++)
        assert_int_equal(zeros[i], 0);
    assert_int_equal(*one, 0);
    zeros = xrealloc(zeros, 100 * sizeof(int));
    assert_int_equal(zeros[9], 0);
    assert_memory_equal(copy, "ab\0c", 5);
    assert_string_equal(text, "text");
    assert_null(xstrdup(NULL));
    assert_string_equal(made, "5 six");
    free(zeros);
    free(one);
    free(copy);
    free(text);
    free(made);
    free(xcalloc(0, 0));
    free(xrealloc(NULL, 0));
    free(xmemdup(NULL, 0));
}

static char *give(char *p)
{
    CLEANUP(mem_free) char *held = p;

    return TAKE(held);
}

/* The leak checker tells when either is not freed, the address checker when one is freed twice. */
static void cleanup_frees_what_was_not_taken(void **state)
{
    CLEANUP(mem_free) char *held = xstrdup("x");
    CLEANUP(mem_free) char *none = NULL;
    char *taken = give(xstrdup("y"));

    (void)state;
    assert_string_equal(taken, "y");
    free(taken);
    assert_non_null(held);
    assert_null(none);
}

/* How many pages the kernel had to give for a block of 4 MB (1,024 pages) that is written to. */
static long pages_for_a_block(void)
{
    enum { SIZE = 4 << 20, PAGE = 4096 };
    struct rusage before, after;
    volatile char *p;

    assert_int_equal(getrusage(RUSAGE_SELF, &before), 0);
    p = xrealloc(NULL, SIZE);
    for (size_t i = 0; i < SIZE; i += PAGE)
        p[i] = 1;
    free((void *)(uintptr_t)p);
    assert_int_equal(getrusage(RUSAGE_SELF, &after), 0);
    return after.ru_minflt - before.ru_minflt;
}

static void what_was_freed_is_used_again(void **state)
{
    (void)state;
    mem_keep_freed();
    (void)pages_for_a_block();
    for (int i = 0; i < 3; i++) {
        long n = pages_for_a_block();

        if (!IS_SANITIZED) /* their memory is not malloc's */
            assert_in_range(n, 0, 256);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_is_made_and_copied),
        cmocka_unit_test(cleanup_frees_what_was_not_taken),
        cmocka_unit_test(what_was_freed_is_used_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

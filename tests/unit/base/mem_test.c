/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_is_made_and_copied),
        cmocka_unit_test(cleanup_frees_what_was_not_taken),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

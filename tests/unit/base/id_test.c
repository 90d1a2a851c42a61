/* SPDX-License-Identifier: Apache-2.0 */
#include "base/id.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static const int64_t now = 1767607872345;

static void ids_have_their_form(void **state)
{
    struct rand r;
    struct id_gen g;
    char id[ID_SIZE];

    (void)state;
    rand_init_os(&r);
    id_gen_init(&g, &r);
    for (int i = 0; i < 1000; i++) {
        memset(id, 'X', sizeof(id));
        id_make(&g, now + i, id);
        assert_int_equal(strlen(id), ID_LEN);
        assert_true(id_valid(str_of(id)));
        assert_int_equal(id_time_ms(str_of(id)), now + i);
    }
}

static void ids_increase_whatever_the_clock_does(void **state)
{
    static const int64_t steps[] = { 0, 0, 0, 1, 0, -5, -1000000, 3, 0, 1000, -2000 };
    struct rand r;
    struct id_gen g;
    char id[ID_SIZE], before[ID_SIZE] = "";
    int64_t at = now;

    (void)state;
    rand_init_seeded(&r, 3);
    id_gen_init(&g, &r);
    for (int i = 0; i < 20000; i++) {
        at += steps[i % (int)ARRAY_SIZE(steps)];
        id_make(&g, at, id);
        assert_true(strcmp(before, id) < 0);
        memcpy(before, id, sizeof(id));
    }
}

static void a_full_millisecond_borrows_the_next(void **state)
{
    struct rand r;
    struct id_gen g;
    char a[ID_SIZE], b[ID_SIZE];

    (void)state;
    rand_init_seeded(&r, 3);
    id_gen_init(&g, &r);
    id_make(&g, now, a);
    memset(g.last, 0xff, sizeof(g.last));
    id_make(&g, now, b);
    assert_int_equal(id_time_ms(str_of(b)), now + 1);
    assert_string_equal(b + 10, "0000000000000000");
    id_make(&g, now, a);
    assert_true(strcmp(a, b) > 0);
    /* The carry goes through the bytes. */
    memcpy(g.last, "\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff", 10);
    id_make(&g, now, a);
    assert_memory_equal(g.last, "\x02\x00\x00\x00\x00\x00\x00\x00\x00\x00", 10);
}

static void the_first_id_of_time_zero_is_random_too(void **state)
{
    struct rand r;
    struct id_gen g;
    char a[ID_SIZE];

    (void)state;
    rand_init_seeded(&r, 3);
    id_gen_init(&g, &r);
    id_make(&g, 0, a);
    assert_memory_equal(a, "0000000000", 10);
    assert_string_not_equal(a + 10, "0000000000000001");
}

static void floors_sort_below(void **state)
{
    struct rand r;
    struct id_gen g;
    char id[ID_SIZE], low[ID_SIZE], high[ID_SIZE];

    (void)state;
    rand_init_seeded(&r, 3);
    id_gen_init(&g, &r);
    id_make(&g, now, id);
    id_floor(now, low);
    id_floor(now + 1, high);
    assert_true(strcmp(low, id) < 0 && strcmp(id, high) < 0);
    assert_true(id_valid(str_of(low)));
    id_floor(0, low);
    assert_string_equal(low, "00000000000000000000000000");
    id_floor(-1, low);
    assert_string_equal(low, "00000000000000000000000000");
    id_floor(INT64_MAX, low);
    assert_string_equal(low, "7zzzzzzzzz0000000000000000");
    /* A known value: the time in the example of the ULID specification. */
    id_floor(1469918176385, low);
    assert_int_equal(id_time_ms(str_of(low)), 1469918176385);
    assert_string_equal(low, "01aryz6s410000000000000000");
}

static void other_texts_are_no_ids(void **state)
{
    static const char *const wrong[] = {
        "",
        "01aryz6s41tsv4rrffq69g5fa",
        "01aryz6s41tsv4rrffq69g5favx",
        "81aryz6s41tsv4rrffq69g5fav",
        "01aryz6s41tsv4rrffq69g5fai",
        "01aryz6s41tsv4rrffq69g5fal",
        "01aryz6s41tsv4rrffq69g5fao",
        "01aryz6s41tsv4rrffq69g5fau",
        "01ARYZ6S41TSV4RRFFQ69G5FAV",
        "01aryz6s41tsv4rrffq69g5f-v",
        "01aryz6s41tsv4rrffq69g5fa\xc3",
    };

    (void)state;
    assert_true(id_valid(STR("01aryz6s41tsv4rrffq69g5fav")));
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
        assert_false(id_valid(str_of(wrong[i])));
    assert_false(id_valid(STR_NULL));
    assert_false(id_valid(STR("01aryz6s41tsv4rrffq69g5fa\0")));
}

static void secrets_and_tokens_have_their_form(void **state)
{
    struct rand r;
    char a[65], b[65], token[TOKEN_LEN + 1];
    bool seen[256] = { false };

    (void)state;
    rand_init_os(&r);
    id_secret(&r, 64, a);
    id_secret(&r, 52, b);
    assert_int_equal(strlen(a), 64);
    assert_int_equal(strlen(b), 52);
    assert_memory_not_equal(a, b, 52);
    assert_int_equal(strspn(a, "0123456789abcdefghjkmnpqrstvwxyz"), 64);
    id_secret(&r, 0, a);
    assert_string_equal(a, "");
    for (int i = 0; i < 200; i++) {
        id_token(&r, token);
        assert_int_equal(strlen(token), 40);
        assert_memory_equal(token, "r8_", 3);
        for (int at = 3; at < TOKEN_LEN; at++) {
            unsigned char c = (unsigned char)token[at];

            assert_true((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'));
            seen[c] = true;
        }
    }
    assert_true(seen['0'] && seen['9'] && seen['A'] && seen['Z'] && seen['a'] && seen['z']);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_have_their_form),
        cmocka_unit_test(ids_increase_whatever_the_clock_does),
        cmocka_unit_test(a_full_millisecond_borrows_the_next),
        cmocka_unit_test(the_first_id_of_time_zero_is_random_too),
        cmocka_unit_test(floors_sort_below),
        cmocka_unit_test(other_texts_are_no_ids),
        cmocka_unit_test(secrets_and_tokens_have_their_form),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

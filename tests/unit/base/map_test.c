/* SPDX-License-Identifier: Apache-2.0 */
#include "base/map.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static struct map map;

static int setup(void **state)
{
    (void)state;
    map_init(&map);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    map_deinit(&map);
    return 0;
}

static struct str key(char room[32], size_t i)
{
    return str_make(room, (size_t)snprintf(room, 32, "key-%zu", i));
}

static void *value(size_t i)
{
    return (void *)(uintptr_t)(i + 1);
}

static void entries_come_and_go(void **state)
{
    int a, b;

    (void)state;
    assert_null(map_get(&map, STR("x")));
    assert_null(map_remove(&map, STR("x")));
    assert_null(map_put(&map, STR("x"), &a));
    assert_ptr_equal(map_get(&map, STR("x")), &a);
    assert_ptr_equal(map_put(&map, STR("x"), &b), &a);
    assert_int_equal(map.n, 1);
    assert_ptr_equal(map_remove(&map, STR("x")), &b);
    assert_null(map_get(&map, STR("x")));
    assert_int_equal(map.n, 0);
}

static void keys_are_copied_bytes(void **state)
{
    char text[] = "name";
    int a, b, c;

    (void)state;
    map_put(&map, str_of(text), &a);
    text[0] = 'g';
    assert_ptr_equal(map_get(&map, STR("name")), &a);
    assert_null(map_get(&map, STR("game")));
    map_put(&map, STR(""), &b);
    assert_ptr_equal(map_get(&map, STR_NULL), &b);
    map_put(&map, STR("name\0x"), &c);
    assert_ptr_equal(map_get(&map, STR("name\0x")), &c);
    assert_ptr_equal(map_get(&map, STR("name")), &a);
}

static void many_entries_are_found(void **state)
{
    enum { MANY = 20000 };
    char room[32];

    (void)state;
    for (size_t i = 0; i < MANY; i++)
        assert_null(map_put(&map, key(room, i), value(i)));
    assert_int_equal(map.n, MANY);
    for (size_t i = 0; i < MANY; i++)
        assert_ptr_equal(map_get(&map, key(room, i)), value(i));
    assert_null(map_get(&map, key(room, MANY)));
}

/* Each removal leaves a mark that is used up only when the table is rebuilt: entries that come and
 * go must neither fill it nor let it grow. */
static void many_removals_leave_no_trace(void **state)
{
    char room[32];

    (void)state;
    for (size_t i = 0; i < 200000; i++) {
        assert_null(map_put(&map, key(room, i), value(i)));
        if (i >= 10)
            assert_ptr_equal(map_remove(&map, key(room, i - 10)), value(i - 10));
    }
    assert_int_equal(map.n, 10);
    assert_true(map.n_slots <= 64);
    for (size_t i = 199990; i < 200000; i++)
        assert_ptr_equal(map_get(&map, key(room, i)), value(i));
    assert_null(map_get(&map, key(room, 199989)));
}

static void a_table_shrinks_after_many_left(void **state)
{
    char room[32];

    (void)state;
    for (size_t i = 0; i < 10000; i++)
        map_put(&map, key(room, i), value(i));
    for (size_t i = 0; i < 10000; i++)
        assert_ptr_equal(map_remove(&map, key(room, i)), value(i));
    assert_int_equal(map.n, 0);
    for (size_t i = 0; i < 40000; i++) {
        map_put(&map, key(room, i), value(i));
        map_remove(&map, key(room, i));
    }
    assert_true(map.n_slots <= 64);
}

static void a_walk_sees_each_entry_once(void **state)
{
    enum { N = 1000 };
    bool seen[N] = { false };
    char room[32];
    struct str k;
    void *v;
    size_t at = 0, count = 0;

    (void)state;
    assert_false(map_next(&map, &at, &k, &v));
    for (size_t i = 0; i < N; i++)
        map_put(&map, key(room, i), value(i));
    at = 0;
    while (map_next(&map, &at, &k, &v)) {
        size_t i = (uintptr_t)v - 1;

        assert_true(i < N && !seen[i]);
        assert_true(str_eq(k, key(room, i)));
        seen[i] = true;
        count++;
        if (i % 2)
            assert_ptr_equal(map_remove(&map, key(room, i)), v);
    }
    assert_int_equal(count, N);
    assert_int_equal(map.n, N / 2);
    at = count = 0;
    while (map_next(&map, &at, NULL, NULL))
        count++;
    assert_int_equal(count, N / 2);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(entries_come_and_go),
        TEST(keys_are_copied_bytes),
        TEST(many_entries_are_found),
        TEST(many_removals_leave_no_trace),
        TEST(a_table_shrinks_after_many_left),
        TEST(a_walk_sees_each_entry_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

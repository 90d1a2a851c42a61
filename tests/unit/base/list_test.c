/* SPDX-License-Identifier: Apache-2.0 */
#include "base/list.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

struct item {
    int number;
    struct list node;
};

static struct item *item_of(struct list *node)
{
    return node ? container_of(node, struct item, node) : NULL;
}

/* The numbers in the list as digits of one number. */
static int digits(struct list *l)
{
    struct item *i;
    int n = 0;

    list_each (l, i, struct item, node)
        n = n * 10 + i->number;
    return n;
}

static void items_keep_their_order(void **state)
{
    struct item items[4];
    struct list l = LIST_INIT(l);

    (void)state;
    assert_true(list_empty(&l));
    assert_null(list_first(&l));
    assert_int_equal(digits(&l), 0);
    for (int i = 0; i < 4; i++) {
        items[i].number = i + 1;
        list_init(&items[i].node);
    }
    list_push(&l, &items[1].node);
    list_push(&l, &items[2].node);
    list_push_front(&l, &items[0].node);
    list_insert_before(&items[2].node, &items[3].node);
    assert_int_equal(digits(&l), 1243);
    assert_ptr_equal(item_of(list_first(&l)), &items[0]);
    list_remove(&items[3].node);
    assert_int_equal(digits(&l), 123);
    list_remove(&items[3].node);
    list_remove(&items[0].node);
    list_remove(&items[2].node);
    assert_int_equal(digits(&l), 2);
    list_remove(&items[1].node);
    assert_true(list_empty(&l));
}

static void a_walk_may_remove(void **state)
{
    struct item items[6], *i;
    struct list l = LIST_INIT(l);

    (void)state;
    for (int n = 0; n < 6; n++) {
        items[n].number = n + 1;
        list_push(&l, &items[n].node);
    }
    list_each (&l, i, struct item, node)
        if (i->number % 2)
            list_remove(&i->node);
    assert_int_equal(digits(&l), 246);
    list_each (&l, i, struct item, node)
        list_remove(&i->node);
    assert_true(list_empty(&l));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(items_keep_their_order),
        cmocka_unit_test(a_walk_may_remove),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

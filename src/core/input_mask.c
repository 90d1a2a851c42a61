/* SPDX-License-Identifier: Apache-2.0 */
/* Secrets of an input. Where the search for them would go on without end, all of the value at hand
 * counts as secret: too much masked is a nuisance, too little a leak. */
#include "core/input_impl.h"

#include <stdlib.h>

enum { MAX_DEPTH = 500, BASE_STEPS = 1000000, STEPS_OF_BYTE = 4 };

static const char mask[] = "\"**********\"";

struct masking {
    struct buf spans; /* struct str of each secret, in no order */
    size_t steps;
    unsigned depth;
};

bool input_has_secrets(const struct input_schema *s)
{
    return s->root && (s->root->facts & HAS_SECRET);
}

static void find_secrets(struct masking *m, const struct schema_node *n, const struct json *v);

static void find_in_list(struct masking *m, const struct node_list *l, const struct json *v)
{
    for (size_t i = 0; i < l->n; i++)
        find_secrets(m, l->at[i], v);
}

static void find_in_children(struct masking *m, const struct schema_node *n, const struct json *v)
{
    json_each (v, child) {
        const struct schema_property *p;

        if (v->type == JSON_ARRAY) {
            find_secrets(m, n->items, child);
            continue;
        }
        p = map_get(&n->by_name, child->key);
        find_secrets(m, p && p->node ? p->node : n->additional, child);
    }
}

/* A value is secret where any branch calls it so. */
static void find_secrets(struct masking *m, const struct schema_node *n, const struct json *v)
{
    if (!n || !(n->facts & HAS_SECRET) || v->type == JSON_NULL)
        return;
    if ((n->facts & IS_SECRET) || m->depth >= MAX_DEPTH || m->steps == 0) {
        buf_add(&m->spans, &v->span, sizeof(v->span));
        return;
    }
    m->steps--;
    m->depth++;
    find_secrets(m, n->ref, v);
    find_in_list(m, &n->all_of, v);
    find_in_list(m, &n->any_of, v);
    find_in_list(m, &n->one_of, v);
    find_in_children(m, n, v);
    m->depth--;
}

/* By beginning; of those that begin at one place the longest first. */
static int by_place(const void *a, const void *b)
{
    const struct str *x = a, *y = b;

    if (x->p != y->p)
        return x->p < y->p ? -1 : 1;
    return x->n > y->n ? -1 : x->n < y->n;
}

bool input_mask(const struct input_schema *s, const struct json *input, struct buf *out)
{
    size_t steps = BASE_STEPS + STEPS_OF_BYTE * input->span.n;
    struct masking m = { .steps = steps };
    const char *copied = input->span.p, *end = input->span.p + input->span.n;
    struct str *spans;
    size_t n;

    if (!input_has_secrets(s))
        return false;
    /* Each span costs a step, but for those that are found with no steps left. */
    buf_init(&m.spans, 2 * steps * sizeof(struct str));
    find_secrets(&m, s->root, input);
    n = m.spans.n / sizeof(struct str);
    spans = (struct str *)(void *)m.spans.p;
    if (n > 1)
        qsort(spans, n, sizeof(*spans), by_place);
    for (size_t i = 0; i < n; i++) {
        if (spans[i].p < copied)
            continue; /* within one that is masked already, or named twice */
        buf_add(out, copied, (size_t)(spans[i].p - copied));
        buf_adds(out, mask);
        copied = spans[i].p + spans[i].n;
    }
    if (m.spans.failed) {
        buf_clear(out);
        buf_adds(out, mask);
    } else if (n > 0) {
        buf_add(out, copied, (size_t)(end - copied));
    }
    buf_deinit(&m.spans);
    return n > 0;
}

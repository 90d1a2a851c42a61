/* SPDX-License-Identifier: Apache-2.0 */
#include "driver/folders.h"

#include "base/str.h"

struct growing {
    const char **items;
    size_t n;
};

static struct growing begin(struct arena *a, const char *const *own, size_t n_own, size_t n_more)
{
    struct growing g = { .items = arena_array(a, const char *, n_own + n_more + 1) };

    for (size_t i = 0; i < n_own; i++) {
        if (own[i])
            g.items[g.n++] = own[i];
    }
    return g;
}

struct folders folders_make(struct arena *a, const char *text, const char *const *read_only,
                            size_t n_read_only, const char *const *writable, size_t n_writable)
{
    struct str rest = str_of(text ? text : ""), one;
    struct growing ro, rw;
    size_t most = 1;

    for (size_t i = 0; i < rest.n; i++)
        most += rest.p[i] == ':';
    ro = begin(a, read_only, n_read_only, most);
    rw = begin(a, writable, n_writable, most);
    while (str_split(&rest, ':', &one)) {
        if (str_ends(one, "=rw"))
            rw.items[rw.n++] = arena_copy(a, str_make(one.p, one.n - strlen("=rw")));
        else if (one.n > 0)
            ro.items[ro.n++] = arena_copy(a, one);
    }
    return (struct folders){ .read_only = ro.items, .writable = rw.items };
}

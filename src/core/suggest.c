/* SPDX-License-Identifier: Apache-2.0 */
#include "core/suggest.h"

enum { MAX_WORD = 64 };

static char fold(char c)
{
    if (c >= 'A' && c <= 'Z')
        return (char)(c - 'A' + 'a');
    return c == '_' ? '-' : c;
}

/* Edits (insert, remove, replace, swap two neighbours) that make a of b. */
static size_t distance(struct str a, struct str b)
{
    size_t rows[3][MAX_WORD + 1];
    size_t *before = rows[0], *last = rows[1], *now = rows[2];

    for (size_t j = 0; j <= b.n; j++)
        last[j] = j;
    for (size_t i = 1; i <= a.n; i++) {
        now[0] = i;
        for (size_t j = 1; j <= b.n; j++) {
            char x = fold(a.p[i - 1]), y = fold(b.p[j - 1]);
            size_t best = MIN(last[j], now[j - 1]) + 1;

            best = MIN(best, last[j - 1] + (x == y ? 0 : 1));
            if (i > 1 && j > 1 && x == fold(b.p[j - 2]) && fold(a.p[i - 2]) == y)
                best = MIN(best, before[j - 2] + 1);
            now[j] = best;
        }
        size_t *oldest = before;
        before = last;
        last = now;
        now = oldest;
    }
    return last[b.n];
}

const char *suggest(struct str word, const char *const *names)
{
    const char *nearest = NULL;
    size_t least = MIN((size_t)3, word.n / 3 + 1);

    if (word.n > MAX_WORD || word.n < 2)
        return NULL;
    for (; *names; names++) {
        struct str name = str_of(*names);
        size_t d = name.n > MAX_WORD ? MAX_WORD : distance(word, name);

        if (d <= least && (!nearest || d < least)) {
            nearest = *names;
            least = d;
        }
    }
    return nearest;
}

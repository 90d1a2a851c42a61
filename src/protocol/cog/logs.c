/* SPDX-License-Identifier: Apache-2.0 */
/* out is head, notice, tail. The tail may grow by a quarter of its size before it is cut, so that
 * the move is paid for by many lines. */
#include "protocol/cog/cog_impl.h"

#include "base/utf8.h"

#include <assert.h>

enum { DEFAULT_MAX = 1 << 20, NOTICE_SIZE = 96 };

void cog_logs_init(struct cog_logs *lg, struct buf *out, size_t max)
{
    *lg = (struct cog_logs){ .out = out, .half = (max ? max : DEFAULT_MAX) / 2 };
}

static bool is_inside_char(char c)
{
    return ((unsigned char)c & 0xc0) == 0x80;
}

/* Cuts the tail down to `keep` bytes. */
static void cut_tail(struct cog_logs *lg, size_t keep)
{
    struct buf *out = lg->out;
    size_t from = lg->head + lg->notice, tail = out->n - from, at;
    char notice[NOTICE_SIZE];
    int n;

    if (tail <= keep)
        return;
    at = out->n - keep;
    while (at < out->n && is_inside_char(out->p[at]))
        at++;
    lg->n_cut += at - from;
    n = snprintf(notice, sizeof(notice), "%s[%zu bytes of the logs were cut here]\n",
                 lg->head > 0 && out->p[lg->head - 1] != '\n' ? "\n" : "", lg->n_cut);
    assert(n > 0 && n < NOTICE_SIZE);
    if (!buf_reserve(out, NOTICE_SIZE))
        return;
    tail = out->n - at;
    memmove(out->p + lg->head + n, out->p + at, tail);
    memcpy(out->p + lg->head, notice, (size_t)n);
    lg->notice = (size_t)n;
    out->n = lg->head + lg->notice + tail;
    out->p[out->n] = '\0';
}

static void cut(struct cog_logs *lg, size_t slack)
{
    if (!lg->notice) {
        if (lg->out->n <= 2 * lg->half + slack)
            return;
        lg->head = utf8_prefix(buf_str(lg->out), lg->half);
    } else if (lg->out->n - lg->head - lg->notice <= lg->half + slack) {
        return;
    }
    cut_tail(lg, lg->half);
}

void cog_logs_add(struct cog_logs *lg, struct str text)
{
    size_t step = MAX(lg->half, (size_t)1);

    lg->total += text.n;
    while (text.n > 0) {
        size_t n = MIN(step, text.n);

        buf_add(lg->out, text.p, n);
        text = str_make(text.p + n, text.n - n);
        cut(lg, lg->half / 4);
    }
}

void cog_logs_settle(struct cog_logs *lg)
{
    cut(lg, 0);
}

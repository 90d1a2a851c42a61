/* SPDX-License-Identifier: Apache-2.0 */
#include "driver/docker/lines.h"

void docker_lines_init(struct docker_lines *d, void (*line)(void *arg, struct str line), void *arg)
{
    *d = (struct docker_lines){ .line = line, .arg = arg };
    for (size_t i = 0; i < ARRAY_SIZE(d->parts); i++)
        buf_init(&d->parts[i], DOCKER_MAX_LINE);
}

void docker_lines_deinit(struct docker_lines *d)
{
    for (size_t i = 0; i < ARRAY_SIZE(d->parts); i++)
        buf_deinit(&d->parts[i]);
}

static void end_line(struct docker_lines *d, struct buf *part)
{
    struct str line = buf_str(part);

    if (line.n && line.p[line.n - 1] == '\r')
        line.n--;
    d->line(d->arg, line);
    buf_clear(part);
}

static void take_text(struct docker_lines *d, struct buf *part, struct str text)
{
    while (text.n > 0) {
        const char *nl = memchr(text.p, '\n', text.n);
        size_t room = DOCKER_MAX_LINE - part->n;
        size_t n = MIN(nl ? (size_t)(nl - text.p) : text.n, room);

        buf_add(part, text.p, n);
        text = str_make(text.p + n, text.n - n);
        if (text.n > 0 && text.p[0] == '\n') {
            end_line(d, part);
            text = str_make(text.p + 1, text.n - 1);
        } else if (text.n > 0) { /* no room for more */
            end_line(d, part);
        }
    }
}

/* False: no head of a frame begins like this. */
static bool take_head(struct docker_lines *d)
{
    const unsigned char *h = d->head;

    if (h[0] > 2 || h[1] || h[2] || h[3])
        return false;
    d->left = (uint32_t)h[4] << 24 | (uint32_t)h[5] << 16 | (uint32_t)h[6] << 8 | h[7];
    return true;
}

bool docker_lines_feed(struct docker_lines *d, struct str piece)
{
    while (piece.n > 0) {
        size_t n;

        if (d->left == 0) {
            d->head[d->n_head++] = (unsigned char)piece.p[0];
            piece = str_make(piece.p + 1, piece.n - 1);
            if (d->n_head < sizeof(d->head))
                continue;
            d->n_head = 0;
            if (!take_head(d))
                return false;
            continue;
        }
        n = MIN((size_t)d->left, piece.n);
        take_text(d, &d->parts[d->head[0] == 2], str_make(piece.p, n));
        d->left -= (uint32_t)n;
        piece = str_make(piece.p + n, piece.n - n);
    }
    return true;
}

void docker_lines_end(struct docker_lines *d)
{
    for (size_t i = 0; i < ARRAY_SIZE(d->parts); i++)
        if (d->parts[i].n > 0)
            end_line(d, &d->parts[i]);
    d->n_head = 0;
    d->left = 0;
}

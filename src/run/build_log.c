/* SPDX-License-Identifier: Apache-2.0 */
/* A build's log: a bounded file, and a list of those who follow it live. */
#include "run/build_impl.h"

#include "base/clock.h"
#include "base/utf8.h"

#include <fcntl.h>
#include <stdarg.h>
#include <unistd.h>

enum { MAX_LOG = 4 << 20 };

void build_log_path(const struct builds *b, struct str id, struct buf *out)
{
    buf_addf(out, "%s/builds/%.*s/log", b->data, STR_ARG(id));
}

void build_log_open(struct build *b)
{
    struct buf path CLEANUP(buf_deinit) = BUF_INIT(1024);

    build_log_path(b->owner, str_of(b->row.id), &path);
    b->log_fd = open(path.p, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

static void tell(struct build *b, struct str text, bool ended)
{
    struct list untold = LIST_INIT(untold), *node;

    /* A watcher may remove itself or any other one while it is told. */
    while ((node = list_first(&b->watchers)) != NULL) {
        list_remove(node);
        list_push(&untold, node);
    }
    while ((node = list_first(&untold)) != NULL) {
        struct build_watcher *w = container_of(node, struct build_watcher, node);

        list_remove(node);
        if (!ended)
            list_push(&b->watchers, node);
        w->changed(w, text, ended);
    }
}

void build_log_write(struct build *b, const char *fmt, ...)
{
    struct buf line CLEANUP(buf_deinit) = BUF_INIT(128 * 1024);
    va_list ap;

    if (b->log_is_full)
        return;
    va_start(ap, fmt);
    buf_vaddf(&line, fmt, ap);
    va_end(ap);
    if (b->log_bytes + (int64_t)line.n > MAX_LOG) {
        b->log_is_full = true;
        buf_clear(&line);
        buf_adds(&line, "[the log is longer than 4 MB; the rest is not kept]");
    }
    if (!utf8_valid(buf_str(&line)))
        for (size_t i = 0; i < line.n; i++)
            if ((unsigned char)line.p[i] >= 0x80)
                line.p[i] = '?';
    buf_addc(&line, '\n');
    b->log_bytes += (int64_t)line.n;
    /* A line into the page cache; a full disk shows at the next step. */
    if (b->log_fd >= 0 && write(b->log_fd, line.p, line.n) < 0)
        b->log_is_full = true;
    tell(b, buf_str(&line), false);
}

void build_log_close(struct build *b)
{
    if (b->log_fd >= 0)
        close(b->log_fd);
    b->log_fd = -1;
}

void build_tell_end(struct build *b)
{
    tell(b, STR_NULL, true);
}

void build_watch(struct build *b, struct build_watcher *w)
{
    list_push(&b->watchers, &w->node);
}

void build_watcher_remove(struct build_watcher *w)
{
    list_remove(&w->node);
}

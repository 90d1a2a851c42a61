/* SPDX-License-Identifier: Apache-2.0 */
/* Errors of a full or broken disk are not reported line by line: the log is then shorter, the
 * instance goes on. */
#include "init/ring.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

struct ring_head {
    char magic[8];
    uint32_t version, size;
    uint64_t cap, start, end;
};

enum { RING_VERSION = 1, RING_MIN = 4096 };

static const char ring_magic[8] = { 'B', 'E', 'R', 'T', 'H', 'L', 'O', 'G' };

_Static_assert(sizeof(struct ring_head) == 40, "the file format has no padding");

static void save_head(const struct ring *r)
{
    struct ring_head h = {
        .version = RING_VERSION, .size = sizeof(h), .cap = r->cap, .start = r->start, .end = r->end
    };
    ssize_t n;

    memcpy(h.magic, ring_magic, sizeof(h.magic));
    n = pwrite(r->fd, &h, sizeof(h), 0);
    (void)n;
}

enum status ring_create(int dirfd, uint64_t cap, struct ring *out, struct error *err)
{
    struct ring r = { .fd = -1, .cap = MAX(cap, (uint64_t)RING_MIN) };
    int failed;

    r.fd = openat(dirfd, RING_FILE, O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (r.fd < 0)
        return FAIL(err, STATUS_UNREACHABLE, "cannot make the log file: %s", strerror(errno));
    /* Room is taken now: a disk that fills up later must not cost an instance its log. */
    failed = posix_fallocate(r.fd, 0, (off_t)(sizeof(struct ring_head) + r.cap));
    if (failed && failed != EOPNOTSUPP && failed != EINVAL) {
        close(r.fd);
        return FAIL(err, STATUS_DISK_FULL, "cannot make the log file: %s", strerror(failed));
    }
    save_head(&r);
    *out = r;
    return STATUS_OK;
}

enum status ring_open(int dirfd, struct ring *out, struct error *err)
{
    struct ring_head h;
    int fd = openat(dirfd, RING_FILE, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

    if (fd < 0)
        return FAIL(err, STATUS_NOT_FOUND, "cannot open the log file: %s", strerror(errno));
    if (pread(fd, &h, sizeof(h), 0) != (ssize_t)sizeof(h) ||
        memcmp(h.magic, ring_magic, sizeof(h.magic)) != 0 || h.version != RING_VERSION ||
        h.size != sizeof(h) || h.cap < RING_MIN || h.start > h.end || h.end - h.start > h.cap) {
        close(fd);
        return FAIL(err, STATUS_BROKEN, "the log file is not of version %d", RING_VERSION);
    }
    *out = (struct ring){ .fd = fd, .cap = h.cap, .start = h.start, .end = h.end };
    return STATUS_OK;
}

void ring_close(struct ring *r)
{
    if (r->fd >= 0)
        close(r->fd);
    r->fd = -1;
}

size_t ring_max_line(const struct ring *r)
{
    return (size_t)MIN((uint64_t)RING_MAX_LINE, r->cap / 2);
}

static off_t place(const struct ring *r, uint64_t off)
{
    return (off_t)(sizeof(struct ring_head) + off % r->cap);
}

static void put(struct ring *r, const char *p, size_t n)
{
    while (n > 0) {
        size_t part = (size_t)MIN((uint64_t)n, r->cap - r->end % r->cap);
        ssize_t written = pwrite(r->fd, p, part, place(r, r->end));

        (void)written;
        r->end += part;
        p += part;
        n -= part;
    }
}

/* Reads up to the end of the file's window, at most `max` bytes; what cannot be read ends the log.
 */
static size_t get(const struct ring *r, uint64_t off, char *out, size_t max)
{
    uint64_t part = MIN(r->end - off, MIN((uint64_t)max, r->cap - off % r->cap));
    ssize_t n = pread(r->fd, out, (size_t)part, place(r, off));

    return n > 0 ? (size_t)n : 0;
}

/* The offset behind the newline that ends the line at `off`. */
static uint64_t line_end(const struct ring *r, uint64_t off, struct buf *line)
{
    char part[4096];

    while (off < r->end) {
        size_t n = get(r, off, part, sizeof(part));
        const char *nl = n ? memchr(part, '\n', n) : NULL;
        size_t take = nl ? (size_t)(nl - part) : n;

        if (n == 0)
            return r->end;
        if (line)
            buf_add(line, part, take);
        if (nl)
            return off + take + 1;
        off += n;
    }
    return r->end;
}

void ring_add(struct ring *r, struct str line)
{
    char part[512];

    line.n = MIN(line.n, ring_max_line(r) - 1);
    while (r->end + line.n + 1 - r->start > r->cap)
        r->start = line_end(r, r->start, NULL);
    while (line.n > 0) {
        size_t n = MIN(line.n, sizeof(part));

        for (size_t i = 0; i < n; i++)
            part[i] = line.p[i] == '\n' ? ' ' : line.p[i];
        put(r, part, n);
        line = str_make(line.p + n, line.n - n);
    }
    put(r, "\n", 1);
    save_head(r);
}

bool ring_next(const struct ring *r, uint64_t *at, uint64_t *out_off, struct buf *line)
{
    uint64_t off = MAX(*at, r->start);

    if (off >= r->end)
        return false;
    buf_clear(line);
    *at = line_end(r, off, line);
    *out_off = off;
    return true;
}

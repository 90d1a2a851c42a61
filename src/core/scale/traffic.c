/* SPDX-License-Identifier: Apache-2.0 */
#include "core/scale/traffic.h"

#include "base/mem.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { TABLE_BEGINS_MS = 1000000 };

/* Little-endian, whatever the machine. */
static void put(unsigned char *p, uint64_t v, int n)
{
    for (int i = 0; i < n; i++)
        p[i] = (unsigned char)(v >> 8 * i);
}

static uint64_t get(const unsigned char *p, int n)
{
    uint64_t v = 0;

    for (int i = 0; i < n; i++)
        v |= (uint64_t)p[i] << 8 * i;
    return v;
}

void scale_record_write(const struct scale_record *r, struct buf *out)
{
    unsigned char b[SCALE_RECORD_SIZE];

    put(b, (uint64_t)r->at, 8);
    put(b + 8, (uint32_t)r->wait_ms, 4);
    put(b + 12, (uint32_t)r->service_ms, 4);
    put(b + 16, r->release, 4);
    put(b + 20, r->slots, 2);
    put(b + 22, r->status, 2);
    buf_add(out, b, sizeof(b));
}

void scale_record_read(struct str packed, size_t i, struct scale_record *out)
{
    const unsigned char *b = (const unsigned char *)packed.p + i * SCALE_RECORD_SIZE;

    *out = (struct scale_record){
        .at = (int64_t)get(b, 8),
        .wait_ms = (int32_t)get(b + 8, 4),
        .service_ms = (int32_t)get(b + 12, 4),
        .release = (uint32_t)get(b + 16, 4),
        .slots = (uint16_t)get(b + 20, 2),
        .status = (uint16_t)get(b + 22, 2),
    };
}

static int by_time(const void *a, const void *b)
{
    const struct scale_arrival *x = a, *y = b;

    return x->at < y->at ? -1 : x->at > y->at;
}

struct scale_arrival *scale_traffic(struct str packed, int64_t from, size_t *out_n)
{
    size_t n = packed.n / SCALE_RECORD_SIZE;
    struct scale_arrival *rows = xcalloc(n + 1, sizeof(*rows));

    *out_n = 0;
    for (size_t i = 0; i < n; i++) {
        struct scale_record r;

        scale_record_read(packed, i, &r);
        if (r.at >= from)
            rows[(*out_n)++] =
                (struct scale_arrival){ .at = r.at, .service_ms = MAX(r.service_ms, 0) };
    }
    qsort(rows, *out_n, sizeof(*rows), by_time); /* stored as they ended */
    return rows;
}

/* One line's two numbers; false where there are none. */
static bool read_line(const char *line, double *at, double *service)
{
    char *end;

    *at = strtod(line, &end);
    if (end == line)
        return false;
    end += strspn(end, " \"");
    if (*end != ',' && *end != ';' && *end != '\t')
        return false;
    line = end + 1;
    line += strspn(line, " \"");
    *service = strtod(line, &end);
    return end != line && isfinite(*at) && isfinite(*service) && fabs(*at) < 1e13 &&
           *service >= 0 && *service < 1e6;
}

enum status scale_traffic_table(struct str text, size_t most, struct scale_arrival **out,
                                size_t *out_n, struct error *err)
{
    struct scale_arrival *rows = NULL;
    size_t n = 0, cap = 0, number = 0;

    for (const char *p = text.p, *end = p + text.n; p < end; number++) {
        const char *stop = memchr(p, '\n', (size_t)(end - p));
        char line[256];
        size_t length = (size_t)((stop ? stop : end) - p);
        double at, service;

        memcpy(line, p, MIN(length, sizeof(line) - 1));
        line[MIN(length, sizeof(line) - 1)] = '\0';
        p += length + 1;
        if (!read_line(line, &at, &service)) {
            if (n == 0 || line[strspn(line, " \r\t")] == '\0')
                continue; /* the head, or an empty line */
            free(rows);
            return FAIL(err, STATUS_INVALID,
                        "line %zu: \"%.60s\" is not an arrival and a service time in seconds, such "
                        "as 12.5,0.8",
                        number + 1, line);
        }
        if (n == most) {
            free(rows);
            return FAIL(err, STATUS_TOO_LARGE, "there are more than %zu predictions", most);
        }
        if (n == cap) {
            cap = cap ? cap * 2 : 1024;
            rows = xrealloc(rows, cap * sizeof(*rows));
        }
        rows[n++] = (struct scale_arrival){ .at = (int64_t)llround(at * 1000),
                                            .service_ms = (int32_t)llround(service * 1000) };
    }
    if (n == 0)
        return FAIL(err, STATUS_INVALID,
                    "there is no line with an arrival and a service time in seconds, such as "
                    "12.5,0.8");
    qsort(rows, n, sizeof(*rows), by_time);
    for (size_t i = n; i > 0; i--) /* times of points are above 0 everywhere */
        rows[i - 1].at += TABLE_BEGINS_MS - rows[0].at;
    *out = rows;
    *out_n = n;
    return STATUS_OK;
}

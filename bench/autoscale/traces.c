/* SPDX-License-Identifier: Apache-2.0 */
#include "traces.h"

#include "base/clock.h"
#include "base/mem.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const double TURN = 6.283185307179586;

static double uniform(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    z ^= z >> 31;
    return ((double)(z >> 11) + 0.5) / 9007199254740992.0;
}

static double normal(uint64_t *state)
{
    double u = uniform(state), v = uniform(state);

    return sqrt(-2 * log(u)) * cos(TURN * v);
}

static void push(struct trace *t, size_t *cap, int64_t at, double service_s)
{
    if (t->n == *cap) {
        *cap = *cap ? *cap * 2 : 1024;
        t->rows = xrealloc(t->rows, *cap * sizeof(*t->rows));
    }
    t->rows[t->n++] =
        (struct scale_arrival){ .at = at, .service_ms = (int32_t)MAX(service_s * 1000, 1) };
}

static void finish(struct trace *t)
{
    double sum = 0;

    for (size_t i = 0; i < t->n; i++)
        sum += t->rows[i].service_ms;
    t->service_s = t->n ? sum / (double)t->n / 1000 : 0;
}

bool trace_azure(const char *path, const char *name, struct trace *out)
{
    char line[256], stamp[64];
    size_t cap = 0;
    int64_t first = -1;
    FILE *f = fopen(path, "r");

    *out = (struct trace){ .name = name };
    if (!f)
        return false;
    while (fgets(line, sizeof(line), f)) {
        char *comma = strchr(line, ','), *second = comma ? strchr(comma + 1, ',') : NULL;
        int64_t at;
        double service;

        if (!second || line[0] < '0' || line[0] > '9')
            continue;
        (void)snprintf(stamp, sizeof(stamp), "%.10sT%.12sZ", line, line + 11);
        if (!time_parse(str_of(stamp), &at))
            continue;
        first = first < 0 ? at : first;
        service = 0.03 + 0.00025 * strtod(comma + 1, NULL) + 0.02 * strtod(second + 1, NULL);
        push(out, &cap, at - first + 1000, service);
    }
    (void)fclose(f);
    out->until = 3600 * 1000;
    finish(out);
    return out->n > 0;
}

/* Arrivals a second at a time (s). */
static double rate_at(const char *name, double t)
{
    double day = 86400, hour = t / 3600;

    if (strcmp(name, "poisson") == 0)
        return 2;
    if (strcmp(name, "daily") == 0)
        return hour < 5 || hour > 23 ? 0.002 : 1.5 * (1 - cos(TURN * (t - 4 * 3600) / day)) / 2;
    if (strcmp(name, "spike") == 0)
        return t > 1800 && t < 2100 ? 10 : 0.2;
    return 0;
}

void trace_made(const char *name, struct trace *out)
{
    uint64_t seed = 20231116;
    bool bursty = strcmp(name, "bursty") == 0;
    double until = strcmp(name, "daily") == 0 ? 86400 : 7200, t = 0, most = 10;
    double off_until = 0, on_until = 0;
    size_t cap = 0;

    *out = (struct trace){ .name = name, .until = (int64_t)(until * 1000) };
    for (;;) {
        t -= log(uniform(&seed)) / most;
        if (t >= until)
            break;
        if (bursty && t >= on_until) { /* bursts of about 20 s, about 90 s apart */
            off_until = t - log(uniform(&seed)) * 90;
            on_until = off_until - log(uniform(&seed)) * 20;
        }
        if (uniform(&seed) * most >= (bursty ? (t >= off_until ? 4 : 0.02) : rate_at(name, t)))
            continue;
        push(out, &cap, (int64_t)(t * 1000) + 1000, 2 * exp(0.7 * normal(&seed) - 0.245));
    }
    finish(out);
}

void trace_free(struct trace *t)
{
    free(t->rows);
}

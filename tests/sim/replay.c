/* SPDX-License-Identifier: Apache-2.0 */
/* Decisions of a run in a file; and the same taken again from the file alone, by a process that
 * never ran anything. */
#include "sim.h"

#include "core/scale/again.h"

#include <stdio.h>

static void put(FILE *f, const struct buf *bytes)
{
    if (fwrite(bytes->p, 1, bytes->n, f) != bytes->n)
        fail_msg("a decision could not be recorded");
}

void sim_record(void *arg, const struct scale_view *v, const struct scale_plan *plan)
{
    struct buf bytes CLEANUP(buf_deinit) = BUF_INIT(BUF_UNBOUNDED);

    if (ftell(arg) == 0)
        scale_again_head(&bytes);
    scale_again_write(v, plan, &bytes);
    put(arg, &bytes);
}

static bool replay(struct str bytes, int64_t *out_n, int64_t *out_acts)
{
    enum status s;
    struct error err;

    if (scale_again_open(&bytes, &err) != STATUS_OK)
        return false;
    for (;; (*out_n)++) {
        struct arena a CLEANUP(arena_deinit) = { 0 };
        struct scale_again d;

        if (!scale_again_next(&bytes, &a, &d, &s, &err))
            return s == STATUS_OK && *out_n > 0;
        if (!d.is_same)
            return false;
        *out_acts += d.now.n > 0;
    }
}

bool sim_replay(FILE *f, int64_t *out_n, int64_t *out_acts)
{
    struct buf bytes CLEANUP(buf_deinit) = BUF_INIT(BUF_UNBOUNDED);
    size_t n;

    *out_n = *out_acts = 0;
    do {
        char *room = buf_reserve(&bytes, 1 << 16);

        n = fread(room, 1, 1 << 16, f);
        buf_commit(&bytes, n);
    } while (n > 0);
    return replay(buf_str(&bytes), out_n, out_acts);
}

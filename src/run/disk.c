/* SPDX-License-Identifier: Apache-2.0 */
#include "run/disk.h"

#include "base/log.h"
#include "base/mem.h"

#include <stdlib.h>
#include <sys/statvfs.h>

enum { FRESH_MS = 500, OLD_MS = 5000 };

static int64_t look(const char *folder)
{
    struct statvfs s;

    if (statvfs(folder, &s) != 0)
        return INT64_MAX; /* whoever writes will find out */
    return (int64_t)s.f_bavail * (int64_t)s.f_frsize;
}

static void take(struct disk *d, int64_t free)
{
    bool was_low = d->is_low;

    d->free = free;
    d->looked_at = loop_now_ms(d->loop);
    d->is_low = free < d->reserve;
    if (d->is_low && !was_low)
        log_error("the disk is nearly full: nothing new is accepted until there is room again",
                  LOG_S("folder", d->folder), LOG_I("free_bytes", free),
                  LOG_I("disk_reserve", d->reserve));
    if (was_low && !d->is_low)
        log_info("there is room on the disk again", LOG_S("folder", d->folder),
                 LOG_I("free_bytes", free));
}

static void look_work(struct work *w)
{
    struct disk *d = container_of(w, struct disk, work);

    d->seen = look(d->folder);
}

static void on_looked(struct work *w)
{
    struct disk *d = container_of(w, struct disk, work);

    d->is_looking = false;
    take(d, d->seen);
}

void disk_init(struct disk *d, struct loop *l, const char *folder, int64_t reserve)
{
    *d = (struct disk){ .loop = l, .folder = xstrdup(folder), .reserve = reserve };
    take(d, look(folder));
}

void disk_deinit(struct disk *d)
{
    free(d->folder);
    d->folder = NULL;
}

bool disk_is_low(struct disk *d)
{
    int64_t age = loop_now_ms(d->loop) - d->looked_at;

    if (d->reserve == 0)
        return false;
    if (age >= FRESH_MS && !d->is_looking) {
        d->is_looking = true;
        work_start(d->loop, &d->work, look_work, on_looked);
    }
    return d->is_low && age < OLD_MS;
}

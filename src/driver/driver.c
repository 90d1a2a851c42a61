/* SPDX-License-Identifier: Apache-2.0 */
#include "driver/driver.h"

#include "driver/driver_impl.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

void driver_free(struct driver *d)
{
    if (d)
        d->ops->free(d);
}

const struct driver_facts *driver_facts(const struct driver *d)
{
    return d->ops->facts(d);
}

const char *driver_internal_base(const struct driver *d)
{
    return d->ops->internal_base ? d->ops->internal_base(d) : NULL;
}

/* An id becomes part of a path: nothing but letters, digits, '_' and '-' may pass. */
static bool is_plain(const char *id)
{
    size_t n = strlen(id);

    return n > 0 && n <= 64 &&
           strspn(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") == n;
}

static void begin(struct driver *d, struct launch *l, const char *id,
                  const struct launch_events *ev)
{
    assert(id && is_plain(id) && strlen(id) < sizeof(l->id));
    assert(ev->address && ev->handle && ev->line && ev->ended);
    *l = (struct launch){ .events = ev, .driver = d };
    memcpy(l->id, id, strlen(id) + 1);
}

void driver_launch(struct driver *d, struct launch *l, const struct launch_spec *spec,
                   const struct launch_events *ev)
{
    assert((spec->version_path || spec->config->image) && spec->mode && spec->config);
    begin(d, l, spec->id, ev);
    d->ops->launch(d, l, spec);
    assert(l->impl);
}

void driver_recover(struct driver *d, struct launch *l, const char *id, struct str handle,
                    const struct launch_events *ev)
{
    begin(d, l, id, ev);
    d->ops->recover(d, l, handle);
    assert(l->impl);
}

void driver_stop(struct launch *l, int64_t grace_ms)
{
    assert(l->impl);
    l->driver->ops->stop(l->driver, l, grace_ms < 0 ? 0 : grace_ms);
}

void driver_release(struct launch *l)
{
    if (!l->impl)
        return;
    l->driver->ops->release(l->driver, l);
    assert(!l->impl);
}

void driver_clean(struct launch *l, const char *prediction_id)
{
    if (l->impl && l->driver->ops->clean && is_plain(prediction_id))
        l->driver->ops->clean(l->driver, l, prediction_id);
}

void driver_sweep(struct driver *d)
{
    if (d->ops->sweep)
        d->ops->sweep(d);
}

void launch_ended(struct launch *l, const struct exit_info *how, const struct error *err)
{
    assert(l->impl);
    l->impl = NULL;
    l->events->ended(l, how, err);
}

struct exit_info exit_info_make(int code, int signal, bool out_of_memory, bool lost)
{
    struct exit_info how = { .code = signal || lost ? -1 : code,
                             .signal = signal,
                             .out_of_memory = out_of_memory,
                             .lost = lost };

    if (lost)
        snprintf(how.text, sizeof(how.text), "lost: its end was not seen");
    else if (out_of_memory)
        snprintf(how.text, sizeof(how.text), "ended for using more memory than its hardware has");
    else if (signal)
        snprintf(how.text, sizeof(how.text), "ended by signal %d (%s)", signal, strsignal(signal));
    else
        snprintf(how.text, sizeof(how.text), "ended with exit code %d", code);
    return how;
}

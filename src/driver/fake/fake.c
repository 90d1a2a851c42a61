/* SPDX-License-Identifier: Apache-2.0 */
/* An instance lives in the list of its driver from the launch until its end was told. One that was
 * released has no launch and goes on; one that ends meanwhile keeps its exit for the next
 * driver_recover(). */
#include "driver/fake/fake.h"

#include "base/json.h"
#include "base/list.h"
#include "base/mem.h"
#include "driver/driver_impl.h"

#include <assert.h>
#include <signal.h>
#include <stdlib.h>

struct fake_driver {
    struct driver driver;
    struct fake_launch_script *script;
    size_t n_script;
    size_t n_launched;
    fake_choose choose; /* NULL: the script's rows */
    void *choose_arg;
    struct list instances;
};

struct fake_instance {
    struct list node;
    struct fake_driver *driver;
    struct launch *launch; /* NULL: released */
    struct fake_launch_script script;
    char id[32];
    int port;
    int64_t address_at, exit_at, kill_at; /* INT64_MAX: never */
    struct timer timer;                   /* the earliest of these */
    struct deferred first;                /* what a launch or recover tells first */
    int crash_signal;
    bool is_ended, is_told_handle;
    struct exit_info how;
};

_Static_assert(offsetof(struct fake_driver, driver) == 0, "a driver is where its base is");

static struct fake_driver *fake(struct driver *d)
{
    return container_of(d, struct fake_driver, driver);
}

static const struct fake_driver *fake_const(const struct driver *d)
{
    return (const struct fake_driver *)(const void *)d;
}

static int64_t now(const struct fake_instance *i)
{
    return loop_now_ms(i->driver->driver.loop);
}

static void instance_free(struct fake_instance *i)
{
    timer_stop(&i->timer);
    deferred_cancel(&i->first);
    list_remove(&i->node);
    free(i);
}

static void tell_end(struct fake_instance *i)
{
    struct launch *l = TAKE(i->launch);
    struct exit_info how = i->how;
    struct error err = { .status = i->script.fail, .where = "fake", .text = "scripted failure" };
    bool failed = i->script.fail != STATUS_OK;

    instance_free(i);
    launch_ended(l, &how, failed ? &err : NULL);
}

static void end(struct fake_instance *i, struct exit_info how)
{
    i->is_ended = true;
    i->how = how;
    i->how.ended_at = loop_wall_ms(i->driver->driver.loop);
    timer_stop(&i->timer);
    if (i->launch)
        tell_end(i);
}

static void arm(struct fake_instance *i)
{
    int64_t due = MIN(i->address_at, MIN(i->exit_at, i->kill_at));

    if (due == INT64_MAX || i->is_ended)
        timer_stop(&i->timer);
    else
        timer_start_at(&i->timer, due);
}

static void tell_address(struct fake_instance *i)
{
    char url[64];

    snprintf(url, sizeof(url), "http://127.0.0.1:%d", i->port);
    i->launch->events->address(i->launch, url, NULL);
}

static void on_timer(struct timer *t)
{
    struct fake_instance *i = container_of(t, struct fake_instance, timer);

    if (i->kill_at <= now(i)) {
        end(i, exit_info_make(-1, i->crash_signal ? i->crash_signal : SIGKILL, false, false));
        return;
    }
    if (i->exit_at <= now(i)) {
        end(i, exit_info_make(i->script.exit_code, 0, false, false));
        return;
    }
    if (i->address_at <= now(i)) {
        i->address_at = INT64_MAX;
        i->port = 20000 + (int)(i->driver->n_launched % 40000);
        arm(i);
        if (i->launch)
            tell_address(i);
        return;
    }
    arm(i);
}

static void tell_handle(struct fake_instance *i)
{
    struct buf b CLEANUP(buf_deinit) = BUF_INIT(BUF_UNBOUNDED);
    struct json_writer w;

    json_writer_init(&w, &b);
    json_begin_object(&w);
    json_member_int(&w, "v", 1);
    json_member_string(&w, "fake", i->id);
    json_end_object(&w);
    i->launch->events->handle(i->launch, buf_str(&b));
}

/* Any of these calls may release or stop the instance; a released one stays in the list, so that
 * `i` stays valid. */
static void on_first(struct deferred *d)
{
    struct fake_instance *i = container_of(d, struct fake_instance, first);

    if (i->script.fail != STATUS_OK) {
        end(i, exit_info_make(-1, 0, false, false));
        return;
    }
    if (i->launch && !i->is_told_handle) {
        i->is_told_handle = true;
        tell_handle(i);
    }
    for (const char *const *line = i->script.lines; line && *line && i->launch; line++)
        i->launch->events->line(i->launch, str_of(*line));
    if (i->launch && i->is_ended) {
        tell_end(i);
        return;
    }
    if (i->launch && i->port)
        tell_address(i);
}

static struct fake_instance *instance_new(struct fake_driver *f, const char *id)
{
    struct fake_instance *i = xnew(struct fake_instance);

    i->driver = f;
    memcpy(i->id, id, strlen(id) + 1);
    i->address_at = i->exit_at = i->kill_at = INT64_MAX;
    timer_init(f->driver.loop, &i->timer, on_timer);
    deferred_init(f->driver.loop, &i->first, on_first);
    list_push(&f->instances, &i->node);
    return i;
}

static void attach(struct fake_instance *i, struct launch *l)
{
    i->launch = l;
    l->impl = i;
    deferred_call(&i->first);
}

static void fake_launch(struct driver *d, struct launch *l, const struct launch_spec *spec)
{
    struct fake_driver *f = fake(d);
    struct fake_instance *i = instance_new(f, spec->id);
    size_t at = MIN(f->n_launched, f->n_script - 1);

    f->n_launched++;
    i->script = f->choose ? f->choose(f->choose_arg, spec) : f->script[at];
    if (i->script.fail == STATUS_OK) {
        if (i->script.address_after_ms >= 0)
            i->address_at = now(i) + i->script.address_after_ms;
        if (i->script.exit_after_ms > 0)
            i->exit_at = now(i) + i->script.exit_after_ms;
        arm(i);
    }
    attach(i, l);
}

static struct fake_instance *find(const struct fake_driver *f, const char *id)
{
    struct fake_instance *i;

    list_each (&f->instances, i, struct fake_instance, node) {
        if (strcmp(i->id, id) == 0)
            return i;
    }
    return NULL;
}

static void fake_recover(struct driver *d, struct launch *l, struct str handle)
{
    struct fake_driver *f = fake(d);
    struct fake_instance *i = find(f, l->id);

    (void)handle;
    assert(!i || !i->launch);
    if (i && i->script.lost_on_recover) {
        instance_free(i);
        i = NULL;
    }
    if (!i) {
        i = instance_new(f, l->id);
        i->is_ended = true;
        i->is_told_handle = true;
        i->how = exit_info_make(-1, 0, false, true);
    }
    attach(i, l);
}

static void fake_stop(struct driver *d, struct launch *l, int64_t grace_ms)
{
    struct fake_instance *i = l->impl;
    int64_t takes = i->script.stop_takes_ms;

    (void)d;
    if (i->is_ended)
        return;
    if (takes > grace_ms) {
        i->kill_at = MIN(i->kill_at, now(i) + grace_ms);
    } else if (i->exit_at > now(i) + takes) {
        i->exit_at = now(i) + takes;
        i->script.exit_code = 0;
    }
    arm(i);
}

static void fake_release(struct driver *d, struct launch *l)
{
    struct fake_instance *i = l->impl;

    (void)d;
    deferred_cancel(&i->first);
    i->launch = NULL;
    l->impl = NULL;
}

static void fake_sweep(struct driver *d)
{
    struct fake_instance *i;

    list_each (&fake(d)->instances, i, struct fake_instance, node) {
        if (!i->launch)
            instance_free(i);
    }
}

static const struct driver_facts *fake_facts(const struct driver *d)
{
    static const struct driver_facts facts = {
        .name = "fake",
        .missing = { "instances of the fake driver are not real" },
    };

    (void)d;
    return &facts;
}

static void fake_free(struct driver *d)
{
    struct fake_driver *f = fake(d);
    struct fake_instance *i;

    list_each (&f->instances, i, struct fake_instance, node) {
        assert(!i->launch);
        instance_free(i);
    }
    free(f->script);
    free(f);
}

static const struct driver_ops fake_ops = {
    .name = "fake",
    .free = fake_free,
    .facts = fake_facts,
    .launch = fake_launch,
    .recover = fake_recover,
    .stop = fake_stop,
    .release = fake_release,
    .clean = NULL,
    .sweep = fake_sweep,
};

struct driver *fake_driver_new(struct loop *l, const struct fake_launch_script *script, size_t n)
{
    struct fake_driver *f = xnew(struct fake_driver);

    assert(n > 0);
    f->driver = (struct driver){ .ops = &fake_ops, .loop = l };
    f->script = xcalloc(n, sizeof(*script));
    memcpy(f->script, script, n * sizeof(*script));
    f->n_script = n;
    list_init(&f->instances);
    return &f->driver;
}

void fake_driver_choose(struct driver *d, fake_choose choose, void *arg)
{
    fake(d)->choose = choose;
    fake(d)->choose_arg = arg;
}

bool fake_driver_crash(struct driver *d, const char *id, int signal)
{
    struct fake_instance *i = find(fake(d), id);

    if (!i || i->is_ended)
        return false;
    i->crash_signal = signal;
    i->kill_at = now(i);
    arm(i);
    return true;
}

size_t fake_driver_running(const struct driver *d)
{
    struct fake_instance *i;
    size_t n = 0;

    list_each (&fake_const(d)->instances, i, struct fake_instance, node) {
        n += !i->is_ended;
    }
    return n;
}

size_t fake_driver_launched(const struct driver *d)
{
    return fake_const(d)->n_launched;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "driver/fake/fake.h"

#include "base/buf.h"
#include "driver/driver_impl.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>

#include <cmocka.h>

struct watch {
    struct launch launch;
    struct buf story; /* every event in one word, with the time */
    struct exit_info how;
    struct error err;
    bool is_ended, release_on_line;
};

static struct watch *watch_of(struct launch *l)
{
    return container_of(l, struct watch, launch);
}

static void tell(struct launch *l, const char *what)
{
    buf_addf(&watch_of(l)->story, "%s@%lld ", what, (long long)loop_now_ms(l->driver->loop));
}

static void on_address(struct launch *l, const char *url, const char *unix_socket)
{
    assert_true(str_starts(str_of(url), "http://127.0.0.1:"));
    assert_null(unix_socket);
    tell(l, "address");
}

static void on_handle(struct launch *l, struct str json)
{
    assert_true(str_starts(json, "{"));
    tell(l, "handle");
}

static void on_line(struct launch *l, struct str line)
{
    buf_add_str(&watch_of(l)->story, line);
    tell(l, "");
    if (watch_of(l)->release_on_line)
        driver_release(l);
}

static void on_ended(struct launch *l, const struct exit_info *how, const struct error *err)
{
    struct watch *x = watch_of(l);

    tell(l, "ended");
    assert_false(x->is_ended);
    x->is_ended = true;
    x->how = *how;
    if (err)
        x->err = *err;
}

static const struct launch_events events = {
    .address = on_address,
    .handle = on_handle,
    .line = on_line,
    .ended = on_ended,
};

struct world {
    struct loop *loop;
    struct driver *driver;
    struct version_config config;
    struct launch_spec spec;
};

static void world_init(struct world *w, const struct fake_launch_script *script, size_t n)
{
    *w = (struct world){ .loop = loop_new_virtual(0, 1) };
    w->driver = fake_driver_new(w->loop, script, n);
    w->spec = (struct launch_spec){ .version_path = "/v", .mode = "predict", .config = &w->config };
}

static void world_deinit(struct world *w)
{
    driver_free(w->driver);
    loop_free(w->loop);
}

static void launch(struct world *w, struct watch *x, const char *id)
{
    struct launch_spec s = w->spec;

    s.id = id;
    s.config = &w->config;
    *x = (struct watch){ .story = BUF_INIT(BUF_UNBOUNDED) };
    driver_launch(w->driver, &x->launch, &s, &events);
    assert_int_equal(x->story.n, 0);
}

static void recover(struct world *w, struct watch *x, const char *id)
{
    buf_clear(&x->story);
    driver_recover(w->driver, &x->launch, id, STR("{}"), &events);
    assert_int_equal(x->story.n, 0);
}

static void check_story(struct watch *x, const char *story)
{
    assert_string_equal(x->story.p ? x->story.p : "", story);
}

static void follows_its_script(void **state)
{
    static const char *const lines[] = { "a", "b", NULL };
    static const struct fake_launch_script script[] = {
        { .address_after_ms = 100, .exit_after_ms = 500, .exit_code = 3, .lines = lines },
        { .address_after_ms = -1, .fail = STATUS_BUSY },
        { .address_after_ms = 0 },
    };
    struct world w;
    struct watch x, y, z;

    (void)state;
    world_init(&w, script, 3);
    launch(&w, &x, "i1");
    launch(&w, &y, "i2");
    launch(&w, &z, "i3");
    assert_int_equal(fake_driver_running(w.driver), 3);
    loop_run_until(w.loop, 1000);
    check_story(&x, "handle@0 a@0 b@0 address@100 ended@500 ");
    assert_int_equal(x.how.code, 3);
    check_story(&y, "ended@0 ");
    assert_int_equal(y.err.status, STATUS_BUSY);
    check_story(&z, "handle@0 address@0 ");
    assert_int_equal(fake_driver_running(w.driver), 1);
    assert_int_equal(fake_driver_launched(w.driver), 3);
    driver_stop(&z.launch, 10);
    loop_run_until(w.loop, 2000);
    check_story(&z, "handle@0 address@0 ended@1000 ");
    assert_int_equal(z.how.code, 0);
    buf_deinit(&x.story);
    buf_deinit(&y.story);
    buf_deinit(&z.story);
    world_deinit(&w);
}

static void stops_within_its_grace_or_is_killed(void **state)
{
    static const struct fake_launch_script script[] = { { .stop_takes_ms = 50 } };
    struct world w;
    struct watch x, y;

    (void)state;
    world_init(&w, script, 1);
    launch(&w, &x, "i1");
    launch(&w, &y, "i2");
    loop_run_until(w.loop, 10);
    driver_stop(&x.launch, 100);
    driver_stop(&y.launch, 1000);
    driver_stop(&y.launch, 20);
    loop_run_until(w.loop, 1000);
    check_story(&x, "handle@0 address@0 ended@60 ");
    assert_int_equal(x.how.signal, 0);
    check_story(&y, "handle@0 address@0 ended@30 ");
    assert_int_equal(y.how.signal, SIGKILL);
    assert_int_equal(y.how.code, -1);
    buf_deinit(&x.story);
    buf_deinit(&y.story);
    world_deinit(&w);
}

static void crashes_on_demand(void **state)
{
    static const struct fake_launch_script script[] = { { .address_after_ms = 5 } };
    struct world w;
    struct watch x;

    (void)state;
    world_init(&w, script, 1);
    launch(&w, &x, "i1");
    loop_run_until(w.loop, 10);
    assert_false(fake_driver_crash(w.driver, "i2", SIGSEGV));
    assert_true(fake_driver_crash(w.driver, "i1", SIGSEGV));
    loop_run_until(w.loop, 20);
    check_story(&x, "handle@0 address@5 ended@10 ");
    assert_int_equal(x.how.signal, SIGSEGV);
    assert_false(fake_driver_crash(w.driver, "i1", SIGSEGV));
    buf_deinit(&x.story);
    world_deinit(&w);
}

static void is_found_again_after_a_release(void **state)
{
    static const char *const lines[] = { "a", NULL };
    static const struct fake_launch_script script[] = {
        { .address_after_ms = 5, .exit_after_ms = 100, .exit_code = 9, .lines = lines },
        { .lost_on_recover = true },
    };
    struct world w;
    struct watch x, y;

    (void)state;
    world_init(&w, script, 2);
    launch(&w, &x, "i1");
    launch(&w, &y, "i2");
    loop_run_until(w.loop, 10);
    driver_release(&x.launch);
    driver_release(&y.launch);
    driver_release(&y.launch);
    loop_run_until(w.loop, 20);
    recover(&w, &x, "i1");
    recover(&w, &y, "i2");
    loop_run_until(w.loop, 30);
    check_story(&x, "a@20 address@20 ");
    check_story(&y, "ended@20 ");
    assert_true(y.how.lost);
    driver_release(&x.launch);
    loop_run_until(w.loop, 200);
    recover(&w, &x, "i1");
    loop_run_until(w.loop, 210);
    check_story(&x, "a@200 ended@200 ");
    assert_int_equal(x.how.code, 9);
    assert_false(x.how.lost);
    buf_deinit(&x.story);
    buf_deinit(&y.story);
    world_deinit(&w);
}

static void sweep_ends_what_was_not_asked_for(void **state)
{
    static const struct fake_launch_script script[] = { { .address_after_ms = 5 } };
    struct world w;
    struct watch x, y;

    (void)state;
    world_init(&w, script, 1);
    launch(&w, &x, "i1");
    launch(&w, &y, "i2");
    x.release_on_line = true;
    loop_run_until(w.loop, 10);
    driver_release(&x.launch);
    driver_sweep(w.driver);
    assert_int_equal(fake_driver_running(w.driver), 1);
    driver_clean(&y.launch, "p1");
    driver_release(&y.launch);
    buf_deinit(&x.story);
    buf_deinit(&y.story);
    world_deinit(&w);
}

static void a_release_within_an_event_is_the_last_event(void **state)
{
    static const char *const lines[] = { "a", "b", NULL };
    static const struct fake_launch_script script[] = { { .lines = lines } };
    struct world w;
    struct watch x;

    (void)state;
    world_init(&w, script, 1);
    launch(&w, &x, "i1");
    x.release_on_line = true;
    loop_run_until(w.loop, 100);
    check_story(&x, "handle@0 a@0 ");
    buf_deinit(&x.story);
    world_deinit(&w);
}

static void ends_are_described(void **state)
{
    (void)state;
    assert_string_equal(exit_info_make(0, 0, false, false).text, "ended with exit code 0");
    assert_string_equal(exit_info_make(1, 11, false, false).text,
                        "ended by signal 11 (Segmentation fault)");
    assert_int_equal(exit_info_make(1, 11, false, false).code, -1);
    assert_string_equal(exit_info_make(1, 0, false, true).text, "lost: its end was not seen");
    assert_int_equal(exit_info_make(1, 0, false, true).code, -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(follows_its_script),
        cmocka_unit_test(stops_within_its_grace_or_is_killed),
        cmocka_unit_test(crashes_on_demand),
        cmocka_unit_test(is_found_again_after_a_release),
        cmocka_unit_test(sweep_ends_what_was_not_asked_for),
        cmocka_unit_test(a_release_within_an_event_is_the_last_event),
        cmocka_unit_test(ends_are_described),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

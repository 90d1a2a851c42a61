/* SPDX-License-Identifier: Apache-2.0 */
#include "loop/loop.h"

#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <pthread.h>
#include <signal.h>
#include <uv.h>

enum { DAY_MS = 24 * 60 * 60 * 1000 };

/* Each timer and deferred call notes its letter; a test compares the whole. */
static char notes[256];

static void note(char c)
{
    size_t n = strlen(notes);

    assert_true(n + 1 < sizeof(notes));
    notes[n] = c;
    notes[n + 1] = '\0';
}

static int clear_notes(void **state)
{
    (void)state;
    notes[0] = '\0';
    return 0;
}

struct letter {
    struct timer timer;
    char c;
    void (*then)(struct letter *e);
    struct letter *other;
    int n;
};

static void on_letter(struct timer *t)
{
    struct letter *e = container_of(t, struct letter, timer);

    assert_false(timer_armed(t));
    note(e->c);
    e->n++;
    if (e->then)
        e->then(e);
}

static void letter_init(struct loop *l, struct letter *e, char c)
{
    *e = (struct letter){ .c = c };
    timer_init(l, &e->timer, on_letter);
}

static void timers_fire_by_time_then_by_order(void **state)
{
    struct loop *l = loop_new_virtual(1000, 1);
    struct letter e[5];

    (void)state;
    for (int i = 0; i < 5; i++)
        letter_init(l, &e[i], (char)('a' + i));
    timer_start(&e[0].timer, 30);
    timer_start(&e[1].timer, 10);
    timer_start(&e[2].timer, 30);
    timer_start(&e[3].timer, 20);
    timer_start(&e[4].timer, -5);
    loop_run_until(l, 29);
    assert_string_equal(notes, "ebd");
    assert_int_equal(loop_now_ms(l), 29);
    assert_int_equal(loop_wall_ms(l), 1029);
    loop_run_until(l, 30);
    assert_string_equal(notes, "ebdac");
    loop_free(l);
}

static void stopping_and_moving(void **state)
{
    struct loop *l = loop_new_virtual(0, 1);
    struct letter e[3];

    (void)state;
    for (int i = 0; i < 3; i++)
        letter_init(l, &e[i], (char)('a' + i));
    timer_start(&e[0].timer, 10);
    timer_start(&e[1].timer, 20);
    timer_start(&e[2].timer, 30);
    timer_stop(&e[1].timer);
    timer_stop(&e[1].timer);
    assert_false(timer_armed(&e[1].timer));
    timer_start(&e[0].timer, 40); /* moved behind c */
    assert_true(timer_armed(&e[0].timer));
    assert_true(loop_run_idle(l, 100));
    assert_string_equal(notes, "ca");
    assert_int_equal(loop_now_ms(l), 40);
    loop_free(l);
}

static void start_again_at_once(struct letter *e)
{
    if (e->n < 3)
        timer_start(&e->timer, 0);
}

static void stop_the_other(struct letter *e)
{
    timer_stop(&e->other->timer);
}

static void start_the_other_in_the_past(struct letter *e)
{
    timer_start_at(&e->other->timer, 1);
}

static void callbacks_change_timers(void **state)
{
    struct loop *l = loop_new_virtual(0, 1);
    struct letter a, b, c, d;

    (void)state;
    letter_init(l, &a, 'a');
    letter_init(l, &b, 'b');
    letter_init(l, &c, 'c');
    letter_init(l, &d, 'd');
    a.then = start_again_at_once;
    b.then = stop_the_other;
    b.other = &c;
    timer_start(&a.timer, 5);
    timer_start(&b.timer, 5);
    timer_start(&c.timer, 5);
    loop_run_until(l, 5);
    /* b is not starved by a, c is stopped although due in the same turn. */
    assert_string_equal(notes, "abaa");

    notes[0] = '\0';
    b.then = start_the_other_in_the_past;
    b.other = &d;
    timer_start(&b.timer, 5);
    timer_start(&c.timer, 5);
    loop_run_until(l, 20);
    assert_string_equal(notes, "bcd");
    loop_free(l);
}

static void the_heap_keeps_its_order(void **state)
{
    enum { N = 500 };
    struct loop *l = loop_new_virtual(0, 7);
    struct rand *r = loop_rand(l);
    struct letter *e = calloc(N, sizeof(*e));
    int64_t before = 0;
    int fired = 0, armed = 0;

    (void)state;
    for (int i = 0; i < N; i++)
        timer_init(l, &e[i].timer, NULL);
    for (int i = 0; i < 5 * N; i++) {
        struct timer *t = &e[rand_below(r, N)].timer;

        if (rand_below(r, 3) == 0)
            timer_stop(t);
        else
            timer_start(t, (int64_t)rand_below(r, 1000));
    }
    for (int i = 0; i < N; i++)
        armed += timer_armed(&e[i].timer);
    assert_true(armed > 100);
    /* Taking them one at a time shows every step of the heap. */
    while (fired < armed) {
        struct timer *first = NULL;

        for (int i = 0; i < N; i++) {
            struct timer *t = &e[i].timer;

            if (timer_armed(t) && (!first || t->due_ms < first->due_ms ||
                                   (t->due_ms == first->due_ms && t->seq < first->seq)))
                first = t;
        }
        assert_non_null(first);
        assert_int_equal(first->heap_at, 1);
        assert_true(first->due_ms >= before);
        before = first->due_ms;
        timer_stop(first);
        fired++;
    }
    free(e);
    loop_free(l);
}

struct ticker {
    struct timer timer;
    int n;
};

static void on_tick(struct timer *t)
{
    struct ticker *k = container_of(t, struct ticker, timer);

    k->n++;
    timer_start(t, 1000);
}

static void a_virtual_day_passes(void **state)
{
    struct loop *l = loop_new_virtual(5, 1);
    struct ticker k = { .n = 0 };

    (void)state;
    timer_init(l, &k.timer, on_tick);
    timer_start(&k.timer, 1000);
    loop_run_until(l, DAY_MS);
    assert_int_equal(k.n, DAY_MS / 1000);
    assert_int_equal(loop_wall_ms(l), DAY_MS + 5);
    assert_false(loop_run_idle(l, 5000)); /* ticks for ever */
    assert_int_equal(k.n, DAY_MS / 1000 + 5);
    assert_int_equal(loop_now_ms(l), DAY_MS + 5000);
    timer_stop(&k.timer);
    assert_true(loop_run_idle(l, 0));
    loop_free(l);
}

static void the_same_seed_gives_the_same_numbers(void **state)
{
    struct loop *a = loop_new_virtual(0, 42), *b = loop_new_virtual(0, 42);

    (void)state;
    for (int i = 0; i < 8; i++)
        assert_true(rand_u64(loop_rand(a)) == rand_u64(loop_rand(b)));
    assert_null(loop_uv(a));
    loop_free(a);
    loop_free(b);
}

struct call {
    struct deferred deferred;
    char c;
    struct call *next;
    bool stops;
};

static void on_call(struct deferred *d)
{
    struct call *c = container_of(d, struct call, deferred);

    note(c->c);
    if (c->next)
        deferred_call(&c->next->deferred);
    if (c->stops)
        loop_stop(d->loop);
}

static void call_init(struct loop *l, struct call *c, char letter)
{
    *c = (struct call){ .c = letter };
    deferred_init(l, &c->deferred, on_call);
}

static void deferred_calls_on_a_virtual_loop(void **state)
{
    struct loop *l = loop_new_virtual(0, 1);
    struct call a, b, c;

    (void)state;
    call_init(l, &a, 'a');
    call_init(l, &b, 'b');
    call_init(l, &c, 'c');
    a.next = &c;
    deferred_call(&a.deferred);
    deferred_call(&b.deferred);
    deferred_call(&a.deferred);
    assert_string_equal(notes, ""); /* never from inside */
    loop_run_until(l, 0);
    assert_string_equal(notes, "abc"); /* c waited for the next turn, a came once */
    deferred_call(&b.deferred);
    deferred_cancel(&b.deferred);
    deferred_cancel(&b.deferred);
    assert_true(loop_run_idle(l, 10));
    assert_string_equal(notes, "abc");
    loop_free(l);
}

static struct call victim;

static void on_cancel(struct deferred *d)
{
    (void)d;
    deferred_cancel(&victim.deferred);
}

static void a_call_cancelled_by_one_before_it(void **state)
{
    struct loop *l = loop_new_virtual(0, 1);
    struct deferred first;

    (void)state;
    deferred_init(l, &first, on_cancel);
    call_init(l, &victim, 'v');
    deferred_call(&first);
    deferred_call(&victim.deferred);
    assert_true(loop_run_idle(l, 0));
    assert_string_equal(notes, "");
    loop_free(l);
}

/* Were the poll to block while calls are deferred, this would hang: nothing else ever happens. */
static void deferred_calls_on_a_real_loop(void **state)
{
    struct loop *l = loop_new_real();
    struct call a, b, c;

    (void)state;
    call_init(l, &a, 'a');
    call_init(l, &b, 'b');
    call_init(l, &c, 'c');
    a.next = &b;
    b.next = &c;
    c.stops = true;
    deferred_call(&a.deferred);
    loop_run(l);
    assert_string_equal(notes, "abc");
    loop_free(l);
}

static void count_turn(uv_check_t *check)
{
    ++*(int *)check->data;
}

static void stop_loop(struct letter *e)
{
    loop_stop(e->timer.loop);
}

static void an_idle_loop_does_not_spin(void **state)
{
    struct loop *l = loop_new_real();
    struct letter e;
    struct call c;
    uv_check_t check;
    int turns = 0;

    (void)state;
    uv_check_init(loop_uv(l), &check);
    check.data = &turns;
    uv_check_start(&check, count_turn);
    letter_init(l, &e, 'e');
    e.then = stop_loop;
    timer_start(&e.timer, 50);
    call_init(l, &c, 'c');
    deferred_call(&c.deferred);
    loop_run(l);
    assert_string_equal(notes, "ce");
    /* A spinning loop makes thousands of turns in 50 ms. */
    assert_true(turns < 20);
    uv_close((uv_handle_t *)&check, NULL);
    loop_free(l);
}

static void on_stop(struct timer *t)
{
    loop_stop(t->loop);
}

static void real_timers(void **state)
{
    struct loop *l = loop_new_real();
    struct letter e[3];
    struct timer end;

    (void)state;
    for (int i = 0; i < 3; i++)
        letter_init(l, &e[i], (char)('a' + i));
    timer_init(l, &end, on_stop);
    e[0].then = start_again_at_once;
    timer_start(&e[0].timer, 0);
    timer_start(&e[1].timer, 4);
    timer_start(&e[2].timer, 2);
    timer_start(&end, 6);
    loop_run(l);
    assert_int_equal(e[0].n, 3);
    assert_string_equal(notes + strlen(notes) - 2, "cb");
    /* and again, after a first run */
    timer_start(&end, 1);
    loop_run(l);
    loop_free(l);
}

static void on_look_at_clocks(struct timer *t)
{
    int64_t now = loop_now_ms(t->loop), wall = loop_wall_ms(t->loop);
    int64_t end = clock_monotonic_ms() + 3;

    assert_true(wall <= clock_wall_ms() && wall > clock_wall_ms() - 60000);
    while (clock_monotonic_ms() < end)
        ;
    assert_int_equal(loop_now_ms(t->loop), now);
    assert_int_equal(loop_wall_ms(t->loop), wall);
    loop_stop(t->loop);
}

static void time_stands_still_within_a_turn(void **state)
{
    struct loop *l = loop_new_real();
    int64_t start = loop_now_ms(l), end = clock_monotonic_ms() + 3;
    struct timer t;

    (void)state;
    timer_init(l, &t, on_look_at_clocks);
    timer_start(&t, 1);
    loop_run(l);
    /* but not between runs */
    while (clock_monotonic_ms() < end)
        ;
    assert_true(loop_now_ms(l) >= start + 2);
    loop_free(l);
}

struct job {
    struct work work;
    pthread_t ran_on;
    bool has_run, is_done;
    int left; /* starts again so often */
};

static void job_run(struct work *w)
{
    struct job *j = container_of(w, struct job, work);

    j->ran_on = pthread_self();
    j->has_run = true;
}

static void job_done(struct work *w)
{
    struct job *j = container_of(w, struct job, work);
    struct loop *l = w->loop;

    j->is_done = true;
    if (j->left-- > 0)
        work_start(l, w, job_run, job_done);
    else
        loop_stop(l);
}

static void work_runs_on_another_thread(void **state)
{
    struct loop *l = loop_new_real();
    struct job j = { .left = 3 };

    (void)state;
    work_start(l, &j.work, job_run, job_done);
    assert_false(j.is_done);
    loop_run(l);
    assert_true(j.has_run && j.is_done);
    assert_int_equal(j.left, -1);
    assert_false(pthread_equal(j.ran_on, pthread_self()));
    loop_free(l);
}

static void work_on_a_virtual_loop(void **state)
{
    struct loop *l = loop_new_virtual(0, 1);
    struct job j = { .left = 2 };

    (void)state;
    work_start(l, &j.work, job_run, job_done);
    assert_true(j.has_run);
    assert_false(j.is_done);
    assert_true(loop_run_idle(l, 0));
    assert_true(j.is_done);
    assert_int_equal(j.left, -1);
    loop_free(l);
}

enum { N_THREADS = 4, N_SENDS = 200 };

struct sender {
    struct wakeup *wakeup;
    struct loop *loop;
    pthread_mutex_t lock;
    int sent, seen;
};

static void *send_many(void *arg)
{
    struct sender *s = arg;

    for (int i = 0; i < N_SENDS; i++) {
        pthread_mutex_lock(&s->lock);
        s->sent++;
        pthread_mutex_unlock(&s->lock);
        wakeup_send(s->wakeup);
    }
    return NULL;
}

static void on_wakeup(void *arg)
{
    struct sender *s = arg;

    pthread_mutex_lock(&s->lock);
    s->seen = s->sent;
    pthread_mutex_unlock(&s->lock);
    if (s->seen == N_THREADS * N_SENDS)
        loop_stop(s->loop);
}

static void wakeups_from_threads(void **state)
{
    struct sender s = { .loop = loop_new_real(), .lock = PTHREAD_MUTEX_INITIALIZER };
    pthread_t threads[N_THREADS];

    (void)state;
    s.wakeup = wakeup_new(s.loop, on_wakeup, &s);
    for (int i = 0; i < N_THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, send_many, &s), 0);
    loop_run(s.loop);
    for (int i = 0; i < N_THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(s.seen, N_THREADS * N_SENDS);
    wakeup_send(s.wakeup); /* one that is pending when it is freed does not come */
    s.seen = 0;
    wakeup_free(s.wakeup);
    loop_free(s.loop);
    assert_int_equal(s.seen, 0);
}

static void count_wakeup(void *arg)
{
    ++*(int *)arg;
}

static void wakeups_on_a_virtual_loop(void **state)
{
    struct loop *l = loop_new_virtual(0, 1);
    int n = 0;
    struct wakeup *w = wakeup_new(l, count_wakeup, &n);

    (void)state;
    wakeup_send(w);
    wakeup_send(w);
    assert_int_equal(n, 0);
    loop_run_until(l, 1);
    assert_int_equal(n, 1);
    wakeup_send(w);
    wakeup_free(w);
    loop_run_until(l, 2);
    assert_int_equal(n, 1);
    loop_free(l);
}

static void broken_pipes_do_not_kill(void **state)
{
    struct loop *l = loop_new_real();
    struct sigaction now;

    (void)state;
    assert_int_equal(sigaction(SIGPIPE, NULL, &now), 0);
    assert_true(now.sa_handler == SIG_IGN);
    loop_free(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(timers_fire_by_time_then_by_order, clear_notes),
        cmocka_unit_test_setup(stopping_and_moving, clear_notes),
        cmocka_unit_test_setup(callbacks_change_timers, clear_notes),
        cmocka_unit_test_setup(the_heap_keeps_its_order, clear_notes),
        cmocka_unit_test_setup(a_virtual_day_passes, clear_notes),
        cmocka_unit_test_setup(the_same_seed_gives_the_same_numbers, clear_notes),
        cmocka_unit_test_setup(deferred_calls_on_a_virtual_loop, clear_notes),
        cmocka_unit_test_setup(a_call_cancelled_by_one_before_it, clear_notes),
        cmocka_unit_test_setup(deferred_calls_on_a_real_loop, clear_notes),
        cmocka_unit_test_setup(an_idle_loop_does_not_spin, clear_notes),
        cmocka_unit_test_setup(real_timers, clear_notes),
        cmocka_unit_test_setup(time_stands_still_within_a_turn, clear_notes),
        cmocka_unit_test_setup(work_runs_on_another_thread, clear_notes),
        cmocka_unit_test_setup(work_on_a_virtual_loop, clear_notes),
        cmocka_unit_test_setup(wakeups_from_threads, clear_notes),
        cmocka_unit_test_setup(wakeups_on_a_virtual_loop, clear_notes),
        cmocka_unit_test_setup(broken_pipes_do_not_kill, clear_notes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

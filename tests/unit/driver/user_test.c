/* SPDX-License-Identifier: Apache-2.0 */
/* Users of their own: who gets which, what they see, and that nothing of them stays. */
#include "process_support.h"

#define RANGE "310000-310999"

static void ranges_are_checked(void **state)
{
    static const char *const wrong[] = { "",         "200000",    "200000-", "-5",
                                         "999-2000", "2000-1999", "a-b",     "1000-2147483647" };
    struct uids *u;
    struct error err;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        assert_int_equal(uids_new(wrong[i], "/d", &u, &err), STATUS_INVALID);
        assert_non_null(strstr(err.text, "instance_uids"));
        assert_non_null(strstr(err.text, "200000-265535"));
    }
}

static void nobody_gets_a_user_twice(void **state)
{
    struct uids *u, *other;
    struct error err;
    uint32_t a, b, c, d;

    (void)state;
    assert_int_equal(uids_new("311000-311002", "/d", &u, &err), STATUS_OK);
    assert_int_equal(uids_take(u, &a, &err), STATUS_OK);
    uids_take_again(u, a == 311001 ? 311002 : 311001);
    assert_int_equal(uids_take(u, &b, &err), STATUS_OK);
    assert_int_not_equal(a, b);
    assert_true(uids_has(u, a) && uids_has(u, b) && !uids_has(u, 311003) && !uids_has(u, 310999));
    assert_int_equal(uids_take(u, &c, &err), STATUS_BUSY);
    assert_non_null(strstr(err.text, "instance_uids"));
    uids_give(u, b);
    /* Another server of this machine, with the same range. */
    if (geteuid() == 0) {
        assert_int_equal(uids_new("311000-311002", "/other", &other, &err), STATUS_OK);
        assert_int_equal(uids_take(other, &c, &err), STATUS_OK);
        assert_int_equal(c, b);
        assert_int_equal(uids_take(other, &d, &err), STATUS_BUSY);
        assert_int_equal(uids_take(u, &d, &err), STATUS_BUSY);
        uids_free(other);
    }
    assert_int_equal(uids_take(u, &c, &err), STATUS_OK);
    assert_int_equal(c, b);
    uids_free(u);
}

/* False, with a word about it: this machine does not let us. */
static bool begin(struct world *w, const char *script)
{
    w->uid_range = RANGE;
    world_start(w, script);
    if (driver_facts(w->driver)->has_users)
        return true;
    print_message("skipped: instances cannot be users of their own here\n");
    return false;
}

static void it_is_nobody_and_sees_its_own_only(void **state)
{
    struct world *w = *state;
    struct watch x;
    char path[160], script[1500];
    int fd;
    pid_t uid;

    snprintf(path, sizeof(path), "%s/secret", w->data);
    fd = open(path, O_WRONLY | O_CREAT, 0644);
    assert_int_equal(write(fd, "secret\n", 7), 7);
    close(fd);
    snprintf(script, sizeof(script),
             "echo uid $(id -u); id -G; cat %s; ls -a %s | tr '\\n' ' '; echo; "
             "ls %s/instances/i1 | tr '\\n' ' '; echo; "
             "grep -E 'CapBnd|CapEff' /proc/self/status | tr -d '\\t'; "
             "for d in / /etc /run /usr %s $PWD; do touch $d/x 2>/dev/null && echo wrote $d; done; "
             "for d in $HOME $TMPDIR /tmp /var/tmp /dev/shm /tmp/coglet; "
             "do touch $d/y && echo own $d; done; ls /proc | grep -c '^1$'; "
             "kill -9 %d 2>/dev/null || echo no signal",
             path, w->data, w->data, w->data, (int)getpid());
    if (!begin(w, script))
        return;
    launch(w, &x, "i1");
    until_ended(w, &x);
    uid = number_after(&x, "uid ");
    assert_in_range(uid, 310000, 310999);
    snprintf(path, sizeof(path), "%d", (int)uid);
    assert_true(has_line(&x, path)); /* its only group */
    assert_null(strstr(x.lines.p, "secret\n"));
    assert_true(has_line(&x, "home tmp "));
    assert_true(has_line(&x, "CapEff:0000000000000000"));
    assert_true(has_line(&x, "CapBnd:0000000000000000"));
    assert_null(strstr(x.lines.p, "wrote"));
    assert_true(has_line(&x, "own /tmp") && has_line(&x, "own /dev/shm"));
    assert_true(has_line(&x, "own /var/tmp") && has_line(&x, "own /tmp/coglet"));
    assert_true(has_line(&x, "no signal"));
    snprintf(path, sizeof(path), "own %s/instances/i1/home", w->data);
    assert_true(has_line(&x, path));
    watch_deinit(&x);
}

/* AMD's devices are open to groups; an instance that has some is in them, and no other. */
static void amds_devices_are_open_to_it(void **state)
{
    struct world *w = *state;
    struct watch x, y;
    char dev[160], path[200];

    if (!begin(w, "echo groups $(id -G | cut -d' ' -f2-)"))
        return;
    snprintf(dev, sizeof(dev), "%s/dev", w->data);
    snprintf(path, sizeof(path), "%s/kfd", dev);
    assert_int_equal(mkdir(dev, 0755), 0);
    close(open(path, O_WRONLY | O_CREAT, 0660));
    assert_int_equal(chown(path, 0, 4321), 0);
    container_of(w->driver, struct process_driver, driver)->test_dev = dev;
    w->spec.gpu_maker = GPU_AMD;
    w->spec.gpu_indexes = "0";
    launch(w, &x, "i1");
    until_ended(w, &x);
    assert_true(has_line(&x, "groups 4321"));
    w->spec.gpu_indexes = "";
    launch(w, &y, "i2");
    until_ended(w, &y);
    assert_null(strstr(y.lines.p, "4321"));
    watch_deinit(&x);
    watch_deinit(&y);
}

/* Says where it listens when it does; goes on by itself. */
#define LISTEN                                                                                     \
    "/usr/bin/python3 -c 'import socket, time\n"                                                   \
    "s = socket.create_server((\"127.0.0.1\", 0))\n"                                               \
    "print(\"listening 127.0.0.1:\" + str(s.getsockname()[1]), flush=True)\n"                      \
    "time.sleep(1000)' & "

static void two_are_two_users(void **state)
{
    struct world *w = *state;
    struct watch x, y;

    if (!begin(w, "echo uid $(id -u); " LISTEN "await"))
        return;
    launch(w, &x, "i1");
    until_address(w, &x);
    launch(w, &y, "i2");
    until_address(w, &y);
    assert_int_not_equal(number_after(&x, "uid "), number_after(&y, "uid "));
    driver_stop(&x.launch, 0);
    driver_stop(&y.launch, 0);
    until_ended(w, &x);
    until_ended(w, &y);
    watch_deinit(&x);
    watch_deinit(&y);
}

/* The port of the test itself, which is another user, is no instance's, whoever says so. */
static void a_port_of_somebody_else_is_not_believed(void **state)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    struct world *w = *state;
    struct watch x;
    socklen_t n = sizeof(at);
    char script[600], own[160];
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(bind(fd, (const struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(listen(fd, 1), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &n), 0);
    snprintf(script, sizeof(script), "echo listening 127.0.0.1:%d; " LISTEN "await",
             ntohs(at.sin_port));
    if (begin(w, script)) {
        launch(w, &x, "i1");
        until_address(w, &x);
        (void)snprintf(own, sizeof(own), "listening %.100s", x.address + strlen("http://"));
        until_line(w, &x, own);
        snprintf(own, sizeof(own), "http://127.0.0.1:%d", ntohs(at.sin_port));
        assert_string_not_equal(x.address, own);
        driver_stop(&x.launch, 0);
        until_ended(w, &x);
        watch_deinit(&x);
    }
    close(fd);
}

/* A range of two: the one that lives on is not handed out by the next server. */
static void the_next_server_knows_who_is_taken(void **state)
{
    struct world *w = *state;
    struct watch x;
    struct error err;
    uint32_t uid, other;

    if (!begin(w, "echo uid $(id -u); " LISTEN "await"))
        return;
    launch(w, &x, "i1");
    until_address(w, &x);
    uid = (uint32_t)number_after(&x, "uid ");
    driver_release(&x.launch);
    world_restart(w);
    for (int i = 0; i < 999; i++) {
        assert_int_equal(uids_take(w->uids, &other, &err), STATUS_OK);
        assert_int_not_equal(other, uid);
    }
    assert_int_equal(uids_take(w->uids, &other, &err), STATUS_BUSY);
    recover(w, &x, "i1");
    until_address(w, &x);
    assert_int_equal(number_after(&x, "uid "), uid);
    driver_stop(&x.launch, 0);
    until_ended(w, &x);
    until_empty(w);
    assert_int_equal(uids_take(w->uids, &other, &err), STATUS_OK);
    assert_int_equal(other, uid);
    watch_deinit(&x);
}

/* Twice forked, sessions of their own, their parents dead, and nothing left of the environment. */
#define HIDE_AWAY "(setsid env -i sh -c 'sleep 1000 & echo pid $!; sleep 1000 & echo pid $!' &); "

static void all_of_it_ends(void **state)
{
    struct world *w = *state;
    struct watch x;

    if (!begin(w, HIDE_AWAY LISTEN "await"))
        return;
    launch(w, &x, "i1");
    until_address(w, &x);
    while (count_pids(&x) < 2)
        loop_run(w->loop);
    world_go(w);
    until_ended(w, &x);
    assert_false(is_alive(pid_in(&x, 0)) || is_alive(pid_in(&x, 1)));
    watch_deinit(&x);
}

static void all_of_it_ends_without_its_supervisor(void **state)
{
    struct world *w = *state;
    struct watch x;

    w->no_cgroup = true;
    if (!begin(w, HIDE_AWAY LISTEN "await"))
        return;
    launch(w, &x, "i1");
    until_address(w, &x);
    while (count_pids(&x) < 2)
        loop_run(w->loop);
    kill(supervisor_of(&x), SIGKILL);
    until_ended(w, &x);
    assert_true(x.how.lost);
    wait_gone(pid_in(&x, 0));
    wait_gone(pid_in(&x, 1));
    watch_deinit(&x);
}

static void cleaning_follows_no_link(void **state)
{
    struct world *w = *state;
    struct watch x;
    char script[300], path[160];

    snprintf(path, sizeof(path), "%s/keep", w->data);
    assert_int_equal(mkdir(path, 0755), 0);
    snprintf(script, sizeof(script),
             "rm -rf /tmp/coglet/predictions; ln -s %s /tmp/coglet/predictions; "
             "echo listening 127.0.0.1:5001; await",
             w->data);
    world_start(w, script);
    launch(w, &x, "i1");
    until_address(w, &x);
    driver_clean(&x.launch, "keep");
    driver_stop(&x.launch, 0);
    until_ended(w, &x);
    until_empty(w);
    driver_free(w->driver); /* waits for what is being cleaned */
    w->driver = NULL;
    assert_int_equal(access(path, F_OK), 0);
    watch_deinit(&x);
    loop_free(w->loop);
    world_start(w, "");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranges_are_checked),
        cmocka_unit_test(nobody_gets_a_user_twice),
        PROCESS_TEST(it_is_nobody_and_sees_its_own_only),
        PROCESS_TEST(amds_devices_are_open_to_it),
        PROCESS_TEST(two_are_two_users),
        PROCESS_TEST(a_port_of_somebody_else_is_not_believed),
        PROCESS_TEST(the_next_server_knows_who_is_taken),
        PROCESS_TEST(all_of_it_ends),
        PROCESS_TEST(all_of_it_ends_without_its_supervisor),
        PROCESS_TEST(cleaning_follows_no_link),
    };

    return process_test_main(argc, argv, tests, ARRAY_SIZE(tests));
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Networks of their own: a model server that is reached through its socket, by this server and the
 * next, and what becomes of it without the process between them. */
#include "process_support.h"

#include "init/netns.h"

#include <sys/socket.h>
#include <sys/un.h>

/* Answers each call with what came, once all of it has; then `end`. */
#define ECHOES                                                                                     \
    "exec /usr/bin/python3 -c 'import socket\n"                                                    \
    "s = socket.create_server((\"127.0.0.1\", 0))\n"                                               \
    "print(\"links\", [n for _, n in socket.if_nameindex()], flush=True)\n"                        \
    "print(\"listening 127.0.0.1:\" + str(s.getsockname()[1]), flush=True)\n"                      \
    "while True:\n"                                                                                \
    "    c, _ = s.accept()\n"                                                                      \
    "    parts = []\n"                                                                             \
    "    while part := c.recv(65536): parts.append(part)\n"                                        \
    "    c.sendall(b\"\".join(parts) + b\"end\")\n"                                                \
    "    c.close()\n'"

static bool begin(struct world *w, const char *script)
{
    if (!netns_can()) {
        print_message("skipped: instances cannot have networks of their own here\n");
        world_start(w, "");
        return false;
    }
    w->uid_range = "312000-312099";
    w->own_networks = true;
    world_start(w, script);
    assert_true(driver_facts(w->driver)->has_networks);
    return true;
}

/* The same, and its instance i1 has an address. */
static bool begin_one(struct world *w, struct watch *x, const char *script)
{
    if (!begin(w, script))
        return false;
    launch(w, x, "i1");
    until_address(w, x);
    return true;
}

static int call(const struct watch *x)
{
    struct sockaddr_un at = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    snprintf(at.sun_path, sizeof(at.sun_path), "%.100s", x->socket);
    if (connect(fd, (const struct sockaddr *)&at, sizeof(at)) == 0)
        return fd;
    close(fd);
    return -1;
}

/* Half a megabyte and its end go there before anything is read: more than all buffers between. */
static void talk(const struct watch *x)
{
    enum { SIZE = 1 << 19 };
    struct buf got CLEANUP(buf_deinit) = BUF_INIT(BUF_UNBOUNDED);
    char *sent = malloc(SIZE);
    int fd = call(x);
    ssize_t n;

    assert_true(fd >= 0);
    for (int i = 0; i < SIZE; i++)
        sent[i] = (char)('a' + i % 23);
    for (size_t done = 0; done < SIZE; done += (size_t)n) {
        n = write(fd, sent + done, SIZE - done);
        assert_true(n > 0);
    }
    assert_int_equal(shutdown(fd, SHUT_WR), 0);
    do {
        n = read(fd, buf_reserve(&got, 65536), 65536);
        assert_true(n >= 0);
        buf_commit(&got, (size_t)n);
    } while (n > 0);
    assert_int_equal(got.n, SIZE + 3);
    assert_memory_equal(got.p, sent, SIZE);
    assert_string_equal(got.p + SIZE, "end");
    close(fd);
    free(sent);
}

static void it_is_reached_through_its_socket(void **state)
{
    struct world *w = *state;
    struct watch x;

    if (!begin_one(w, &x, ECHOES))
        return;
    assert_true(has_line(&x, "links ['lo']"));
    assert_non_null(strstr(x.socket, "/i1.sock"));
    talk(&x);
    driver_release(&x.launch);
    world_restart(w);
    recover(w, &x, "i1");
    until_address(w, &x);
    talk(&x);
    talk(&x);
    driver_stop(&x.launch, 0);
    until_ended(w, &x);
    assert_false(x.failed);
    assert_int_equal(x.how.signal, SIGKILL);
    until_empty(w);
    assert_int_equal(call(&x), -1);
    watch_deinit(&x);
}

/* What it said before it ended still comes. */
static void its_last_words_come(void **state)
{
    struct world *w = *state;
    struct watch x;
    char got[8] = "";
    int fd;

    if (!begin_one(w, &x,
                   "/usr/bin/python3 -c 'import socket\n"
                   "s = socket.create_server((\"127.0.0.1\", 0))\n"
                   "print(\"listening 127.0.0.1:\" + str(s.getsockname()[1]), flush=True)\n"
                   "c, _ = s.accept()\n"
                   "c.send(b\"bye\")'"))
        return;
    fd = call(&x);
    assert_true(fd >= 0);
    until_ended(w, &x);
    assert_int_equal(read(fd, got, sizeof(got)), 3);
    assert_string_equal(got, "bye");
    close(fd);
    watch_deinit(&x);
}

/* The first child of the supervisor. */
static pid_t relay_of(const struct watch *x)
{
    char path[64], text[64] = "";
    int fd;

    snprintf(path, sizeof(path), "/proc/%d/task/%d/children", supervisor_of(x), supervisor_of(x));
    fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_true(read(fd, text, sizeof(text) - 1) > 0);
    close(fd);
    return (pid_t)strtol(text, NULL, 10);
}

static void without_it_the_instance_ends(void **state)
{
    struct world *w = *state;
    struct watch x;

    if (!begin_one(w, &x, ECHOES))
        return;
    kill(relay_of(&x), SIGKILL);
    until_ended(w, &x);
    assert_true(x.failed);
    assert_int_equal(x.err.status, STATUS_UNREACHABLE);
    assert_string_equal(x.err.text, "the process of its network ended");
    watch_deinit(&x);
}

static void it_goes_with_its_supervisor(void **state)
{
    struct world *w = *state;
    struct watch x;
    pid_t relay;

    if (!begin_one(w, &x, ECHOES))
        return;
    relay = relay_of(&x);
    kill(supervisor_of(&x), SIGKILL);
    until_ended(w, &x);
    wait_gone(relay);
    watch_deinit(&x);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        PROCESS_TEST(it_is_reached_through_its_socket),
        PROCESS_TEST(its_last_words_come),
        PROCESS_TEST(without_it_the_instance_ends),
        PROCESS_TEST(it_goes_with_its_supervisor),
    };

    return process_test_main(argc, argv, tests, ARRAY_SIZE(tests));
}

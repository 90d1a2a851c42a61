/* SPDX-License-Identifier: Apache-2.0 */
#include "init/ring.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[64];
static int dirfd;

static int setup(void **state)
{
    (void)state;
    snprintf(folder, sizeof(folder), "/tmp/berth-ring-XXXXXX");
    assert_non_null(mkdtemp(folder));
    dirfd = open(folder, O_RDONLY | O_DIRECTORY);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    unlinkat(dirfd, RING_FILE, 0);
    close(dirfd);
    rmdir(folder);
    return 0;
}

static void check_next(const struct ring *r, uint64_t *at, uint64_t off, const char *text)
{
    struct buf line CLEANUP(buf_deinit) = BUF_INIT(RING_MAX_LINE);
    uint64_t got;

    assert_true(ring_next(r, at, &got, &line));
    assert_int_equal(got, off);
    assert_string_equal(line.n ? line.p : "", text);
}

static void keeps_lines_in_order(void **state)
{
    struct ring r, reader;
    uint64_t at = 0, off;
    struct buf line CLEANUP(buf_deinit) = BUF_INIT(RING_MAX_LINE);

    (void)state;
    assert_int_equal(ring_create(dirfd, 4096, &r, NULL), STATUS_OK);
    assert_false(ring_next(&r, &at, &off, &line));
    ring_add(&r, STR("one"));
    ring_add(&r, STR(""));
    ring_add(&r, STR("th\nree"));
    check_next(&r, &at, 0, "one");
    check_next(&r, &at, 4, "");
    check_next(&r, &at, 5, "th ree");
    assert_false(ring_next(&r, &at, &off, &line));
    assert_int_equal(ring_open(dirfd, &reader, NULL), STATUS_OK);
    at = 4;
    check_next(&reader, &at, 4, "");
    ring_close(&reader);
    ring_close(&r);
}

/* Many rounds with lines of all lengths: what is kept is whole, the newest, and never more than the
 * capacity. */
static void drops_the_oldest_lines_whole(void **state)
{
    struct buf line CLEANUP(buf_deinit) = BUF_INIT(RING_MAX_LINE);
    struct ring r, reader;
    char text[512];
    uint64_t at = 0, off, last = 0;
    int n = 0, total = 2000;

    (void)state;
    assert_int_equal(ring_create(dirfd, 4096, &r, NULL), STATUS_OK);
    for (int i = 0; i < total; i++) {
        int len = snprintf(text, sizeof(text), "%d:", i);

        memset(text + len, 'a' + i % 26, (size_t)(i % 400));
        ring_add(&r, str_make(text, (size_t)len + (size_t)(i % 400)));
        assert_true(r.end - r.start <= r.cap);
    }
    assert_int_equal(ring_open(dirfd, &reader, NULL), STATUS_OK);
    while (ring_next(&reader, &at, &off, &line)) {
        int i = (int)strtol(line.p, NULL, 10);

        if (n++ > 0)
            assert_int_equal(i, last + 1);
        last = (uint64_t)i;
        assert_int_equal(line.n,
                         (size_t)snprintf(text, sizeof(text), "%d:", i) + (size_t)(i % 400));
        if (i % 400)
            assert_int_equal(line.p[line.n - 1], 'a' + i % 26);
    }
    assert_int_equal(last, total - 1);
    assert_true(n > 5);
    assert_int_equal(lseek(reader.fd, 0, SEEK_END), 40 + 4096);
    ring_close(&reader);
    ring_close(&r);
}

static void cuts_long_lines(void **state)
{
    struct buf line CLEANUP(buf_deinit) = BUF_INIT(RING_MAX_LINE);
    static char text[5000];
    struct ring r;
    uint64_t at = 0, off;

    (void)state;
    memset(text, 'x', sizeof(text));
    assert_int_equal(ring_create(dirfd, 4096, &r, NULL), STATUS_OK);
    ring_add(&r, str_make(text, sizeof(text)));
    ring_add(&r, STR("after"));
    assert_true(ring_next(&r, &at, &off, &line));
    assert_int_equal(line.n, ring_max_line(&r) - 1);
    check_next(&r, &at, 2048, "after");
    ring_close(&r);
}

static void refuses_other_versions(void **state)
{
    struct ring r;
    uint32_t version = 2;
    struct error err;

    (void)state;
    assert_int_equal(ring_open(dirfd, &r, NULL), STATUS_NOT_FOUND);
    assert_int_equal(ring_create(dirfd, 4096, &r, NULL), STATUS_OK);
    assert_int_equal(pwrite(r.fd, &version, 4, 8), 4);
    ring_close(&r);
    assert_int_equal(ring_open(dirfd, &r, &err), STATUS_BROKEN);
    assert_string_equal(err.text, "the log file is not of version 1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(keeps_lines_in_order, setup, teardown),
        cmocka_unit_test_setup_teardown(drops_the_oldest_lines_whole, setup, teardown),
        cmocka_unit_test_setup_teardown(cuts_long_lines, setup, teardown),
        cmocka_unit_test_setup_teardown(refuses_other_versions, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

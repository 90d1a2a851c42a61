/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char folder[] = "/tmp/berth-file-XXXXXX";

static int setup(void **state)
{
    (void)state;
    return mkdtemp(folder) ? chdir(folder) : -1;
}

static int teardown(void **state)
{
    (void)state;
    unlink("text");
    return chdir("/") != 0 || rmdir(folder) != 0;
}

static void put(size_t n)
{
    FILE *f = fopen("text", "w");

    assert_non_null(f);
    for (size_t i = 0; i < n; i++)
        fputc('a' + (int)(i % 26), f);
    assert_int_equal(fclose(f), 0);
}

static void test_whole_files(void **state)
{
    static const size_t sizes[] = { 0, 1, 4095, 4096, 4097, 100000 };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        struct buf out CLEANUP(buf_deinit) = BUF_INIT(2 + sizes[i]); /* it just fits */
        struct error err;

        put(sizes[i]);
        buf_adds(&out, "> ");
        assert_int_equal(file_read("text", &out, &err), STATUS_OK);
        assert_int_equal(out.n, 2 + sizes[i]);
        for (size_t k = 0; k < sizes[i]; k++)
            assert_int_equal(out.p[2 + k], 'a' + (int)(k % 26));
    }
}

static void test_too_large(void **state)
{
    struct buf out CLEANUP(buf_deinit) = BUF_INIT(99999);
    struct error err;

    (void)state;
    put(100000);
    assert_int_equal(file_read("text", &out, &err), STATUS_TOO_LARGE);
    assert_non_null(strstr(err.text, "text is larger than the limit of 99999 bytes"));
    assert_int_equal(out.n, 0);
    assert_true(buf_adds(&out, "usable again"));
}

static void test_a_folder(void **state)
{
    struct buf out CLEANUP(buf_deinit) = BUF_INIT(1000);
    struct error err;

    (void)state;
    buf_adds(&out, "kept");
    assert_int_equal(file_read("/tmp", &out, &err), STATUS_BROKEN);
    assert_non_null(strstr(err.text, "/tmp: Is a directory"));
    assert_string_equal(out.p, "kept");
}

static void test_a_fault_while_reading(void **state)
{
    struct buf out CLEANUP(buf_deinit) = BUF_INIT(1000);
    struct error err;

    (void)state;
    /* The first page of memory is not there: EIO, after a good open(). */
    assert_int_equal(file_read("/proc/self/mem", &out, &err), STATUS_BROKEN);
    assert_non_null(strstr(err.text, "cannot read /proc/self/mem"));
}

static void test_none(void **state)
{
    struct buf out CLEANUP(buf_deinit) = BUF_INIT(1000);
    struct error err;

    (void)state;
    assert_int_equal(file_read("absent", &out, &err), STATUS_NOT_FOUND);
    assert_non_null(strstr(err.text, "cannot open absent: No such file"));
    put(1);
    assert_int_equal(file_read("text/below", &out, &err), STATUS_BROKEN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole_files),
        cmocka_unit_test(test_too_large),
        cmocka_unit_test(test_a_folder),
        cmocka_unit_test(test_none),
        cmocka_unit_test(test_a_fault_while_reading),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}

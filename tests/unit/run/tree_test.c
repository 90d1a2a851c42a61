/* SPDX-License-Identifier: Apache-2.0 */
/* Folders as wholes, however deep and whatever is in them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "run/tree.h"

#include "base/compiler.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct place {
    char path[128];
    int fd;
};

static int setup(void **state)
{
    static struct place p;
    const char *base = getenv("TMPDIR");

    (void)snprintf(p.path, sizeof(p.path), "%s/berth-tree-XXXXXX", base ? base : "/tmp");
    if (!mkdtemp(p.path))
        return -1;
    p.fd = open(p.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    *state = &p;
    return p.fd < 0 ? -1 : 0;
}

static int teardown(void **state)
{
    struct place *p = *state;

    close(p->fd);
    tree_remove(p->path);
    return access(p->path, F_OK) == 0 ? -1 : 0;
}

/* Folders called "d" within each other, with a file in the innermost. */
static void dig(int top, int depth)
{
    int fd = fcntl(top, F_DUPFD_CLOEXEC, 0), inner;

    for (int i = 0; i < depth; i++) {
        assert_int_equal(mkdirat(fd, "d", 0700), 0);
        inner = openat(fd, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(inner >= 0);
        close(fd);
        fd = inner;
    }
    inner = openat(fd, "file", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(inner >= 0);
    close(inner);
    close(fd);
}

static void no_depth_is_too_deep_to_be_removed(void **state)
{
    struct place *p = *state;
    char path[160];

    dig(p->fd, 700);
    /* The names that things are moved to may be there already. */
    assert_int_equal(mkdirat(p->fd, ".deeper-0", 0700), 0);
    assert_int_equal(mkdirat(p->fd, ".deeper-0/full", 0700), 0);
    assert_int_equal(mkdirat(p->fd, ".deeper-1", 0000), 0);
    (void)snprintf(path, sizeof(path), "%s/d", p->path);
    tree_remove(path);
    assert_int_equal(access(path, F_OK), -1);
    dig(p->fd, 700);
    tree_remove(p->path);
    assert_int_equal(access(p->path, F_OK), -1);
    assert_int_equal(mkdir(p->path, 0700), 0);
}

static mode_t mode_at(const struct place *p, const char *name)
{
    struct stat st;

    assert_int_equal(fstatat(p->fd, name, &st, AT_SYMLINK_NOFOLLOW), 0);
    return st.st_mode & 07777;
}

static void put(const struct place *p, const char *name, mode_t mode)
{
    int fd = openat(p->fd, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(fchmod(fd, mode), 0);
    close(fd);
}

static void modes_are_what_is_asked(void **state)
{
    struct place *p = *state;
    char path[160];
    struct error err;

    assert_int_equal(mkdirat(p->fd, "top", 0700), 0);
    assert_int_equal(mkdirat(p->fd, "top/in", 0700), 0);
    put(p, "outside", 0600);
    put(p, "top/in/file", 0600);
    put(p, "top/in/program", 06711);
    assert_int_equal(symlinkat("../../outside", p->fd, "top/in/link"), 0);
    assert_int_equal(mkfifoat(p->fd, "top/in/pipe", 0600), 0);
    (void)snprintf(path, sizeof(path), "%s/top", p->path);
    assert_int_equal(tree_give(path, -1, TREE_KEEP, &err), STATUS_OK);
    assert_int_equal(mode_at(p, "top/in/program"), 06711);
    assert_int_equal(tree_give(path, -1, TREE_READABLE, &err), STATUS_OK);
    assert_int_equal(mode_at(p, "top/in"), 0755);
    assert_int_equal(mode_at(p, "top/in/file"), 0644);
    assert_int_equal(mode_at(p, "top/in/program"), 0755);
    assert_int_equal(mode_at(p, "top/in/pipe"), 0600);
    assert_int_equal(tree_give(path, -1, TREE_READ_ONLY, &err), STATUS_OK);
    assert_int_equal(mode_at(p, "top"), 0555);
    assert_int_equal(mode_at(p, "top/in/file"), 0444);
    assert_int_equal(mode_at(p, "top/in/program"), 0555);
    assert_int_equal(faccessat(p->fd, "top/in/pipe", F_OK, 0), -1);
    assert_int_equal(mode_at(p, "outside"), 0600); /* no link was followed */
}

static void everything_gets_the_owner(void **state)
{
    struct place *p = *state;
    char path[160];
    struct error err;
    struct stat st;

    if (geteuid() != 0) {
        print_message("skipped: only root gives away\n");
        return;
    }
    put(p, "outside", 0600);
    assert_int_equal(mkdirat(p->fd, "top", 0700), 0);
    put(p, "top/file", 0600);
    assert_int_equal(symlinkat("../outside", p->fd, "top/link"), 0);
    (void)snprintf(path, sizeof(path), "%s/top", p->path);
    assert_int_equal(tree_give(path, 310001, TREE_KEEP, &err), STATUS_OK);
    for (int i = 0; i < 3; i++) {
        static const char *const names[] = { "top", "top/file", "top/link" };

        assert_int_equal(fstatat(p->fd, names[i], &st, AT_SYMLINK_NOFOLLOW), 0);
        assert_int_equal(st.st_uid, 310001);
        assert_int_equal(st.st_gid, 310001);
    }
    assert_int_equal(fstatat(p->fd, "outside", &st, 0), 0);
    assert_int_equal(st.st_uid, 0);
}

static void a_link_is_no_folder(void **state)
{
    struct place *p = *state;
    char path[160];
    struct error err;

    assert_int_equal(mkdirat(p->fd, "real", 0700), 0);
    assert_int_equal(symlinkat("real", p->fd, "link"), 0);
    (void)snprintf(path, sizeof(path), "%s/link", p->path);
    assert_int_equal(tree_give(path, -1, TREE_READ_ONLY, &err), STATUS_BROKEN);
    assert_int_equal(mode_at(p, "real"), 0700);
    tree_remove(path);
    assert_int_equal(mode_at(p, "real"), 0700);
    assert_int_equal(faccessat(p->fd, "link", F_OK, AT_SYMLINK_NOFOLLOW), -1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(no_depth_is_too_deep_to_be_removed),
        TEST(modes_are_what_is_asked),
        TEST(everything_gets_the_owner),
        TEST(a_link_is_no_folder),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

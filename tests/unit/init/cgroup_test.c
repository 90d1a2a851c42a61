/* SPDX-License-Identifier: Apache-2.0 */
/* Which group an instance's is made in, and what is written there: on a machine that is a folder of
 * files. What a kernel does with them is not seen here. */
#include "init/cgroup.h"
#include "init/file.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define V2_MOUNT "30 23 0:26 / /sys/fs/cgroup rw,nosuid,nodev - cgroup2 cgroup2 rw,nsdelegate\n"
#define UNIT     "/sys/fs/cgroup/system.slice/berth.service"

static char root[64];

static int setup(void **state)
{
    (void)state;
    snprintf(root, sizeof(root), "/tmp/berth-cgroup-XXXXXX");
    assert_non_null(mkdtemp(root));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    assert_true(folder_remove(AT_FDCWD, root));
    return 0;
}

/* A file with the folders above it. */
static void put(const char *path, const char *text)
{
    char full[512];
    FILE *f;

    snprintf(full, sizeof(full), "%s%s", root, path);
    for (char *p = full + strlen(root) + 1; (p = strchr(p, '/')); p++) {
        *p = '\0';
        (void)!mkdir(full, 0755);
        *p = '/';
    }
    f = fopen(full, "w");
    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
}

static void assert_file(const char *path, const char *text)
{
    struct buf b CLEANUP(buf_deinit) = BUF_INIT(4096);
    char full[512];

    snprintf(full, sizeof(full), "%s%s", root, path);
    assert_int_equal(init_file_read(AT_FDCWD, full, &b, NULL), STATUS_OK);
    buf_adds(&b, "");
    assert_string_equal(b.p, text);
}

static void assert_folder(const char *is, const char *path)
{
    char full[512];

    snprintf(full, sizeof(full), "%s%s", root, path);
    assert_string_equal(is, full);
}

/* The files that a kernel would put into a new group of version 2. */
static void put_v2(const char *unit)
{
    static const char *const files[] = {
        "cgroup.subtree_control", "i/memory.max", "i/memory.swap.max",
        "i/memory.oom.group",     "i/cpu.max",    "i/pids.max"
    };
    char path[512];

    for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
        snprintf(path, sizeof(path), "%s/%s", unit, files[i]);
        put(path, "");
    }
}

static void beside_the_servers_leaf(void **state)
{
    struct cgroup g;

    (void)state;
    put("/proc/self/cgroup", "0::/system.slice/berth.service/berth-server\n");
    put("/proc/self/mountinfo", V2_MOUNT);
    put_v2(UNIT);
    cgroup_create_below(&g, root, "i", 1 << 30, 1500, 64);
    assert_folder(g.memory, UNIT "/i");
    assert_folder(g.cpu, UNIT "/i");
    assert_folder(g.pids, UNIT "/i");
    assert_file(UNIT "/i/memory.max", "1073741824");
    assert_file(UNIT "/i/memory.swap.max", "0");
    assert_file(UNIT "/i/cpu.max", "150000 100000");
    assert_file(UNIT "/i/pids.max", "64");
}

static void below_a_group_of_any_other_name(void **state)
{
    struct cgroup g;

    (void)state;
    put("/proc/self/cgroup", "0::/system.slice/berth.service\n");
    put("/proc/self/mountinfo", V2_MOUNT);
    put_v2(UNIT);
    cgroup_create_below(&g, root, "i", 1 << 30, 0, 0);
    assert_folder(g.memory, UNIT "/i");
    assert_string_equal(g.cpu, "");
    assert_string_equal(g.pids, "");
}

/* The kernel makes no files of controllers that could not be enabled. */
static void no_controllers_no_group(void **state)
{
    struct cgroup g;
    char full[512];

    (void)state;
    put("/proc/self/cgroup", "0::/system.slice/berth.service\n");
    put("/proc/self/mountinfo", V2_MOUNT);
    put(UNIT "/cgroup.procs", "");
    cgroup_create_below(&g, root, "i", 1 << 30, 1500, 64);
    assert_string_equal(g.memory, "");
    assert_string_equal(g.cpu, "");
    assert_string_equal(g.pids, "");
    snprintf(full, sizeof(full), "%s" UNIT "/i", root);
    assert_int_equal(access(full, F_OK), -1);
}

static void version_1_has_a_folder_for_each(void **state)
{
    struct cgroup g;

    (void)state;
    put("/proc/self/cgroup", "5:pids:/box\n4:cpu,cpuacct:/box\n3:memory:/box/berth-server\n");
    put("/proc/self/mountinfo", "31 23 0:27 /box /cg/memory rw - cgroup cgroup rw,memory\n"
                                "32 23 0:28 / /cg/cpu rw - cgroup cgroup rw,cpu,cpuacct\n"
                                "33 23 0:29 /other /cg/pids rw - cgroup cgroup rw,pids\n");
    put("/cg/memory/berth-server/i/memory.limit_in_bytes", "");
    put("/cg/cpu/box/i/cpu.cfs_period_us", "");
    put("/cg/cpu/box/i/cpu.cfs_quota_us", "");
    cgroup_create_below(&g, root, "i", 1 << 30, 500, 64);
    assert_folder(g.memory, "/cg/memory/berth-server/i");
    assert_folder(g.cpu, "/cg/cpu/box/i");
    assert_file("/cg/cpu/box/i/cpu.cfs_quota_us", "50000");
    assert_string_equal(g.pids, ""); /* our group lies outside of what is mounted */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(beside_the_servers_leaf, setup, teardown),
        cmocka_unit_test_setup_teardown(below_a_group_of_any_other_name, setup, teardown),
        cmocka_unit_test_setup_teardown(no_controllers_no_group, setup, teardown),
        cmocka_unit_test_setup_teardown(version_1_has_a_folder_for_each, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What a machine with GPUs says of them: a program in the place of nvidia-smi, and folders as the
 * kernel's amdgpu driver shows them. */
#include "driver/gpus.h"

#include "base/file.h"
#include "base/status.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct machine {
    char root[64];
};

/* The file and the folders above it. */
static void put(const struct machine *m, const char *name, mode_t mode, const char *text)
{
    char path[300];
    int fd;

    snprintf(path, sizeof(path), "%s/%s", m->root, name);
    for (char *slash = strchr(path + strlen(m->root) + 1, '/'); slash;
         slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(path, 0755);
        *slash = '/';
    }
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, mode);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

static int setup(void **state)
{
    static struct machine m;

    snprintf(m.root, sizeof(m.root), "/tmp/berth-gpus-XXXXXX");
    assert_non_null(mkdtemp(m.root));
    put(&m, "bin/none", 0600, "");
    *state = &m;
    return 0;
}

static int teardown(void **state)
{
    const struct machine *m = *state;
    char command[100];

    snprintf(command, sizeof(command), "/bin/rm -r %s", m->root);
    return system(command);
}

static void find(const struct machine *m, struct inventory *out)
{
    char path[100], sys[100];

    snprintf(path, sizeof(path), "%s/bin", m->root);
    setenv("PATH", path, 1);
    snprintf(sys, sizeof(sys), "%s/sys", m->root);
    *out = (struct inventory){ 0 };
    gpus_find(sys, out);
}

static void put_amd(const struct machine *m, int node, unsigned minor, const char *id,
                    const char *target)
{
    char name[100], text[200];

    snprintf(name, sizeof(name), "sys/class/kfd/kfd/topology/nodes/%d/properties", node);
    snprintf(text, sizeof(text),
             "cpu_cores_count 0\nsimd_count 304\ngfx_target_version %s\ndrm_render_minor %u\n",
             target, minor);
    put(m, name, 0600, text);
    snprintf(name, sizeof(name), "sys/class/kfd/kfd/topology/nodes/%d/gpu_id", node);
    put(m, name, 0600, id);
}

static void a_machine_without_any(void **state)
{
    struct inventory i;

    find(*state, &i);
    assert_int_equal(i.n_gpus, 0);
}

static void nvidias_are_what_its_program_lists(void **state)
{
    struct inventory i;

    put(*state, "bin/nvidia-smi", 0700,
        "#!/bin/sh\n"
        "[ \"$*\" = '--query-gpu=index,name,memory.total --format=csv,noheader,nounits' ] || exit "
        "1\n"
        "echo '0, NVIDIA L40S, 46068'\n"
        "echo 'something else'\n"
        "echo '3, NVIDIA GB10, [N/A]'\n");
    put_amd(*state, 0, 128, "12345\n", "90402");
    find(*state, &i);
    assert_int_equal(i.n_gpus, 2);
    assert_int_equal(i.gpu_maker, GPU_NVIDIA);
    assert_int_equal(i.gpus[0].index, 0);
    assert_string_equal(i.gpus[0].name, "NVIDIA L40S");
    assert_int_equal(i.gpus[0].memory, 46068LL << 20);
    assert_int_equal(i.gpus[1].index, 3);
    assert_string_equal(i.gpus[1].name, "NVIDIA GB10");
    assert_int_equal(i.gpus[1].memory, 0);
}

static void a_program_that_fails_lists_none(void **state)
{
    struct inventory i;

    put(*state, "bin/nvidia-smi", 0700,
        "#!/bin/sh\necho 'NVIDIA-SMI has failed, because of, 7'\nexit 9\n");
    find(*state, &i);
    assert_int_equal(i.n_gpus, 0);
}

static void amds_are_counted_as_rocm_does(void **state)
{
    struct inventory i;

    put_amd(*state, 0, 0, "0\n", "0"); /* a processor */
    put_amd(*state, 1, 128, "51283\n", "90402");
    put(*state, "sys/class/drm/renderD128/device/product_name", 0600, "AMD Instinct MI300X OAM\n");
    put(*state, "sys/class/drm/renderD128/device/mem_info_vram_total", 0600, "206141652992\n");
    put_amd(*state, 2, 129, "0\n", "0");
    put_amd(*state, 3, 136, "4711\n", "110001");
    put(*state, "sys/class/drm/renderD136/device/product_name", 0600, "\n");
    put_amd(*state, 4, 144, "4712\n", "90010");
    put(*state, "sys/class/drm/renderD144/device/product_name", 0600, "Radeon VII\n");
    find(*state, &i);
    assert_int_equal(i.n_gpus, 3);
    assert_int_equal(i.gpu_maker, GPU_AMD);
    assert_int_equal(i.gpus[0].index, 0);
    assert_string_equal(i.gpus[0].name, "AMD Instinct MI300X OAM");
    assert_int_equal(i.gpus[0].memory, 206141652992LL);
    assert_int_equal(i.gpus[1].index, 1);
    assert_string_equal(i.gpus[1].name, "AMD gfx1101");
    assert_int_equal(i.gpus[1].memory, 0);
    assert_string_equal(i.gpus[2].name, "AMD Radeon VII");
}

static void no_more_than_there_is_room_for(void **state)
{
    struct inventory i;

    for (int node = 0; node < MAX_GPUS + 2; node++)
        put_amd(*state, node, 128 + (unsigned)node, "7\n", "90010");
    find(*state, &i);
    assert_int_equal(i.n_gpus, MAX_GPUS);
    assert_string_equal(i.gpus[MAX_GPUS - 1].name, "AMD gfx90a");
}

static void groups_are_those_of_the_devices(void **state)
{
    const struct machine *m = *state;
    char path[100];
    gid_t groups[4];

    put(m, "dev/kfd", 0660, "");
    put(m, "dev/dri/renderD128", 0660, "");
    put(m, "dev/dri/renderD129", 0660, "");
    put(m, "dev/dri/card0", 0660, "");
    snprintf(path, sizeof(path), "%s/dev", m->root);
    if (geteuid() != 0) { /* files are of one's own group */
        assert_int_equal(gpus_groups(path, groups, 4), 1);
        assert_int_equal(groups[0], getegid());
        return;
    }
    assert_int_equal(gpus_groups(path, groups, 4), 0);
    snprintf(path, sizeof(path), "%s/dev/dri/renderD128", m->root);
    assert_int_equal(chown(path, 0, 109), 0);
    snprintf(path, sizeof(path), "%s/dev/dri/renderD129", m->root);
    assert_int_equal(chown(path, 0, 109), 0);
    snprintf(path, sizeof(path), "%s/dev/dri/card0", m->root);
    assert_int_equal(chown(path, 0, 44), 0);
    snprintf(path, sizeof(path), "%s/dev", m->root);
    assert_int_equal(gpus_groups(path, groups, 4), 1);
    assert_int_equal(groups[0], 109);
    assert_int_equal(gpus_groups("/nowhere", groups, 4), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_machine_without_any, setup, teardown),
        cmocka_unit_test_setup_teardown(nvidias_are_what_its_program_lists, setup, teardown),
        cmocka_unit_test_setup_teardown(a_program_that_fails_lists_none, setup, teardown),
        cmocka_unit_test_setup_teardown(amds_are_counted_as_rocm_does, setup, teardown),
        cmocka_unit_test_setup_teardown(no_more_than_there_is_room_for, setup, teardown),
        cmocka_unit_test_setup_teardown(groups_are_those_of_the_devices, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

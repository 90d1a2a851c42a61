/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/yaml.h"
#include "core/hardware.h"

static const char four_rows[] =
    "hardware:\n"
    "- {sku: cpu, name: CPU, price: 0.000100, cpus: 4, memory: 8GB, runtimes: [process, docker]}\n"
    "- {sku: cpu-small, name: CPU (Small), price: 0.000025, cpus: 1, memory: 2GB}\n"
    "- {sku: gpu-t4, name: Nvidia T4 GPU, price: 0.000225, cpus: 4, memory: 16GB, gpus: 1, "
    "gpu_kind: T4,\n"
    "   gpu_memory: 16GB, runtimes: docker, disk: 5GB,\n"
    "   processes: 64, open_files: 256}\n"
    "- {sku: gpu-2x, price: 2.25e-4, cpus: 0.5, memory: 1000000, gpus: 2}\n";

struct fixture {
    struct arena arena;
    struct hardware h;
};

static enum status parse(struct arena *a, const char *yaml, struct hardware *out, struct error *err)
{
    struct json *root = NULL;

    assert_int_equal(yaml_parse(a, str_of(yaml), "test", &root, err), STATUS_OK);
    return hardware_parse(a, json_get(root, "hardware"), out, err);
}

static int setup(void **state)
{
    static struct fixture f;
    struct error err;

    arena_init(&f.arena);
    assert_int_equal(parse(&f.arena, four_rows, &f.h, &err), STATUS_OK);
    f.h.machine.cpus_milli = 2000;
    f.h.machine.memory = 8000000000;
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    arena_deinit(&f->arena);
    return 0;
}

static void add_gpu(struct hardware *h, int index, const char *name, int64_t memory)
{
    struct gpu *g = &h->machine.gpus[h->machine.n_gpus++];

    g->index = index;
    g->memory = memory;
    snprintf(g->name, sizeof(g->name), "%s", name);
}

static void rows_are_read(void **state)
{
    struct fixture *f = *state;
    const struct sku *t4 = hardware_find(&f->h, STR("gpu-t4")),
                     *two = hardware_find(&f->h, STR("gpu-2x"));
    struct buf names = BUF_INIT(200);

    assert_int_equal(f->h.n_skus, 4);
    assert_string_equal(t4->name, "Nvidia T4 GPU");
    assert_int_equal(t4->price_nano, 225000);
    assert_int_equal(t4->cpus_milli, 4000);
    assert_int_equal(t4->memory, 16000000000);
    assert_int_equal(t4->gpus, 1);
    assert_string_equal(t4->gpu_kind, "T4");
    assert_int_equal(t4->gpu_memory, 16000000000);
    assert_int_equal(t4->disk, 5000000000);
    assert_int_equal(t4->processes, 64);
    assert_int_equal(t4->open_files, 256);
    assert_false(t4->is_process);
    assert_true(t4->is_docker);
    assert_string_equal(two->name, "gpu-2x");
    assert_int_equal(two->price_nano, 225000);
    assert_int_equal(two->cpus_milli, 500);
    assert_int_equal(two->memory, 1000000);
    assert_null(two->gpu_kind);
    assert_true(two->is_process && !two->is_docker);
    assert_true(f->h.skus[0].is_process && f->h.skus[0].is_docker);
    assert_null(hardware_find(&f->h, STR("gpu")));
    assert_string_equal(hardware_smallest(&f->h)->sku, "cpu-small");
    hardware_names(&f->h, &names);
    assert_string_equal(names.p, "cpu, cpu-small, gpu-t4, gpu-2x");
    buf_deinit(&names);
}

static void two_skus_are_built_in(void **state)
{
    struct arena a = { 0 };
    struct hardware h;
    struct error err;

    (void)state;
    arena_init(&a);
    assert_int_equal(hardware_parse(&a, NULL, &h, &err), STATUS_OK);
    assert_int_equal(h.n_skus, 2);
    assert_int_equal(hardware_find(&h, STR("cpu-small"))->memory, 2000000000);
    assert_int_equal(hardware_find(&h, STR("cpu"))->price_nano, 100000);
    assert_true(h.skus[0].is_process);
    arena_deinit(&a);
}

static void errors_name_row_and_key(void **state)
{
    static const struct {
        const char *yaml, *text;
    } rows[] = {
        { "hardware: 3", "hardware: must be a list of SKUs" },
        { "hardware: []", "hardware: must be a list of SKUs" },
        { "hardware: [cpu]", "hardware[0]: must hold keys such as sku, price, cpus and memory" },
        { "hardware: [{cpus: 1}]", "hardware[0]: sku is missing, or not text" },
        { "hardware: [{sku: A b}]",
          "hardware[0]: a sku name has 1 to 64 lower-case letters, digits, dots, "
          "underscores and hyphens, and begins and ends with a letter or digit" },
        { "hardware: [{sku: x, cpus: 1}]", "hardware[0] (x): memory is missing" },
        { "hardware: [{sku: x, cpus: 1, memory: 1GB}, {sku: x, cpus: 1, memory: 1GB}]",
          "hardware[1] (x): another row has the same sku" },
        { "hardware: [{sku: x, cpu: 1, memory: 1GB}]",
          "hardware[0] (x): unknown key \"cpu\"; did you mean cpus?" },
        { "hardware: [{sku: x, colour: 1}]", "hardware[0] (x): unknown key \"colour\"" },
        { "hardware: [{sku: x, cpus: 1.2345, memory: 1GB}]",
          "hardware[0] (x): cpus must be a number from 0.01 to 100000 with at most 3 decimals" },
        { "hardware: [{sku: x, cpus: 1, memory: 1GB, price: -1}]",
          "hardware[0] (x): price must be a number from 0 to 1000000 with at most 9 decimals" },
        { "hardware: [{sku: x, cpus: 1, memory: 1GB, price: 0.0000000001}]",
          "hardware[0] (x): price must be a number from 0 to 1000000 with at most 9 decimals" },
        { "hardware: [{sku: x, cpus: 1, memory: much}]",
          "hardware[0] (x): memory must be a size like 2GB or 512MiB" },
        { "hardware: [{sku: x, cpus: 1, memory: 1GB, gpus: 65}]",
          "hardware[0] (x): gpus must be a whole number from 0 to 64" },
        { "hardware: [{sku: x, cpus: 1, memory: 1GB, gpus: 0.5}]",
          "hardware[0] (x): gpus must be a whole number from 0 to 64" },
        { "hardware: [{sku: x, cpus: 1, memory: 1GB, gpu_kind: T4}]",
          "hardware[0] (x): gpu_kind and gpu_memory need gpus" },
        { "hardware: [{sku: x, cpus: 1, memory: 1GB, runtimes: [podman]}]",
          "hardware[0] (x): runtimes may hold process and docker, not podman" },
        { "hardware: [{sku: x, cpus: 1, memory: 1GB, runtimes: []}]",
          "hardware[0] (x): runtimes must be a list of process and docker" },
        { "hardware: [{sku: x, cpus: 1, memory: 1GB, processes: 1}]",
          "hardware[0] (x): processes must be a whole number from 16 to 4194304" },
        { "hardware: [{sku: x, cpus: 1, memory: 1GB, open_files: 1}]",
          "hardware[0] (x): open_files must be a whole number from 64 to 1048576" },
        { "hardware: [{sku: x, cpus: 1, memory: 1GB, disk: 0}]",
          "hardware[0] (x): disk must be a size like 2GB or 512MiB" },
        { "hardware: [{sku: x, cpus: 1, memory: 1GB, name: [a]}]",
          "hardware[0] (x): name must be text of 1 to 200 bytes" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct arena a = { 0 };
        struct hardware h;
        struct error err = { 0 };

        arena_init(&a);
        assert_int_equal(parse(&a, rows[i].yaml, &h, &err), STATUS_INVALID);
        assert_string_equal(err.text, rows[i].text);
        assert_int_equal(parse(&a, rows[i].yaml, &h, NULL), STATUS_INVALID);
        arena_deinit(&a);
    }
}

static void repeated_keys_are_named(void **state)
{
    struct arena a = { 0 };
    struct hardware h;
    struct json *root;
    struct error err = { 0 };

    (void)state;
    arena_init(&a);
    assert_int_equal(json_parse(&a, STR("[{\"sku\":\"x\",\"cpus\":1,\"memory\":1,\"cpus\":2}]"),
                                NULL, &root, &err),
                     STATUS_OK);
    assert_int_equal(hardware_parse(&a, root, &h, &err), STATUS_INVALID);
    assert_string_equal(err.text, "hardware[0] (x): the key cpus stands there twice");
    arena_deinit(&a);
}

static void cpus_and_memory_are_overcommitted(void **state)
{
    struct fixture *f = *state;
    const struct sku *cpu = hardware_find(&f->h, STR("cpu"));
    struct hold first, second, third;
    struct error err = { 0 };

    assert_int_equal(hardware_take(&f->h, cpu, &first, &err), STATUS_OK);
    assert_int_equal(hardware_take(&f->h, cpu, &second, &err), STATUS_OK);
    assert_int_equal(hardware_take(&f->h, cpu, &third, &err), STATUS_BUSY);
    assert_string_equal(err.text, "needs 4 cpus; 8 of 8 are taken");
    assert_true(hardware_possible(&f->h, cpu, &err));
    hardware_give(&f->h, &first);
    assert_int_equal(hardware_take(&f->h, cpu, &third, &err), STATUS_OK);
    hardware_give(&f->h, &second);
    hardware_give(&f->h, &third);
    assert_int_equal(f->h.cpus_used, 0);
    assert_int_equal(f->h.memory_used, 0);
    f->h.cpu_overcommit = 1;
    assert_false(hardware_possible(&f->h, cpu, &err));
    assert_string_equal(err.text, "needs 4 cpus; this machine offers 2");
    f->h.cpu_overcommit = 100;
    f->h.machine.memory = 6000000000;
    assert_int_equal(hardware_take(&f->h, cpu, &first, &err), STATUS_OK);
    assert_int_equal(hardware_take(&f->h, cpu, &second, &err), STATUS_BUSY);
    assert_string_equal(err.text, "needs 8 GB of memory; 8 GB of 12 GB are taken");
}

static void gpus_are_counted_exactly(void **state)
{
    struct fixture *f = *state;
    const struct sku *t4 = hardware_find(&f->h, STR("gpu-t4"));
    struct hold first, second;
    struct error err = { 0 };
    struct buf indexes = BUF_INIT(100);

    f->h.machine.memory = 64000000000;
    assert_int_equal(hardware_take(&f->h, t4, &first, &err), STATUS_BUSY);
    assert_string_equal(err.text, "needs 1 GPU of kind T4 and 16 GB; this machine has none");
    assert_false(hardware_possible(&f->h, t4, &err));
    add_gpu(&f->h, 0, "NVIDIA A40", 48000000000);
    add_gpu(&f->h, 3, "Tesla t4", 16106127360);
    assert_true(hardware_possible(&f->h, t4, &err));
    assert_int_equal(hardware_take(&f->h, t4, &first, &err), STATUS_OK);
    hold_gpu_indexes(&f->h, &first, &indexes);
    assert_string_equal(indexes.p, "3");
    assert_int_equal(hardware_take(&f->h, t4, &second, &err), STATUS_BUSY);
    assert_string_equal(err.text, "needs 1 GPU of kind T4 and 16 GB; 1 of 1 are taken");
    hardware_give(&f->h, &first);
    assert_int_equal(f->h.gpus_used, 0);
    buf_deinit(&indexes);
}

static void small_gpus_go_first(void **state)
{
    struct fixture *f = *state;
    const struct sku *two = hardware_find(&f->h, STR("gpu-2x"));
    struct hold held, other;
    struct error err = { 0 };
    struct buf indexes = BUF_INIT(100);

    add_gpu(&f->h, 0, "large", 80);
    add_gpu(&f->h, 1, "small", 10);
    add_gpu(&f->h, 2, "middle", 40);
    assert_int_equal(hardware_take(&f->h, two, &held, &err), STATUS_OK);
    hold_gpu_indexes(&f->h, &held, &indexes);
    assert_string_equal(indexes.p, "1,2");
    assert_int_equal(hardware_take(&f->h, two, &other, &err), STATUS_BUSY);
    assert_string_equal(err.text, "needs 2 GPUs; 2 of 3 are taken");
    hardware_give(&f->h, &held);
    f->h.machine.n_gpus = 1;
    assert_false(hardware_possible(&f->h, two, &err));
    assert_string_equal(err.text, "needs 2 GPUs; this machine has 1");
    buf_deinit(&indexes);
}

static void what_ran_is_taken_again(void **state)
{
    struct fixture *f = *state;
    const struct sku *two = hardware_find(&f->h, STR("gpu-2x")),
                     *cpu = hardware_find(&f->h, STR("cpu"));
    struct hold held, none;

    add_gpu(&f->h, 4, "a", 0);
    add_gpu(&f->h, 7, "b", 0);
    assert_false(hardware_take_again(&f->h, two, STR("4,5"), &held));
    assert_false(hardware_take_again(&f->h, two, STR("4,4"), &held));
    assert_false(hardware_take_again(&f->h, two, STR("4,x"), &held));
    assert_int_equal(f->h.gpus_used, 0);
    assert_int_equal(f->h.cpus_used, 0);
    assert_true(hardware_take_again(&f->h, two, STR("7,4"), &held));
    assert_int_equal(f->h.gpus_used, 3);
    assert_false(hardware_take_again(&f->h, two, STR("7"), &none));
    /* It runs, so it is taken, whether there is room or not. */
    f->h.machine.cpus_milli = 1;
    assert_true(hardware_take_again(&f->h, cpu, STR(""), &none));
    assert_int_equal(f->h.cpus_used, 4500);
    hardware_give(&f->h, &held);
    assert_int_equal(f->h.gpus_used, 0);
}

static void the_example_is_valid(void **state)
{
    const char *root = getenv("BERTH_TEST_SOURCE");
    struct arena a = { 0 };
    struct buf text = BUF_INIT(1000000);
    struct hardware h;
    struct error err = { 0 };
    FILE *f;

    (void)state;
    if (!root) {
        print_message("skipped: BERTH_TEST_SOURCE does not say where the sources are\n");
        skip();
    }
    arena_init(&a);
    f = fopen(arena_printf(&a, "%s/examples/berth.yaml", root), "r");
    assert_non_null(f);
    buf_commit(&text, fread(buf_reserve(&text, 100000), 1, 100000, f));
    fclose(f);
    if (parse(&a, text.p, &h, &err))
        fail_msg("%s", err.text);
    assert_non_null(hardware_find(&h, STR("gpu-t4")));
    assert_int_equal(hardware_find(&h, STR("gpu-h100-8x"))->price_nano, 12200000);
    assert_string_equal(hardware_smallest(&h)->sku, "cpu-small");
    buf_deinit(&text);
    arena_deinit(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(rows_are_read, setup, teardown),
        cmocka_unit_test(two_skus_are_built_in),
        cmocka_unit_test(errors_name_row_and_key),
        cmocka_unit_test(repeated_keys_are_named),
        cmocka_unit_test(the_example_is_valid),
        cmocka_unit_test_setup_teardown(cpus_and_memory_are_overcommitted, setup, teardown),
        cmocka_unit_test_setup_teardown(gpus_are_counted_exactly, setup, teardown),
        cmocka_unit_test_setup_teardown(small_gpus_go_first, setup, teardown),
        cmocka_unit_test_setup_teardown(what_ran_is_taken_again, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Weights that no version has go, but not while a backup holds them. */
#include "place.h"

#include "run/weights.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

struct folder {
    char data[64], weights[96], file[128];
};

static void folder_init(struct folder *f)
{
    (void)snprintf(f->data, sizeof(f->data), "/tmp/berth-weights-XXXXXX");
    assert_non_null(mkdtemp(f->data));
    (void)snprintf(f->weights, sizeof(f->weights), "%s/" WEIGHTS_FOLDER, f->data);
    (void)snprintf(f->file, sizeof(f->file), "%sabc", f->weights);
    assert_int_equal(mkdir(f->weights, 0700), 0);
    assert_int_equal(close(open(f->file, O_WRONLY | O_CREAT | O_CLOEXEC, 0600)), 0);
}

static void folder_deinit(const struct folder *f)
{
    assert_int_equal(rmdir(f->weights), 0);
    assert_int_equal(rmdir(f->data), 0);
}

static bool is_there(const struct folder *f)
{
    return access(f->file, F_OK) == 0;
}

/* They are looked for first: a hold that begins meanwhile counts as well. */
static void a_backup_holds_them(void **state)
{
    struct place *p = place_new(NULL);
    struct folder f;

    (void)state;
    folder_init(&f);
    p->fleet.data = f.data;
    weights_release(&p->fleet, WEIGHTS_FOLDER "abc");
    weights_hold(&p->fleet, true);
    place_run(p, 1000);
    assert_true(is_there(&f));
    weights_hold(&p->fleet, false);
    weights_release(&p->fleet, WEIGHTS_FOLDER "abc");
    place_run(p, 1000);
    assert_false(is_there(&f));
    folder_deinit(&f);
    place_free(p);
}

static void the_next_start_removes_what_stayed(void **state)
{
    struct place *p = place_new(NULL);
    struct folder f;
    struct error err;

    (void)state;
    folder_init(&f);
    p->fleet.data = f.data;
    assert_int_equal(weights_sweep(&p->fleet, &err), STATUS_OK);
    assert_false(is_there(&f));
    folder_deinit(&f);
    place_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_backup_holds_them),
        cmocka_unit_test(the_next_start_removes_what_stayed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

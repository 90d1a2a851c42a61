/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "yard.h"

#include "base/log.h"
#include "base/mem.h"
#include "run/unpack.h"
#include "store/model.h"

#include <archive.h>
#include <archive_entry.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char *no_file(const char *path, bool must_exist, struct error *err)
{
    (void)path;
    (void)must_exist;
    (void)err;
    return NULL;
}

static void on_too_long(struct timer *t)
{
    loop_stop(t->loop);
}

static void fill_store(struct yard *y)
{
    struct store_account_create account = { 0 };
    struct store_model_create model = { 0 };

    account.in =
        (struct account){ .id = ACCOUNT, .username = "alice", .name = "alice", .created_at = 1 };
    account.webhook_secret = "whsec_x";
    assert_int_equal(store_run(y->store, &account.op, &STORE_ACCOUNT_CREATE), STATUS_OK);
    store_op_deinit(&account.op);
    model.in = (struct model_row){
        .id = MODEL,
        .owner_id = ACCOUNT,
        .name = "m",
        .hardware = "cpu",
        .created_at = 2,
    };
    assert_int_equal(store_run(y->store, &model.op, &STORE_MODEL_CREATE), STATUS_OK);
    store_op_deinit(&model.op);
}

int yard_setup(void **state)
{
    static const char *const none[] = { NULL };
    const char *tmp = getenv("TMPDIR"), *source = getenv("BERTH_TEST_SOURCE");
    struct yard *y = xnew(struct yard);
    char path[128];
    struct error err;

    log_setup(LOG_ERROR, LOG_TEXT, 2);
    (void)snprintf(y->dir, sizeof(y->dir), "%.30s/build-XXXXXX", tmp && *tmp ? tmp : "/tmp");
    if (!mkdtemp(y->dir) || options_read(&y->options, none, none, no_file, &err) != STATUS_OK)
        return -1;
    (void)snprintf(path, sizeof(path), "%s/berth.db", y->dir);
    (void)snprintf(y->helper, sizeof(y->helper), "%s/helpers/cog_schema.py", source ? source : ".");
    y->loop = loop_new_real();
    if (store_open(y->loop, path, &y->store, &err) != STATUS_OK)
        return -1;
    id_gen_init(&y->ids, loop_rand(y->loop));
    timer_init(y->loop, &y->timer, on_too_long);
    buf_init(&y->packed, BUF_UNBOUNDED);
    buf_init(&y->log, BUF_UNBOUNDED);
    fill_store(y);
    y->builds = builds_new(y->loop, y->store,
                           &(struct builds_config){
                               .options = &y->options,
                               .data = y->dir,
                               .ids = &y->ids,
                               .helper = y->helper,
                           });
    if (builds_load(y->builds, &err) != STATUS_OK)
        return -1;
    *state = y;
    return 0;
}

int yard_teardown(void **state)
{
    struct yard *y = *state;

    builds_free(y->builds);
    store_op_deinit(&y->op.op);
    store_close(y->store);
    timer_stop(&y->timer);
    loop_free(y->loop);
    buf_deinit(&y->packed);
    buf_deinit(&y->log);
    options_deinit(&y->options);
    tree_remove(y->dir);
    free(y);
    return 0;
}

/* --- a folder, packed
 * ------------------------------------------------------------------------------------------- */

static la_ssize_t take_bytes(struct archive *a, void *arg, const void *bytes, size_t n)
{
    (void)a;
    buf_add(&((struct yard *)arg)->packed, bytes, n);
    return (la_ssize_t)n;
}

/* Pairs of name and text ("-> target" for a link); NULL ends. */
void yard_pack(struct yard *y, const char *const *files)
{
    struct archive *a = archive_write_new();

    buf_clear(&y->packed);
    archive_write_add_filter_gzip(a);
    archive_write_set_format_pax_restricted(a);
    assert_int_equal(archive_write_open(a, y, NULL, take_bytes, NULL), ARCHIVE_OK);
    for (; *files; files += 2) {
        struct archive_entry *e = archive_entry_new();
        bool is_link = strncmp(files[1], "-> ", 3) == 0;

        archive_entry_set_pathname(e, files[0]);
        archive_entry_set_filetype(e, is_link ? AE_IFLNK : AE_IFREG);
        archive_entry_set_perm(e, 0644);
        if (is_link)
            archive_entry_set_symlink(e, files[1] + 3);
        else
            archive_entry_set_size(e, (la_int64_t)strlen(files[1]));
        assert_int_equal(archive_write_header(a, e), ARCHIVE_OK);
        if (!is_link)
            assert_int_equal(archive_write_data(a, files[1], strlen(files[1])), strlen(files[1]));
        archive_entry_free(e);
    }
    assert_int_equal(archive_write_free(a), ARCHIVE_OK);
}

/* --- push and follow
 * -------------------------------------------------------------------------------------------- */

static void on_build(struct build_watcher *w, struct str text, bool ended)
{
    struct yard *y = container_of(w, struct yard, watcher);

    buf_add_str(&y->log, text);
    y->is_over = ended;
    if (ended)
        loop_stop(y->loop);
}

static void on_recorded(void *arg, const struct build_row *row, const struct error *err)
{
    struct yard *y = arg;

    if (err) {
        y->error = *err;
        y->has_error = true;
    } else {
        (void)snprintf(y->id, sizeof(y->id), "%s", row->id);
    }
    loop_stop(y->loop);
}

void yard_on_written(void *arg, const struct error *err)
{
    struct yard *y = arg;

    if (err) {
        y->error = *err;
        y->has_error = true;
    }
    loop_stop(y->loop);
}

void yard_begin(struct yard *y)
{
    y->has_error = y->is_over = false;
    y->id[0] = '\0';
    timer_start(&y->timer, 300000);
    if (push_begin(y->builds, &y->push, &y->error) != STATUS_OK)
        fail_msg("push_begin: %s", y->error.text);
}

void yard_finish(struct yard *y)
{
    push_finish(
        y->push,
        &(struct push_target){
            .account_id = ACCOUNT, .model_id = MODEL, .model_owner = "alice", .model_name = "m" },
        on_recorded, y);
    loop_run(y->loop);
    if (y->has_error)
        fail_msg("push_finish: %s", y->error.text);
}

struct build *yard_start(struct yard *y, const char *const *files)
{
    struct build *b;

    yard_pack(y, files);
    yard_begin(y);
    push_write(y->push, buf_str(&y->packed), yard_on_written, y);
    loop_run(y->loop);
    assert_false(y->has_error);
    yard_finish(y);
    b = build_find(y->builds, str_of(y->id));
    assert_non_null(b);
    return b;
}

void yard_read_row(struct yard *y, const char *id)
{
    store_op_deinit(&y->op.op);
    y->op = (struct store_build_get){ .id = id };
    assert_int_equal(store_run(y->store, &y->op.op, &STORE_BUILD_GET), STATUS_OK);
    y->row = y->op.row;
}

/* Runs the whole of it; the ended row is in y->row. */
void yard_build(struct yard *y, const char *const *files)
{
    struct build *b = yard_start(y, files);

    y->watcher.changed = on_build;
    build_watch(b, &y->watcher);
    while (!y->is_over && timer_armed(&y->timer))
        loop_run(y->loop);
    assert_true(y->is_over);
    yard_read_row(y, y->id);
}

void yard_turn(struct yard *y)
{
    timer_start(&y->timer, 5);
    loop_run(y->loop);
}

void yard_wait_end(struct yard *y, const char *id)
{
    for (int i = 0; i < MANY_TURNS && build_find(y->builds, str_of(id)); i++)
        yard_turn(y);
    assert_null(build_find(y->builds, str_of(id)));
    yard_read_row(y, id);
}

void yard_wait_state(struct yard *y, const struct build *b, enum build_state at)
{
    for (int i = 0; i < MANY_TURNS && b->flow.at != (int)at; i++)
        yard_turn(y);
    assert_int_equal(b->flow.at, at);
}

bool yard_is_there(struct yard *y, const char *name)
{
    char path[512];

    (void)snprintf(path, sizeof(path), "%s/%s", y->dir, name);
    return access(path, F_OK) == 0;
}

void yard_assert_swept(struct yard *y)
{
    static const char *const names[] = { "src", "source.tar.gz", "source.tar.gz.part", "lock.txt",
                                         "requirements.in" };
    char name[128];

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        (void)snprintf(name, sizeof(name), "builds/%s/%s", y->id, names[i]);
        if (yard_is_there(y, name))
            fail_msg("%s is left", name);
    }
    (void)snprintf(name, sizeof(name), "builds/%s/log", y->id);
    assert_true(yard_is_there(y, name));
}

int yard_count_in(struct yard *y, const char *folder)
{
    char path[512];
    struct dirent *e;
    int n = 0;
    DIR *d;

    (void)snprintf(path, sizeof(path), "%s/%s", y->dir, folder);
    d = opendir(path);
    assert_non_null(d);
    while ((e = readdir(d)) != NULL)
        n += e->d_name[0] != '.';
    closedir(d);
    return n;
}

void yard_make_folder(struct yard *y, const char *name)
{
    char path[512];

    (void)snprintf(path, sizeof(path), "%s/%s", y->dir, name);
    assert_int_equal(mkdir(path, 0755), 0);
}

void yard_make_file(struct yard *y, const char *name, const char *text, mode_t mode)
{
    char path[512];
    FILE *f;

    (void)snprintf(path, sizeof(path), "%s/%s", y->dir, name);
    f = fopen(path, "w");
    assert_true(f && fputs(text, f) >= 0 && fclose(f) == 0 && chmod(path, mode) == 0);
}

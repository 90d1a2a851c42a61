/* SPDX-License-Identifier: Apache-2.0 */
/* Blobs on a real disk and a real loop: what is written is read again, and what is given up leaves
 * nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/mem.h"
#include "blob/blob.h"

#include <dirent.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define ID "01k00000000000000000abwxyz"

static struct house {
    struct loop *loop;
    struct blobs *blobs;
    char data[64];
    enum status status;
    struct blob_facts facts;
    struct buf read;
    size_t largest;
    struct blob_reader *reader;
    int n_called;
} h;

static void on_idle(void *arg)
{
    loop_stop(((struct house *)arg)->loop);
}

static int setup(void **state)
{
    struct error err;

    (void)state;
    memset(&h, 0, sizeof(h));
    snprintf(h.data, sizeof(h.data), "/tmp/berth-blob-XXXXXX");
    assert_non_null(mkdtemp(h.data));
    h.loop = loop_new_real();
    assert_int_equal(blobs_open(h.loop, h.data, &h.blobs, &err), STATUS_OK);
    buf_init(&h.read, BUF_UNBOUNDED);
    return 0;
}

static int teardown(void **state)
{
    char command[128];

    (void)state;
    blobs_stop(h.blobs, on_idle, &h);
    loop_run(h.loop);
    blobs_free(h.blobs);
    loop_free(h.loop);
    buf_deinit(&h.read);
    snprintf(command, sizeof(command), "rm -rf %s", h.data);
    return system(command);
}

static void on_done(void *arg, const struct error *err)
{
    (void)arg;
    h.n_called++;
    h.status = err ? err->status : STATUS_OK;
    loop_stop(h.loop);
}

static void on_finished(void *arg, const struct blob_facts *facts, const struct error *err)
{
    on_done(arg, err);
    if (!err)
        h.facts = *facts;
}

static enum status do_write(struct blob_writer *w, struct str piece)
{
    blob_write(w, piece, on_done, NULL);
    loop_run(h.loop);
    return h.status;
}

static enum status finish(struct blob_writer *w)
{
    blob_finish(w, on_finished, NULL);
    loop_run(h.loop);
    return h.status;
}

static void on_piece(void *arg, struct str piece, const struct error *err)
{
    h.status = err ? err->status : STATUS_OK;
    if (err || piece.n == 0) {
        blob_reader_close(h.reader);
        loop_stop(h.loop);
        return;
    }
    h.largest = MAX(h.largest, piece.n);
    buf_add_str(&h.read, piece);
    blob_read(h.reader, on_piece, arg);
}

static enum status read_range(const char *id, int64_t offset, int64_t length)
{
    buf_clear(&h.read);
    h.reader = blob_reader_new(h.blobs, id, offset, length);
    blob_read(h.reader, on_piece, NULL);
    loop_run(h.loop);
    return h.status;
}

/* Regular files below the data folder. */
static int count_files(void)
{
    char command[128];
    FILE *p;
    int n = -1;

    snprintf(command, sizeof(command), "find %s -type f | wc -l", h.data);
    p = popen(command, "r");
    assert_non_null(p);
    assert_int_equal(fscanf(p, "%d", &n), 1);
    pclose(p);
    return n;
}

static void what_is_written_is_read(void **state)
{
    struct blob_writer *w = blob_writer_new(h.blobs, ID, 1 << 20);
    struct buf whole CLEANUP(buf_deinit) = BUF_INIT(BUF_UNBOUNDED);
    unsigned char right[SHA256_SIZE];

    (void)state;
    for (int i = 0; i < 3; i++) {
        char piece[50000];

        memset(piece, 'a' + i, sizeof(piece));
        buf_add(&whole, piece, sizeof(piece));
        assert_int_equal(do_write(w, str_make(piece, sizeof(piece))), STATUS_OK);
        /* Not there before it is complete. */
        assert_int_equal(read_range(ID, 0, 1), STATUS_NOT_FOUND);
    }
    assert_int_equal(finish(w), STATUS_OK);
    assert_int_equal(h.facts.size, 150000);
    sha256(buf_str(&whole), right);
    assert_memory_equal(h.facts.sha256, right, sizeof(right));
    assert_int_equal(read_range(ID, 0, 150000), STATUS_OK);
    assert_true(str_eq(buf_str(&h.read), buf_str(&whole)));
    assert_true(h.largest <= BLOB_PIECE);
    assert_int_equal(read_range(ID, 49999, 2), STATUS_OK);
    assert_string_equal(h.read.p, "ab");
    assert_int_equal(read_range(ID, 149999, 2), STATUS_BROKEN);
    assert_int_equal(count_files(), 1);
}

static void an_empty_one_is_one(void **state)
{
    (void)state;
    assert_int_equal(finish(blob_writer_new(h.blobs, ID, 10)), STATUS_OK);
    assert_int_equal(h.facts.size, 0);
    assert_int_equal(read_range(ID, 0, 0), STATUS_OK);
    assert_int_equal(h.read.n, 0);
}

static void the_limit_holds(void **state)
{
    struct blob_writer *w = blob_writer_new(h.blobs, ID, 5);

    (void)state;
    assert_int_equal(do_write(w, STR("12345")), STATUS_OK);
    assert_int_equal(do_write(w, STR("6")), STATUS_TOO_LARGE);
    blob_abort(w);
    assert_int_equal(read_range(ID, 0, 1), STATUS_NOT_FOUND);
}

/* Its callback does not come, and nothing is left. */
static void one_is_given_up_in_the_middle(void **state)
{
    struct blob_writer *w = blob_writer_new(h.blobs, ID, 100);

    (void)state;
    assert_int_equal(do_write(w, STR("123")), STATUS_OK);
    h.n_called = 0;
    blob_write(w, STR("456"), on_done, NULL);
    blob_abort(w);
    w = blob_writer_new(h.blobs, "01k00000000000000000finish", 100);
    blob_finish(w, on_finished, NULL);
    blob_abort(w);
    blobs_stop(h.blobs, on_idle, &h);
    loop_run(h.loop);
    assert_int_equal(h.n_called, 0);
    assert_int_equal(count_files(), 0);
}

static void free_blobs(void *arg)
{
    blobs_free(arg); /* asserts that nothing is under way */
    h.n_called++;
}

/* What is taken back after a write has ended is work as well: a stop waits for it. */
static void a_stop_waits_for_what_is_taken_back(void **state)
{
    struct loop *l = loop_new_virtual(0, 1);
    struct blob_writer *w;
    struct blobs *b;
    struct error err;

    (void)state;
    assert_int_equal(blobs_open(l, h.data, &b, &err), STATUS_OK);
    w = blob_writer_new(b, ID, 100);
    h.n_called = 0;
    blob_write(w, STR("456"), on_done, NULL);
    blob_abort(w);
    blobs_stop(b, free_blobs, b);
    loop_run_until(l, 10);
    assert_int_equal(h.n_called, 1);
    assert_int_equal(count_files(), 0);
    loop_free(l);
}

static void what_is_removed_is_gone(void **state)
{
    const char *ids[] = { ID, "01k00000000000000000nothere" };
    struct blob_facts facts;
    struct error err;
    struct stat st;
    char path[128];

    (void)state;
    assert_int_equal(blob_put(h.blobs, ID, STR("hello"), &facts, &err), STATUS_OK);
    assert_int_equal(facts.size, 5);
    assert_int_equal(blob_get(h.blobs, ID, &h.read, &err), STATUS_OK);
    assert_string_equal(h.read.p, "hello");
    blobs_remove(h.blobs, ids, 2, on_done, NULL);
    loop_run(h.loop);
    assert_int_equal(h.status, STATUS_OK);
    assert_int_equal(count_files(), 0);
    snprintf(path, sizeof(path), "%s/blobs/yz", h.data);
    assert_int_not_equal(stat(path, &st), 0); /* and no empty folders stay */
    buf_clear(&h.read);
    assert_int_equal(blob_get(h.blobs, ID, &h.read, &err), STATUS_NOT_FOUND);
}

static void on_listed(void *arg, const char *const *ids, size_t n)
{
    (void)arg;
    for (size_t i = 0; i < n; i++)
        buf_addf(&h.read, "%s ", ids[i]);
    loop_stop(h.loop);
}

static void older_ones_are_listed(void **state)
{
    struct blob_facts facts;
    struct error err;

    (void)state;
    assert_int_equal(blob_put(h.blobs, "01k00000000000000000000001", STR("a"), &facts, &err),
                     STATUS_OK);
    assert_int_equal(blob_put(h.blobs, "01k10000000000000000000001", STR("b"), &facts, &err),
                     STATUS_OK);
    blobs_list(h.blobs, "01k05", on_listed, NULL);
    loop_run(h.loop);
    assert_string_equal(h.read.p, "01k00000000000000000000001 ");
}

static void what_a_crash_left_goes_at_the_start(void **state)
{
    struct blobs *again;
    struct error err;
    char path[128];
    FILE *f;

    (void)state;
    snprintf(path, sizeof(path), "%s/blobs/part/%s", h.data, ID);
    f = fopen(path, "w");
    assert_non_null(f);
    fclose(f);
    assert_int_equal(blobs_open(h.loop, h.data, &again, &err), STATUS_OK);
    blobs_free(again);
    assert_int_equal(count_files(), 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_written_is_read),
        TEST(an_empty_one_is_one),
        TEST(the_limit_holds),
        TEST(one_is_given_up_in_the_middle),
        TEST(a_stop_waits_for_what_is_taken_back),
        TEST(what_is_removed_is_gone),
        TEST(older_ones_are_listed),
        TEST(what_a_crash_left_goes_at_the_start),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Archives that somebody made to hurt: nothing outside the target is touched, and each is refused
 * with its reason. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "run/unpack.h"

#include "base/buf.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* base/target is unpacked into; base itself must not change. */
struct box {
    char base[64];
    char target[96], tar[96], outside[96];
    struct archive *archive;
    struct error err;
};

static struct unpack_limits LIMITS = {
    .max_bytes = 1 << 20, .max_files = 1000, .max_depth = 64, .max_path = 1024
};

static int setup(void **state)
{
    static struct box b;
    const char *tmp = getenv("TMPDIR");
    FILE *f;

    memset(&b, 0, sizeof(b));
    (void)snprintf(b.base, sizeof(b.base), "%.30s/unpack-XXXXXX", tmp && *tmp ? tmp : "/tmp");
    if (!mkdtemp(b.base))
        return -1;
    (void)snprintf(b.target, sizeof(b.target), "%s/target", b.base);
    (void)snprintf(b.tar, sizeof(b.tar), "%s/a.tgz", b.base);
    (void)snprintf(b.outside, sizeof(b.outside), "%s/outside", b.base);
    f = fopen(b.outside, "w");
    if (!f || fputs("precious", f) < 0 || fclose(f) != 0 || mkdir(b.target, 0700) != 0)
        return -1;
    *state = &b;
    return 0;
}

static int teardown(void **state)
{
    struct box *b = *state;

    tree_remove(b->base);
    return access(b->base, F_OK) == 0;
}

static void begin(struct box *b)
{
    b->archive = archive_write_new();
    assert_int_equal(archive_write_add_filter_gzip(b->archive), ARCHIVE_OK);
    assert_int_equal(archive_write_set_format_pax(b->archive), ARCHIVE_OK);
    assert_int_equal(archive_write_open_filename(b->archive, b->tar), ARCHIVE_OK);
}

enum { HARD = -1 };

/* `type` AE_IF..., or HARD; `text` the content, or the link's target. */
static void put(struct box *b, const char *path, int type, const char *text)
{
    struct archive_entry *e = archive_entry_new();
    bool is_file = type == AE_IFREG;

    archive_entry_set_pathname(e, path);
    archive_entry_set_perm(e, 0644);
    archive_entry_set_filetype(e, type == HARD ? AE_IFREG : (unsigned)type);
    archive_entry_set_size(e, is_file && text ? (la_int64_t)strlen(text) : 0);
    if (type == AE_IFLNK)
        archive_entry_set_symlink(e, text);
    if (type == HARD)
        archive_entry_set_hardlink(e, text);
    assert_in_range(archive_write_header(b->archive, e) + 20, 0, 20);
    if (is_file && text)
        assert_int_equal(archive_write_data(b->archive, text, strlen(text)), strlen(text));
    archive_entry_free(e);
}

static void end(struct box *b)
{
    assert_int_equal(archive_write_free(b->archive), ARCHIVE_OK);
}

static enum status unpack(struct box *b)
{
    return unpack_folder(b->tar, b->target, &LIMITS, &b->err);
}

static void assert_holds(const char *folder, const char *name, const char *text)
{
    char path[2048], got[256] = "";
    FILE *f;

    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    f = fopen(path, "r");
    if (!f)
        fail_msg("%s is not there", path);
    (void)!fread(got, 1, sizeof(got) - 1, f);
    (void)fclose(f);
    assert_string_equal(got, text);
}

static void assert_refused(struct box *b, enum status expected, const char *word)
{
    enum status s = unpack(b);

    if (s != expected || !strstr(b->err.text, word))
        fail_msg("%s: \"%s\", not \"%s\"", status_name(s), s ? b->err.text : "", word);
    assert_holds(b->base, "outside", "precious");
}

static void a_good_one(void **state)
{
    struct box *b = *state;

    begin(b);
    put(b, "./", AE_IFDIR, NULL);
    put(b, "./cog.yaml", AE_IFREG, "predict: x\n");
    put(b, "deep/er/file", AE_IFREG, "in");
    put(b, "deep/link", AE_IFLNK, "../cog.yaml");
    put(b, "empty", AE_IFDIR, NULL);
    put(b, "twice", AE_IFREG, "first");
    put(b, "twice", AE_IFREG, "last");
    put(b, "b\xc3\xa4r \xe2\x82\xac.txt", AE_IFREG, "umlaut");
    end(b);
    if (unpack(b) != STATUS_OK)
        fail_msg("%s", b->err.text);
    assert_holds(b->target, "cog.yaml", "predict: x\n");
    assert_holds(b->target, "deep/er/file", "in");
    assert_holds(b->target, "deep/link", "predict: x\n");
    assert_holds(b->target, "twice", "last");
    assert_holds(b->target, "b\xc3\xa4r \xe2\x82\xac.txt", "umlaut");
}

static void names(void **state)
{
    static const struct {
        const char *path, *word;
    } rows[] = {
        { "../outside", "(..)" },
        { "a/../../outside", "(..)" },
        { "a/..", "(..)" },
        { "/etc/berth-test", "absolute" },
        { "new\nline", "control character" },
        { "bell\a", "control character" },
        { "del\x7f", "control character" },
        { "bad\xff\xfe", "not UTF-8" },
    };
    struct box *b = *state;

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        begin(b);
        put(b, rows[i].path, AE_IFREG, "evil");
        end(b);
        assert_refused(b, STATUS_INVALID, rows[i].word);
    }
}

static void kinds(void **state)
{
    static const struct {
        int type;
        const char *text, *word;
    } rows[] = {
        { AE_IFCHR, NULL, "device" },        { AE_IFBLK, NULL, "device" },
        { AE_IFIFO, NULL, "pipe" },          { HARD, "cog.yaml", "hard link" },
        { HARD, "../outside", "hard link" },
    };
    struct box *b = *state;

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        begin(b);
        put(b, "thing", rows[i].type, rows[i].text);
        end(b);
        assert_refused(b, STATUS_INVALID, rows[i].word);
    }
}

static void links(void **state)
{
    static const struct {
        const char *path, *target;
        bool is_fine;
    } rows[] = {
        { "a", "/etc/passwd", false },
        { "a", "..", false },
        { "a", "../outside", false },
        { "d/a", "../..", false },
        { "d/a", "../../outside", false },
        { "a", "", false },
        { "a", "x/../../outside", false },
        { "a", "up/..", false },
        { "d/a", "..", true },
        { "d/a", "../b", true },
        { "d/a", "./b/c", true },
        { "a", "nowhere", true },
    };
    struct box *b = *state;

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        enum status s;

        tree_remove(b->target);
        assert_int_equal(mkdir(b->target, 0700), 0);
        begin(b);
        put(b, rows[i].path, AE_IFLNK, rows[i].target);
        end(b);
        s = unpack(b);
        if ((s == STATUS_OK) != rows[i].is_fine)
            fail_msg("%s -> %s: %s", rows[i].path, rows[i].target, status_name(s));
    }
}

/* A link, then a file through it. */
static void through_a_link(void **state)
{
    struct box *b = *state;

    begin(b);
    put(b, "d/x", AE_IFREG, "1");
    put(b, "l", AE_IFLNK, "d");
    put(b, "l/y", AE_IFREG, "2");
    end(b);
    assert_refused(b, STATUS_INVALID, "cannot be put anywhere");
    tree_remove(b->target);
    assert_int_equal(mkdir(b->target, 0700), 0);
    begin(b);
    put(b, "d/f", AE_IFREG, "kept");
    put(b, "l", AE_IFLNK, "d/f");
    put(b, "l", AE_IFREG, "not through it");
    end(b);
    assert_int_equal(unpack(b), STATUS_OK);
    assert_holds(b->target, "d/f", "kept");
    assert_holds(b->target, "l", "not through it");
}

static void deep(void **state)
{
    struct box *b = *state;
    char path[4096] = "";

    for (size_t i = 0; i < 70; i++)
        memcpy(path + 2 * i, "d/", 3);
    begin(b);
    put(b, path, AE_IFDIR, NULL);
    end(b);
    assert_refused(b, STATUS_INVALID, "64 deep");
    memset(path, 'a', 2000);
    path[2000] = '\0';
    begin(b);
    put(b, path, AE_IFREG, "");
    end(b);
    assert_refused(b, STATUS_INVALID, "1024 bytes");
    path[300] = '\0';
    begin(b);
    put(b, path, AE_IFREG, "");
    end(b);
    assert_refused(b, STATUS_INVALID, "cannot be put anywhere");
}

/* The pusher's fault, not the disk's. */
static void a_name_for_two_things(void **state)
{
    struct box *b = *state;

    begin(b);
    put(b, "d", AE_IFDIR, NULL);
    put(b, "d", AE_IFLNK, "x");
    end(b);
    assert_refused(b, STATUS_INVALID, "d more than once");
}

static void too_many_files(void **state)
{
    struct box *b = *state;
    char name[16];

    begin(b);
    for (int i = 0; i < 1001; i++) {
        (void)snprintf(name, sizeof(name), "f%d", i);
        put(b, name, AE_IFREG, "");
    }
    end(b);
    assert_refused(b, STATUS_TOO_LARGE, "max_push_files");
}

/* Folders that only stand on the way to a file take inodes as well. */
static void too_many_folders(void **state)
{
    struct box *b = *state;
    char name[64];

    begin(b);
    for (int i = 0; i < 300; i++) {
        (void)snprintf(name, sizeof(name), "a%d/b/c/f", i);
        put(b, name, AE_IFREG, "");
    }
    end(b);
    assert_refused(b, STATUS_TOO_LARGE, "max_push_files");
}

/* On this disk these are different files, and none takes another's place. */
static void names_that_look_alike(void **state)
{
    struct box *b = *state;

    begin(b);
    put(b, "readme", AE_IFREG, "small");
    put(b, "README", AE_IFREG, "large");
    put(b, "\xc3\xa4", AE_IFREG, "composed");
    put(b, "a\xcc\x88", AE_IFREG, "decomposed");
    end(b);
    assert_int_equal(unpack(b), STATUS_OK);
    assert_holds(b->target, "readme", "small");
    assert_holds(b->target, "README", "large");
    assert_holds(b->target, "\xc3\xa4", "composed");
    assert_holds(b->target, "a\xcc\x88", "decomposed");
}

static void write_zeros(struct box *b, int64_t n)
{
    static const char zeros[65536];

    for (; n > 0; n -= (int64_t)sizeof(zeros))
        assert_in_range(
            archive_write_data(b->archive, zeros, (size_t)MIN(n, (int64_t)sizeof(zeros))), 1,
            65536);
}

static void too_big(void **state)
{
    struct box *b = *state;

    begin(b);
    for (int i = 0; i < 3; i++) {
        struct archive_entry *e = archive_entry_new();
        char name[8];

        (void)snprintf(name, sizeof(name), "f%d", i);
        archive_entry_set_pathname(e, name);
        archive_entry_set_filetype(e, AE_IFREG);
        archive_entry_set_perm(e, 0644);
        archive_entry_set_size(e, 400000);
        assert_int_equal(archive_write_header(b->archive, e), ARCHIVE_OK);
        write_zeros(b, 400000);
        archive_entry_free(e);
    }
    end(b);
    assert_refused(b, STATUS_TOO_LARGE, "max_push_unpacked");
}

/* Files of holes: nothing on the disk, and yet too much for whoever reads them. */
static void sparse(void **state)
{
    struct box *b = *state;

    begin(b);
    for (int i = 0; i < 2; i++) {
        struct archive_entry *e = archive_entry_new();

        archive_entry_set_pathname(e, i ? "b" : "a");
        archive_entry_set_filetype(e, AE_IFREG);
        archive_entry_set_perm(e, 0644);
        archive_entry_set_size(e, 900000);
        archive_entry_sparse_add_entry(e, 0, 1);
        assert_int_equal(archive_write_header(b->archive, e), ARCHIVE_OK);
        write_zeros(b, 900000);
        archive_entry_free(e);
    }
    end(b);
    assert_refused(b, STATUS_TOO_LARGE, "max_push_unpacked");
}

static void damaged(void **state)
{
    struct box *b = *state;
    struct stat st;
    FILE *f;

    begin(b);
    for (int i = 0; i < 50; i++) {
        char name[16], text[64];

        (void)snprintf(name, sizeof(name), "f%d", i);
        (void)snprintf(text, sizeof(text), "%d %d %d", i * 7919, i * 104729, i * 1299709);
        put(b, name, AE_IFREG, text);
    }
    end(b);
    assert_int_equal(stat(b->tar, &st), 0);
    assert_int_equal(truncate(b->tar, st.st_size / 2), 0);
    assert_refused(b, STATUS_INVALID, "archive");
    f = fopen(b->tar, "w");
    assert_true(fputs("this is no archive at all, but a sentence", f) > 0);
    assert_int_equal(fclose(f), 0);
    assert_refused(b, STATUS_INVALID, "not a gzip tar archive");
}

static void digest_of(struct box *b, char out[65])
{
    if (tree_digest(b->target, "also", out, &b->err) != STATUS_OK)
        fail_msg("%s", b->err.text);
}

static void digests(void **state)
{
    struct box *b = *state;
    char one[65], two[65], path[160];

    begin(b);
    put(b, "a", AE_IFREG, "1");
    put(b, "d/b", AE_IFREG, "2");
    put(b, "l", AE_IFLNK, "d/b");
    end(b);
    assert_int_equal(unpack(b), STATUS_OK);
    digest_of(b, one);
    digest_of(b, two);
    assert_string_equal(one, two);
    assert_int_equal(strlen(one), 64);
    (void)snprintf(path, sizeof(path), "%s/a", b->target);
    assert_int_equal(chmod(path, 0755), 0);
    digest_of(b, two);
    assert_string_not_equal(one, two);
    assert_int_equal(chmod(path, 0644), 0);
    (void)snprintf(path, sizeof(path), "%s/l", b->target);
    assert_int_equal(unlink(path), 0);
    digest_of(b, two);
    assert_string_not_equal(one, two);
    assert_int_equal(tree_digest(b->target, "other", one, &b->err), STATUS_OK);
    assert_string_not_equal(one, two);
    tree_make_readonly(b->target);
    tree_remove(b->target);
    assert_int_not_equal(access(b->target, F_OK), 0);
}

/* A folder that cannot be read has no digest: it would be that of another one. */
static void a_digest_that_cannot_be(void **state)
{
    struct box *b = *state;
    char hex[65], path[256];

    (void)snprintf(path, sizeof(path), "%s/missing", b->base);
    assert_int_equal(tree_digest(path, "", hex, &b->err), STATUS_BROKEN);
    assert_non_null(strstr(b->err.text, "missing"));
    assert_int_equal(tree_digest("", "", hex, &b->err), STATUS_BROKEN);
    if (geteuid() == 0) /* who may read everything */
        return;
    (void)snprintf(path, sizeof(path), "%s/closed", b->target);
    assert_int_equal(mkdir(path, 0), 0);
    assert_int_equal(tree_digest(b->target, "", hex, &b->err), STATUS_BROKEN);
    assert_int_equal(chmod(path, 0700), 0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_good_one),
        TEST(names),
        TEST(kinds),
        TEST(links),
        TEST(through_a_link),
        TEST(deep),
        TEST(a_name_for_two_things),
        TEST(too_many_files),
        TEST(too_big),
        TEST(too_many_folders),
        TEST(names_that_look_alike),
        TEST(sparse),
        TEST(damaged),
        TEST(digests),
        TEST(a_digest_that_cannot_be),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

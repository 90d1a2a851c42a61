/* SPDX-License-Identifier: Apache-2.0 */
/* The archive of a pushed folder: whatever it is, nothing outside the target changes, no link leads
 * out, and the limits hold. Headers get their checksums mended, so that what is in them is looked
 * at. */
#include "fuzz.h"

#include "run/unpack.h"

#include <fts.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BLOCK = 512, CHECKSUM = 148, CHECKSUM_SIZE = 8, SIZE = 124, SIZE_SIZE = 12 };

static const struct unpack_limits limits = {
    .max_bytes = 1 << 16, .max_files = 50, .max_depth = 16, .max_path = 300
};
static char base[64], target[80], tar[80], outside[80];

static void start(void)
{
    const char *tmp = getenv("TMPDIR");
    FILE *f;

    snprintf(base, sizeof(base), "%.30s/fuzz-XXXXXX", tmp && *tmp ? tmp : "/tmp");
    FUZZ_CHECK(mkdtemp(base));
    snprintf(target, sizeof(target), "%s/target", base);
    snprintf(tar, sizeof(tar), "%s/a.tar", base);
    snprintf(outside, sizeof(outside), "%s/outside", base);
    f = fopen(outside, "w");
    FUZZ_CHECK(f && fputs("precious", f) >= 0 && fclose(f) == 0);
}

static void clean(void)
{
    tree_remove(base);
}

static void check_link(const char *path)
{
    char real[PATH_MAX];

    if (realpath(path, real))
        FUZZ_CHECK(str_starts(str_of(real), target), "%s leads to %s", path, real);
}

static void check_tree(void)
{
    char *const roots[] = { base, NULL };
    FTS *tree = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
    int64_t n_files = 0, bytes = 0;
    FTSENT *e;

    FUZZ_CHECK(tree);
    while ((e = fts_read(tree)) != NULL) {
        bool is_inside = str_starts(str_of(e->fts_path), target);

        if (e->fts_info == FTS_DP || e->fts_level == 0)
            continue;
        FUZZ_CHECK(is_inside || strcmp(e->fts_path, tar) == 0 || strcmp(e->fts_path, outside) == 0,
                   "%s was written", e->fts_path);
        FUZZ_CHECK((e->fts_statp->st_mode & (S_ISUID | S_ISGID | S_ISVTX)) == 0, "%s", e->fts_path);
        if (e->fts_info == FTS_SL || e->fts_info == FTS_SLNONE)
            check_link(e->fts_path);
        else
            FUZZ_CHECK(e->fts_info == FTS_F || e->fts_info == FTS_D, "%s", e->fts_path);
        n_files += is_inside ? 1 : 0;
        bytes += is_inside && e->fts_info == FTS_F ? e->fts_statp->st_size : 0;
    }
    fts_close(tree);
    /* Folders that are made on the way to a file are not counted, but its depth is. */
    FUZZ_CHECK(n_files <= limits.max_files * limits.max_depth && bytes <= limits.max_bytes);
}

static void check_outside(void)
{
    char text[16] = "";
    struct stat st;
    FILE *f = fopen(outside, "r");

    FUZZ_CHECK(f && fgets(text, sizeof(text), f) && strcmp(text, "precious") == 0);
    FUZZ_CHECK(fstat(fileno(f), &st) == 0 && st.st_nlink == 1);
    fclose(f);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct error err = { 0 };
    char digest[65];
    enum status s;
    FILE *f;

    if (!*base) {
        start();
        atexit(clean);
    }
    f = fopen(tar, "w");
    FUZZ_CHECK(f && fwrite(p, 1, n, f) == n && fclose(f) == 0);
    FUZZ_CHECK(mkdir(target, 0700) == 0);
    s = unpack_folder(tar, target, &limits, &err);
    FUZZ_CHECK(s == STATUS_OK || s == STATUS_INVALID || s == STATUS_TOO_LARGE, "%d: %s", (int)s,
               err.text);
    FUZZ_CHECK(s == STATUS_OK || err.text[0]);
    check_tree();
    check_outside();
    if (s == STATUS_OK)
        FUZZ_CHECK(tree_digest(target, "", digest, &err) == STATUS_OK, "%s", err.text);
    tree_remove(target);
    FUZZ_CHECK(access(target, F_OK) != 0, "the target cannot be removed");
    return 0;
}

/* --- mutation --- */

size_t LLVMFuzzerMutate(uint8_t *p, size_t n, size_t max) __attribute__((weak));
size_t LLVMFuzzerCustomMutator(uint8_t *p, size_t n, size_t max, unsigned seed);

static void mend_checksum(uint8_t *block)
{
    unsigned sum = 0;
    char text[CHECKSUM_SIZE];

    memset(block + CHECKSUM, ' ', CHECKSUM_SIZE);
    for (size_t i = 0; i < BLOCK; i++)
        sum += block[i];
    snprintf(text, sizeof(text), "%06o", sum & 0777777);
    memcpy(block + CHECKSUM, text, CHECKSUM_SIZE);
}

static size_t entry_size(const uint8_t *block)
{
    char text[SIZE_SIZE + 1] = "";

    memcpy(text, block + SIZE, SIZE_SIZE);
    return strtoul(text, NULL, 8);
}

size_t LLVMFuzzerCustomMutator(uint8_t *p, size_t n, size_t max, unsigned seed)
{
    n = LLVMFuzzerMutate(p, n, max);
    if (seed % 8 == 0) /* some stay broken */
        return n;
    for (size_t at = 0; at + BLOCK <= n;) {
        size_t size = entry_size(p + at);

        mend_checksum(p + at);
        at += BLOCK + MIN((size + BLOCK - 1) / BLOCK * BLOCK, n);
    }
    return n;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* A folder as a gzip tar, in sorted order, so that the same folder gives the same bytes. */
#include "cli/cli.h"

#include "base/file.h"

#include <archive.h>
#include <archive_entry.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- .dockerignore --- */

/* Segment by segment; "**" stands for any number of them. True also when the pattern matches a
 * folder above. */
static bool segments_match(struct str pattern, struct str path)
{
    struct str p, s;
    char a[256], b[256];

    if (!pattern.p)
        return true; /* the pattern is used up: this is the path itself, or something below it */
    if (!str_split(&pattern, '/', &p))
        return false;
    if (str_is(p, "**")) {
        for (struct str rest = path;;) {
            if (segments_match(pattern, rest))
                return rest.p != NULL || !pattern.p;
            if (!str_split(&rest, '/', &s))
                return false;
        }
    }
    if (!str_split(&path, '/', &s) || p.n >= sizeof(a) || s.n >= sizeof(b))
        return false;
    snprintf(a, sizeof(a), "%.*s", STR_ARG(p));
    snprintf(b, sizeof(b), "%.*s", STR_ARG(s));
    return fnmatch(a, b, FNM_NOESCAPE) == 0 && segments_match(pattern, path);
}

bool ignore_match(const struct buf *patterns, struct str path)
{
    struct str rest = buf_str(patterns), line;
    bool ignored = false;

    while (str_split(&rest, '\n', &line)) {
        bool takes_back;

        if (line.n && line.p[line.n - 1] == '\r')
            line.n--;
        line = str_trim(line);
        if (line.n == 0 || line.p[0] == '#')
            continue;
        takes_back = line.p[0] == '!';
        if (takes_back)
            line = str_make(line.p + 1, line.n - 1);
        while (str_starts(line, "./"))
            line = str_make(line.p + 2, line.n - 2);
        while (str_starts(line, "/"))
            line = str_make(line.p + 1, line.n - 1);
        while (line.n && line.p[line.n - 1] == '/')
            line.n--;
        if (line.n && segments_match(line, path))
            ignored = !takes_back;
    }
    return ignored;
}

/* --- the walk --- */

struct packer {
    struct archive *archive;
    struct buf patterns;
    const char *root;
    int n_files;
    struct error *err;
};

static enum status pack_dir(struct packer *p, const char *relative);

static enum status archive_failed(struct packer *p, const char *path)
{
    return FAIL(p->err, STATUS_BROKEN, "cannot pack %s: %s", path,
                archive_error_string(p->archive));
}

static enum status copy_bytes(struct packer *p, const char *full, int64_t size)
{
    char piece[2048];
    int fd = open(full, O_RDONLY | O_CLOEXEC);
    int64_t left = size;
    ssize_t n = 1;

    if (fd < 0)
        return FAIL(p->err, STATUS_BROKEN, "cannot read %s: %s", full, strerror(errno));
    while (left > 0 && (n = read(fd, piece, (size_t)MIN(left, (int64_t)sizeof(piece)))) > 0) {
        if (archive_write_data(p->archive, piece, (size_t)n) != n)
            break;
        left -= n;
    }
    close(fd);
    if (left > 0)
        return FAIL(p->err, STATUS_BROKEN, "%s could not be read whole; did it change meanwhile?",
                    full);
    return STATUS_OK;
}

static enum status pack_one(struct packer *p, const char *relative)
{
    struct buf full CLEANUP(buf_deinit) = BUF_INIT(8192);
    struct archive_entry *e;
    char target[4096];
    struct stat st;
    enum status s = STATUS_OK;
    ssize_t n;

    buf_addf(&full, "%s/%s", p->root, relative);
    if (full.failed || lstat(full.p, &st) != 0)
        return FAIL(p->err, STATUS_BROKEN, "cannot look at %s: %s", relative, strerror(errno));
    if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode) && !S_ISLNK(st.st_mode))
        return FAIL(
            p->err, STATUS_INVALID,
            "%s is neither a file, a folder nor a link. Remove it, or name it in .dockerignore.",
            relative);
    e = archive_entry_new();
    archive_entry_set_pathname(e, relative);
    archive_entry_set_mode(e, st.st_mode & (S_IFMT | 0755));
    archive_entry_set_size(e, S_ISREG(st.st_mode) ? st.st_size : 0);
    if (S_ISLNK(st.st_mode)) {
        n = readlink(full.p, target, sizeof(target) - 1);
        target[n > 0 ? n : 0] = '\0';
        archive_entry_set_symlink(e, target);
    }
    if (archive_write_header(p->archive, e) != ARCHIVE_OK)
        s = archive_failed(p, relative);
    else if (S_ISREG(st.st_mode))
        s = copy_bytes(p, full.p, st.st_size);
    archive_entry_free(e);
    p->n_files++;
    if (s == STATUS_OK && S_ISDIR(st.st_mode))
        s = pack_dir(p, relative);
    return s;
}

static bool is_skipped(struct packer *p, const char *relative)
{
    if (strcmp(relative, ".git") == 0)
        return true;
    if (strcmp(relative, "cog.yaml") == 0 || strcmp(relative, "model.yaml") == 0) /* the build's */
        return false;
    return ignore_match(&p->patterns, str_of(relative));
}

static enum status pack_dir(struct packer *p, const char *relative)
{
    struct buf full CLEANUP(buf_deinit) = BUF_INIT(8192);
    struct dirent **names = NULL;
    enum status s = STATUS_OK;
    int n;

    buf_addf(&full, "%s%s%s", p->root, *relative ? "/" : "", relative);
    n = scandir(full.p, &names, NULL, alphasort);
    if (n < 0)
        return FAIL(p->err, STATUS_BROKEN, "cannot read the folder %s: %s", full.p,
                    strerror(errno));
    for (int i = 0; i < n; i++) {
        struct buf path CLEANUP(buf_deinit) = BUF_INIT(4096);
        const char *name = names[i]->d_name;

        buf_addf(&path, "%s%s%s", relative, *relative ? "/" : "", name);
        if (s == STATUS_OK && strcmp(name, ".") != 0 && strcmp(name, "..") != 0 &&
            !is_skipped(p, path.p))
            s = pack_one(p, path.p);
        free(names[i]);
    }
    free(names);
    return s;
}

/* Patterns that cannot be read would let files go out that must not. */
static enum status read_patterns(struct packer *p)
{
    struct buf path CLEANUP(buf_deinit) = BUF_INIT(8192);
    struct error why;
    enum status s;

    buf_addf(&path, "%s/.dockerignore", p->root);
    s = file_read(path.p, &p->patterns, &why);
    if (s == STATUS_OK || s == STATUS_NOT_FOUND)
        return STATUS_OK;
    if (p->err)
        *p->err = why;
    return s;
}

bool pack_folder(const char *folder, char out_path[256], int64_t *out_bytes, int *out_files,
                 struct error *err)
{
    const char *tmp = getenv("TMPDIR");
    struct packer p = { .root = folder, .err = err };
    struct stat st;
    enum status s;
    int fd;

    if (!tmp || !*tmp)
        tmp = "/tmp";
    if (snprintf(out_path, 256, "%s/berth-push-XXXXXX", tmp) >= 256) {
        FAIL(err, STATUS_INVALID, "TMPDIR is too long: it has %zu bytes, and 200 will do",
             strlen(tmp));
        return false;
    }
    fd = mkostemp(out_path, O_CLOEXEC);
    if (fd < 0) {
        FAIL(err, STATUS_BROKEN, "cannot make a temporary file %s: %s", out_path, strerror(errno));
        return false;
    }
    buf_init(&p.patterns, 1 << 20);
    s = read_patterns(&p);
    p.archive = archive_write_new();
    archive_write_add_filter_gzip(p.archive);
    archive_write_set_filter_option(p.archive, "gzip", "timestamp", NULL);
    archive_write_set_format_pax_restricted(p.archive);
    if (s == STATUS_OK)
        s = archive_write_open_fd(p.archive, fd) == ARCHIVE_OK ? pack_dir(&p, "")
                                                               : archive_failed(&p, folder);
    if (archive_write_close(p.archive) != ARCHIVE_OK && s == STATUS_OK)
        s = archive_failed(&p, folder);
    archive_write_free(p.archive);
    buf_deinit(&p.patterns);
    *out_bytes = fstat(fd, &st) == 0 ? st.st_size : 0;
    *out_files = p.n_files;
    close(fd);
    if (s != STATUS_OK)
        unlink(out_path);
    return s == STATUS_OK;
}

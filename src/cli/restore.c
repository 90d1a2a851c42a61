/* SPDX-License-Identifier: Apache-2.0 */
/* `berth restore`: needs no server. A backup is unpacked beside the data folder and takes its place
 * only when it is whole. */
#include "cli/cli.h"

#include "base/mem.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct restore {
    const char *file, *folder;
    char partial[PATH_MAX], real[PATH_MAX];
    struct archive *in, *disk;
    int64_t entries;
    bool is_complete;
    struct error error;
};

static enum status broken(struct restore *r, const char *what)
{
    return FAIL(&r->error, STATUS_INVALID, "%s is not a whole backup: %s", r->file, what);
}

static enum status copy_bytes(struct restore *r, const char *name)
{
    const void *piece;
    size_t n;
    la_int64_t offset;
    int rc;

    while ((rc = archive_read_data_block(r->in, &piece, &n, &offset)) == ARCHIVE_OK)
        if (archive_write_data_block(r->disk, piece, n, offset) != ARCHIVE_OK)
            return FAIL(&r->error, STATUS_BROKEN, "cannot write %s: %s", name,
                        archive_error_string(r->disk));
    return rc == ARCHIVE_EOF ? STATUS_OK : broken(r, archive_error_string(r->in));
}

static bool leads_out(const char *path)
{
    struct str rest = str_of(path), part;

    if (*path == '/')
        return true;
    while (str_split(&rest, '/', &part))
        if (str_is(part, ".."))
            return true;
    return false;
}

static enum status unpack_entry(struct restore *r, struct archive_entry *e)
{
    struct buf path CLEANUP(buf_deinit) = BUF_INIT(PATH_MAX);
    const char *name = archive_entry_pathname(e);
    enum status s = STATUS_OK;

    if (!name || leads_out(name))
        return broken(r, "it holds a path that leads out of the folder");
    if (archive_entry_hardlink(e))
        return broken(r, "it holds a hard link");
    buf_addf(&path, "%s/%s", r->real, name);
    if (path.failed)
        return broken(r, "it holds a path that is too long");
    archive_entry_copy_pathname(e, path.p);
    if (archive_write_header(r->disk, e) != ARCHIVE_OK)
        return FAIL(&r->error, STATUS_BROKEN, "cannot write %s: %s", path.p,
                    archive_error_string(r->disk));
    if (archive_entry_size(e) > 0)
        s = copy_bytes(r, path.p);
    if (s == STATUS_OK && archive_write_finish_entry(r->disk) != ARCHIVE_OK)
        s = FAIL(&r->error, STATUS_BROKEN, "cannot write %s: %s", path.p,
                 archive_error_string(r->disk));
    r->entries++;
    return s;
}

/* The first and the last entry are short texts. */
static enum status read_text(struct restore *r, char out[64])
{
    la_ssize_t n = archive_read_data(r->in, out, 63);

    out[MAX(n, (la_ssize_t)0)] = '\0';
    return n >= 0 ? STATUS_OK : broken(r, archive_error_string(r->in));
}

static enum status check_form(struct restore *r)
{
    struct archive_entry *e;
    char text[64];
    enum status s;

    if (archive_read_next_header(r->in, &e) != ARCHIVE_OK ||
        strcmp(archive_entry_pathname(e), BACKUP_FIRST) != 0)
        return FAIL(&r->error, STATUS_INVALID, "%s was not made by `berth backup`.", r->file);
    s = read_text(r, text);
    if (s == STATUS_OK && strcmp(text, BACKUP_FORM) != 0)
        s = FAIL(&r->error, STATUS_INVALID,
                 "%s has form %.*s, and this program knows form %.1s only. Use the Berth that made "
                 "it, or a newer one.",
                 r->file, (int)strcspn(text, "\n"), text, BACKUP_FORM);
    return s;
}

static enum status check_count(struct restore *r)
{
    char text[64];
    enum status s = read_text(r, text);

    if (s == STATUS_OK && strtoll(text, NULL, 10) != r->entries)
        s = broken(r, "files are missing");
    r->is_complete = s == STATUS_OK;
    return s;
}

static enum status unpack_all(struct restore *r)
{
    struct archive_entry *e;
    enum status s = check_form(r);
    int rc = ARCHIVE_OK;

    while (s == STATUS_OK && !r->is_complete &&
           (rc = archive_read_next_header(r->in, &e)) == ARCHIVE_OK)
        s = strcmp(archive_entry_pathname(e), BACKUP_LAST) == 0 ? check_count(r)
                                                                : unpack_entry(r, e);
    if (s == STATUS_OK && !r->is_complete)
        s = broken(r, rc == ARCHIVE_EOF ? "its end is missing" : archive_error_string(r->in));
    return s;
}

static enum status open_archives(struct restore *r)
{
    int flags = ARCHIVE_EXTRACT_PERM | ARCHIVE_EXTRACT_TIME | ARCHIVE_EXTRACT_SECURE_SYMLINKS;
    bool is_input = strcmp(r->file, "-") == 0;
    int rc;

    archive_read_support_format_tar(r->in);
    archive_read_support_filter_gzip(r->in);
    archive_write_disk_set_options(r->disk, geteuid() == 0 ? flags | ARCHIVE_EXTRACT_OWNER : flags);
    rc = is_input ? archive_read_open_fd(r->in, STDIN_FILENO, 65536)
                  : archive_read_open_filename(r->in, r->file, 65536);
    if (rc != ARCHIVE_OK)
        return FAIL(&r->error, STATUS_BROKEN, "cannot read %s: %s", r->file,
                    archive_error_string(r->in));
    return STATUS_OK;
}

static enum status take_place(struct restore *r)
{
    if (rmdir(r->folder) != 0 && errno != ENOENT)
        return FAIL(&r->error, STATUS_CONFLICT,
                    "%s is there already and is not empty: a backup is unpacked into a folder of "
                    "its own. What was unpacked is in %s",
                    r->folder, r->partial);
    if (chmod(r->partial, 0700) != 0 || rename(r->partial, r->folder) != 0)
        return FAIL(&r->error, STATUS_BROKEN, "cannot rename %s to %s: %s", r->partial, r->folder,
                    strerror(errno));
    return STATUS_OK;
}

static enum status make_partial(struct restore *r)
{
    bool is_there = access(r->folder, F_OK) == 0 && rmdir(r->folder) != 0;

    if (is_there && errno == EBUSY)
        return FAIL(&r->error, STATUS_CONFLICT,
                    "%s cannot be replaced by a folder that is whole, since something is mounted "
                    "there. Name a folder below it with --data",
                    r->folder);
    if (is_there)
        return FAIL(&r->error, STATUS_CONFLICT,
                    "%s is there already%s: a backup is unpacked into a folder of its own. Name "
                    "another with --data",
                    r->folder, errno == ENOTEMPTY ? " and is not empty" : "");
    if (snprintf(r->partial, sizeof(r->partial), "%s.restoring-XXXXXX", r->folder) >=
            (int)sizeof(r->partial) ||
        !mkdtemp(r->partial))
        return FAIL(&r->error, STATUS_BROKEN, "cannot make a folder beside %s: %s", r->folder,
                    strerror(errno));
    /* Links on the way to it are the caller's own; those in the archive are not followed. */
    if (!realpath(r->partial, r->real))
        return FAIL(&r->error, STATUS_BROKEN, "cannot use %s: %s", r->partial, strerror(errno));
    return STATUS_OK;
}

static const char *data_folder(const struct given *g)
{
    const char *flag = given_flag(g, "--data"), *env = getenv("BERTH_DATA");

    return flag ? flag : env && *env ? env : "./data";
}

int restore_command(const struct command *c, const char *const *args)
{
    struct restore *r;
    struct given g;
    enum status s;

    if (!given_read(c, args, 1, 1, &g))
        return 2;
    r = xnew(struct restore);
    r->file = g.positions[0];
    r->folder = data_folder(&g);
    r->in = archive_read_new();
    r->disk = archive_write_disk_new();
    s = open_archives(r);
    if (s == STATUS_OK)
        s = make_partial(r);
    if (s == STATUS_OK)
        s = unpack_all(r);
    if (archive_write_close(r->disk) != ARCHIVE_OK && s == STATUS_OK)
        s = FAIL(&r->error, STATUS_BROKEN, "cannot write to %s: %s", r->partial,
                 archive_error_string(r->disk));
    if (s == STATUS_OK)
        s = take_place(r);
    archive_write_free(r->disk);
    archive_read_free(r->in);
    if (s != STATUS_OK) {
        fprintf(stderr, "berth: %s\n", r->error.text);
        if (*r->partial && access(r->partial, F_OK) == 0)
            fprintf(stderr, "berth: what was unpacked so far is in %s; it can be removed.\n",
                    r->partial);
        free(r);
        return 1;
    }
    fprintf(stderr,
            "berth: %lld files are in %s. Start the server with `berth serve --data '%s'`.\n",
            (long long)r->entries, r->folder, r->folder);
    free(r);
    return 0;
}

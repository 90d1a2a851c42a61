/* SPDX-License-Identifier: Apache-2.0 */
/* `berth backup`: the server copies its database and lets no file go; this program, on the same
 * machine, packs the copy and the data folder, and tells the server when it is done. */
#include "cli/cli.h"

#include "base/mem.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

struct backup {
    struct remote remote;
    char id[64], database[PATH_MAX]; /* the copy, below the data folder */
    const char *root, *file;
    struct archive *out;
    int64_t entries, bytes;
    time_t told_at;
    struct error error;
};

/* Of a build, all but its log is the work of one that is under way. */
static bool is_work_of_build(const char *relative)
{
    struct str rest = str_of(relative), top, id;

    return str_split(&rest, '/', &top) && str_is(top, "builds") && str_split(&rest, '/', &id) &&
           rest.p && !str_is(rest, "log");
}

/* What belongs to the running server and its instances only, or is made anew. */
static bool is_left_out(const char *relative)
{
    static const char *const names[] = {
        "admin.sock", "internal.sock", "backups",   "berth.db", "berth.db-shm", "berth.db-wal",
        "blobs/part", "cache",         "instances", "lib",      "lock",         "tools",
    };

    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (strcmp(relative, names[i]) == 0)
            return true;
    return is_work_of_build(relative);
}

static enum status pack_failed(struct backup *b, const char *path)
{
    return FAIL(&b->error, archive_errno(b->out) == ENOSPC ? STATUS_DISK_FULL : STATUS_BROKEN,
                "%s could not be written to %s: %s", path, b->file, archive_error_string(b->out));
}

static void tell_progress(struct backup *b)
{
    time_t now = time(NULL);

    if (!isatty(STDERR_FILENO) || now == b->told_at)
        return;
    b->told_at = now;
    fprintf(stderr, "\rberth: %lld files, %.1f MB", (long long)b->entries, (double)b->bytes / 1e6);
}

static enum status put_text(struct backup *b, const char *name, const char *text)
{
    struct archive_entry *e = archive_entry_new();
    size_t n = strlen(text);
    enum status s = STATUS_OK;

    archive_entry_set_pathname(e, name);
    archive_entry_set_mode(e, S_IFREG | 0600);
    archive_entry_set_size(e, (la_int64_t)n);
    if (archive_write_header(b->out, e) != ARCHIVE_OK ||
        archive_write_data(b->out, text, n) != (la_ssize_t)n)
        s = pack_failed(b, name);
    archive_entry_free(e);
    return s;
}

/* A log may grow while it is read: as much as was announced is taken. What is missing of one that
 * was cut off meanwhile, libarchive fills up. */
static enum status put_bytes(struct backup *b, int fd, int64_t size, const char *path)
{
    enum { PIECE = 256 * 1024 };
    char *piece = xcalloc(1, PIECE);
    enum status s = STATUS_OK;

    while (s == STATUS_OK && size > 0) {
        ssize_t n = read(fd, piece, (size_t)MIN(size, (int64_t)PIECE));

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            s = FAIL(&b->error, STATUS_BROKEN, "cannot read %s: %s", path, strerror(errno));
        else if (n > 0 && archive_write_data(b->out, piece, (size_t)n) != (la_ssize_t)n)
            s = pack_failed(b, path);
        if (n <= 0)
            break;
        size -= n;
        b->bytes += n;
    }
    free(piece);
    return s;
}

/* A file is open before it is announced: what went away since it was listed is nobody's any more,
 * and what goes away from now on is read to its end. */
static enum status put_entry(struct backup *b, struct archive_entry *e, const char *source,
                             const char *name)
{
    struct buf path CLEANUP(buf_deinit) = BUF_INIT(PATH_MAX);
    bool is_file = archive_entry_filetype(e) == AE_IFREG;
    enum status s = STATUS_OK;
    int fd = is_file ? open(source, O_RDONLY | O_NOFOLLOW | O_CLOEXEC) : -1;

    if (is_file && fd < 0)
        return errno == ENOENT || errno == ELOOP
                   ? STATUS_OK
                   : FAIL(&b->error, STATUS_BROKEN, "cannot read %s: %s", source, strerror(errno));
    buf_adds(&path, name);
    archive_entry_set_pathname(e, path.p);
    archive_entry_sparse_clear(e);
    archive_entry_copy_hardlink(e, NULL);
    if (archive_write_header(b->out, e) != ARCHIVE_OK)
        s = pack_failed(b, path.p);
    else if (is_file)
        s = put_bytes(b, fd, archive_entry_size(e), path.p);
    if (fd >= 0)
        close(fd);
    b->entries += s == STATUS_OK;
    tell_progress(b);
    return s;
}

static enum status put_next(struct backup *b, struct archive *walk, struct archive_entry *e)
{
    struct buf source CLEANUP(buf_deinit) = BUF_INIT(PATH_MAX);
    const char *name = archive_entry_pathname(e) + strlen(b->root);
    mode_t type = archive_entry_filetype(e);

    while (*name == '/')
        name++;
    if (is_left_out(name))
        return STATUS_OK;
    if (archive_read_disk_can_descend(walk))
        archive_read_disk_descend(walk);
    if (!*name || (type != AE_IFREG && type != AE_IFDIR && type != AE_IFLNK))
        return STATUS_OK;
    buf_adds(&source, archive_entry_pathname(e));
    if (source.failed)
        return FAIL(&b->error, STATUS_TOO_LARGE, "the path of %s is too long", name);
    return put_entry(b, e, source.p, name);
}

static enum status walk_folder(struct backup *b)
{
    struct archive *walk = archive_read_disk_new();
    struct archive_entry *e = archive_entry_new();
    enum status s = STATUS_OK;
    int rc;

    archive_read_disk_set_symlink_physical(walk);
    archive_read_disk_set_behavior(walk, ARCHIVE_READDISK_NO_XATTR | ARCHIVE_READDISK_NO_ACL |
                                             ARCHIVE_READDISK_NO_FFLAGS);
    if (archive_read_disk_open(walk, b->root) != ARCHIVE_OK)
        s = FAIL(&b->error, STATUS_BROKEN, "cannot read %s: %s", b->root,
                 archive_error_string(walk));
    while (s == STATUS_OK && (rc = archive_read_next_header2(walk, e)) != ARCHIVE_EOF) {
        if (rc == ARCHIVE_OK || rc == ARCHIVE_WARN)
            s = put_next(b, walk, e);
        else if (archive_errno(walk) != ENOENT || rc == ARCHIVE_FATAL)
            s = FAIL(&b->error, STATUS_BROKEN, "cannot read %s: %s", b->root,
                     archive_error_string(walk));
    }
    archive_entry_free(e);
    archive_read_free(walk);
    return s;
}

static enum status put_database(struct backup *b)
{
    struct archive *disk = archive_read_disk_new();
    struct archive_entry *e = archive_entry_new();
    enum status s;

    archive_entry_copy_sourcepath(e, b->database);
    archive_entry_copy_pathname(e, b->database);
    if (archive_read_disk_open(disk, b->database) != ARCHIVE_OK ||
        archive_read_next_header2(disk, e) != ARCHIVE_OK)
        s = FAIL(&b->error, STATUS_BROKEN, "cannot read %s: %s", b->database,
                 archive_error_string(disk));
    else
        s = put_entry(b, e, b->database, "berth.db");
    archive_entry_free(e);
    archive_read_free(disk);
    return s;
}

static enum status pack_all(struct backup *b, int fd)
{
    struct buf count CLEANUP(buf_deinit) = BUF_INIT(64);
    struct str name = str_of(b->file);
    enum status s;

    b->out = archive_write_new();
    if (str_ends(name, ".gz") || str_ends(name, ".tgz"))
        archive_write_add_filter_gzip(b->out);
    archive_write_set_format_pax_restricted(b->out);
    s = archive_write_open_fd(b->out, fd) == ARCHIVE_OK ? put_text(b, BACKUP_FIRST, BACKUP_FORM)
                                                        : pack_failed(b, "the beginning");
    if (s == STATUS_OK)
        s = put_database(b);
    if (s == STATUS_OK)
        s = walk_folder(b);
    buf_addf(&count, "%lld\n", (long long)b->entries);
    if (s == STATUS_OK)
        s = put_text(b, BACKUP_LAST, count.p);
    if (archive_write_close(b->out) != ARCHIVE_OK && s == STATUS_OK)
        s = pack_failed(b, "the end");
    archive_write_free(b->out);
    if (s == STATUS_OK && fd != STDOUT_FILENO && fsync(fd) != 0)
        s = FAIL(&b->error, STATUS_BROKEN, "cannot write %s: %s", b->file, strerror(errno));
    return s;
}

static bool begin(struct backup *b, bool by_force)
{
    struct answer a CLEANUP(answer_deinit) = { 0 };
    struct answer old CLEANUP(answer_deinit) = { 0 };
    struct str id, database;

    if (by_force && !remote_try(&b->remote, "DELETE", "/backups/current", STR_NULL, NULL, &old))
        return false;
    fprintf(stderr, "berth: the server copies its database\n");
    if (!remote_call(&b->remote, "POST", "/backups", STR_NULL, NULL, &a))
        return false;
    id = json_to_str(json_get(a.json, "id"));
    database = json_to_str(json_get(a.json, "database"));
    snprintf(b->id, sizeof(b->id), "%.*s", STR_ARG(id));
    snprintf(b->database, sizeof(b->database), "%s/%.*s", b->root, STR_ARG(database));
    return true;
}

static bool end(struct backup *b)
{
    struct answer a CLEANUP(answer_deinit) = { 0 };
    char path[128];

    snprintf(path, sizeof(path), "/backups/%s", b->id);
    if (!remote_try(&b->remote, "DELETE", path, STR_NULL, NULL, &a))
        return false;
    if (a.status == 204)
        return true;
    fprintf(stderr,
            "berth: the server let files go before this backup was finished: it took longer "
            "than backup_hold. Raise that, and begin again.\n");
    return false;
}

/* Somebody else's file is not written over, and half a backup is not left. */
static int open_file(const struct backup *b)
{
    int fd;

    if (strcmp(b->file, "-") == 0) {
        if (!isatty(STDOUT_FILENO))
            return STDOUT_FILENO;
        fprintf(stderr, "berth: a backup is not for a terminal. Send it to a file or a pipe.\n");
        return -1;
    }
    fd = open(b->file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        fprintf(stderr, "berth: cannot make %s: %s.\n", b->file, strerror(errno));
    return fd;
}

int backup_command(const struct command *c, const char *const *args)
{
    struct backup *b;
    struct given g;
    bool ok;
    int fd;

    if (!given_read(c, args, 1, 1, &g))
        return 2;
    b = xnew(struct backup);
    if (!remote_admin(&g, &b->remote)) {
        free(b);
        return 2;
    }
    b->file = g.positions[0];
    b->root = b->remote.folder;
    fd = open_file(b);
    if (fd < 0) {
        free(b);
        return 1;
    }
    ok = begin(b, given_flag(&g, "--force") != NULL);
    if (ok) {
        ok = pack_all(b, fd) == STATUS_OK;
        if (isatty(STDERR_FILENO))
            fputc('\n', stderr);
        if (!ok)
            fprintf(stderr, "berth: %s\n", b->error.text);
        ok = end(b) && ok;
    }
    if (fd != STDOUT_FILENO) {
        close(fd);
        if (!ok)
            unlink(b->file);
    }
    if (ok)
        fprintf(stderr, "berth: backup of %s: %lld files, %.1f MB\n", b->root,
                (long long)b->entries, (double)b->bytes / 1e6);
    free(b);
    return ok ? 0 : 1;
}

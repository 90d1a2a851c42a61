/* SPDX-License-Identifier: Apache-2.0 */
#include "run/unpack.h"

#include "base/buf.h"
#include "base/encode.h"
#include "base/utf8.h"

#include <archive.h>
#include <archive_entry.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <sys/stat.h>
#include <unistd.h>

struct unpacking {
    struct archive *archive;
    int root; /* folder that everything is opened below */
    const struct unpack_limits *limits;
    int64_t bytes, files; /* bytes: of the files as they will be, holes included */
    struct error *err;
};

/* Names are UTF-8 in some formats and bytes in others; libarchive gives the one or the other in our
 * locale. */
static const char *entry_path(struct archive_entry *e)
{
    const char *s = archive_entry_pathname(e);

    return s ? s : archive_entry_pathname_utf8(e);
}

static const char *entry_target(struct archive_entry *e)
{
    const char *s = archive_entry_symlink(e);

    return s ? s : archive_entry_symlink_utf8(e);
}

enum { PROBLEM_SIZE = 128 };

/* NULL: fine; else what is wrong with the path. */
static const char *path_problem(const struct unpack_limits *limits, struct str path,
                                char text[PROBLEM_SIZE])
{
    struct str rest = path, part;
    int64_t depth = 0;

    if (path.n == 0)
        return "an empty name";
    if (path.n > (size_t)limits->max_path) {
        snprintf(text, PROBLEM_SIZE, "a path longer than %lld bytes (max_push_path)",
                 (long long)limits->max_path);
        return text;
    }
    if (path.p[0] == '/')
        return "an absolute path";
    if (!utf8_valid(path))
        return "a name that is not UTF-8";
    for (size_t i = 0; i < path.n; i++)
        if ((unsigned char)path.p[i] < 0x20 || path.p[i] == 0x7f)
            return "a control character in its name";
    while (str_split(&rest, '/', &part)) {
        if (str_is(part, ".."))
            return "a path that leads out of the folder (..)";
        depth += part.n > 0 && !str_is(part, ".");
    }
    if (depth > limits->max_depth) {
        snprintf(text, PROBLEM_SIZE, "folders nested more than %lld deep (max_push_depth)",
                 (long long)limits->max_depth);
        return text;
    }
    return NULL;
}

/* A link may point anywhere inside the tree: walked as text from where it stands. That is the truth
 * only while ".." comes first: behind another link's name it would lead up from wherever that one
 * points. */
static bool link_stays_inside(struct str path, struct str target)
{
    struct str rest = path, part;
    bool went_down = false;
    int depth = -1;

    if (target.n == 0 || target.p[0] == '/')
        return false;
    while (str_split(&rest, '/', &part))
        depth += part.n > 0 && !str_is(part, ".");
    rest = target;
    while (str_split(&rest, '/', &part)) {
        if (part.n == 0 || str_is(part, "."))
            continue;
        if (str_is(part, "..") && (went_down || --depth < 0))
            return false;
        went_down = went_down || !str_is(part, "..");
    }
    return true;
}

static enum status disk_trouble(struct unpacking *u, const char *path)
{
    if (errno == EEXIST || errno == EISDIR || errno == ENOTDIR || errno == ELOOP)
        return FAIL(u->err, STATUS_INVALID,
                    "The pushed folder has %.200s more than once, as different things.", path);
    return FAIL(u->err, errno == ENOSPC ? STATUS_DISK_FULL : STATUS_BROKEN,
                "cannot write %.200s: %s", path, strerror(errno));
}

static enum status count_file(struct unpacking *u)
{
    if (++u->files > u->limits->max_files)
        return FAIL(u->err, STATUS_TOO_LARGE,
                    "The pushed folder has more than %lld files and folders (max_push_files).",
                    (long long)u->limits->max_files);
    return STATUS_OK;
}

/* Makes a folder on the way to a file, which counts as one; false with errno. EDQUOT: too many. */
static bool make_folder(struct unpacking *u, int at, const char *name)
{
    if (mkdirat(at, name, 0755) != 0)
        return errno == EEXIST;
    if (count_file(u) == STATUS_OK)
        return true;
    errno = EDQUOT;
    return false;
}

/* Opens the folder that `path` stands in, making what is missing, never through a link. The file's
 * own name is left in *out_name. */
static int open_parent(struct unpacking *u, struct str path, char out_name[256])
{
    struct str rest = path, part, next;
    int at = fcntl(u->root, F_DUPFD_CLOEXEC, 0);

    out_name[0] = '\0';
    while (at >= 0 && str_split(&rest, '/', &part)) {
        char name[256];
        int below;

        if (part.n == 0 || str_is(part, "."))
            continue;
        if (part.n > 255) {
            errno = ENAMETOOLONG;
            close(at);
            return -1;
        }
        snprintf(name, sizeof(name), "%.*s", STR_ARG(part));
        next = rest;
        while (next.n && next.p[0] == '/')
            next = str_make(next.p + 1, next.n - 1);
        if (!rest.p || next.n == 0) {
            snprintf(out_name, 256, "%s", name);
            return at;
        }
        if (!make_folder(u, at, name)) {
            int code = errno;

            close(at);
            errno = code;
            return -1;
        }
        below = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        close(at);
        at = below;
    }
    return at;
}

/* Counts that a file will reach up to `end`; `*size` is what was counted before. */
static enum status count_bytes(struct unpacking *u, int64_t end, int64_t *size)
{
    if (end < 0 || end > u->limits->max_bytes ||
        u->bytes + MAX(end - *size, 0) > u->limits->max_bytes)
        return FAIL(
            u->err, STATUS_TOO_LARGE,
            "The pushed folder is larger than %lld bytes when unpacked (max_push_unpacked).",
            (long long)u->limits->max_bytes);
    u->bytes += MAX(end - *size, 0);
    *size = MAX(end, *size);
    return STATUS_OK;
}

static enum status write_bytes(struct unpacking *u, struct archive_entry *e, int fd,
                               const char *path)
{
    const void *p;
    size_t n;
    la_int64_t offset;
    int64_t size = 0;
    int r;

    if (archive_entry_size_is_set(e)) {
        enum status s = count_bytes(u, archive_entry_size(e), &size);

        if (s != STATUS_OK)
            return s;
    }
    while ((r = archive_read_data_block(u->archive, &p, &n, &offset)) == ARCHIVE_OK) {
        if (offset < 0 || offset > INT64_MAX - (int64_t)n ||
            count_bytes(u, offset + (int64_t)n, &size) != STATUS_OK)
            return FAIL(u->err, STATUS_TOO_LARGE,
                        "The pushed folder is larger than %lld bytes when unpacked "
                        "(max_push_unpacked).",
                        (long long)u->limits->max_bytes);
        while (n > 0) {
            ssize_t m = pwrite(fd, p, n, offset);

            if (m <= 0)
                return disk_trouble(u, path);
            p = (const char *)p + m;
            offset += m;
            n -= (size_t)m;
        }
    }
    if (r != ARCHIVE_EOF)
        return FAIL(u->err, STATUS_INVALID, "The pushed archive is damaged at %.200s: %s", path,
                    archive_error_string(u->archive));
    if (ftruncate(fd, size) != 0) /* it may end in a hole */
        return disk_trouble(u, path);
    return STATUS_OK;
}

static enum status make_file(struct unpacking *u, struct archive_entry *e, int dir,
                             const char *name, const char *path)
{
    mode_t mode = archive_entry_perm(e) & 0111 ? 0755 : 0644;
    enum status s;
    int fd;

    unlinkat(dir, name, 0);
    fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
    if (fd < 0)
        return disk_trouble(u, path);
    s = write_bytes(u, e, fd, path);
    if (s == STATUS_OK && fchmod(fd, mode) != 0)
        s = disk_trouble(u, path);
    close(fd);
    return s;
}

static enum status make_entry(struct unpacking *u, struct archive_entry *e, struct str path)
{
    const char *target = entry_target(e);
    char name[256];
    int dir = open_parent(u, path, name);
    enum status s = STATUS_OK;

    if (dir < 0 && errno == EDQUOT && u->files > u->limits->max_files)
        return STATUS_TOO_LARGE;
    if (dir < 0)
        return FAIL(u->err, STATUS_INVALID, "The entry %.*s cannot be put anywhere: %s",
                    STR_ARG(path), strerror(errno));
    if (!*name && archive_entry_filetype(e) != AE_IFDIR) {
        s = FAIL(u->err, STATUS_INVALID,
                 "The pushed folder has a file without a name of its own: %.*s", STR_ARG(path));
    } else if (archive_entry_filetype(e) == AE_IFDIR) {
        if (*name && mkdirat(dir, name, 0755) != 0 && errno != EEXIST)
            s = disk_trouble(u, name);
    } else if (archive_entry_filetype(e) == AE_IFLNK) {
        if (!target || !link_stays_inside(path, str_of(target)))
            s = FAIL(u->err, STATUS_INVALID,
                     "The pushed folder has a link that points out of it: %.*s -> %.200s",
                     STR_ARG(path), target ? target : "");
        else if (symlinkat(target, dir, name) != 0)
            s = disk_trouble(u, name);
    } else {
        s = make_file(u, e, dir, name, name);
    }
    close(dir);
    return s;
}

static enum status take_entry(struct unpacking *u, struct archive_entry *e)
{
    const char *raw = entry_path(e);
    struct str path = str_of(raw ? raw : "");
    char text[PROBLEM_SIZE];
    const char *problem = path_problem(u->limits, path, text);
    unsigned type = archive_entry_filetype(e);

    if (problem)
        return FAIL(u->err, STATUS_INVALID, "The pushed folder has an entry with %s: \"%.200s\"",
                    problem, raw && utf8_valid(path) ? raw : "");
    if (archive_entry_hardlink(e) || archive_entry_hardlink_utf8(e))
        return FAIL(u->err, STATUS_INVALID,
                    "The pushed folder has a hard link, which is not taken: %.200s", raw);
    if (type != AE_IFREG && type != AE_IFDIR && type != AE_IFLNK)
        return FAIL(u->err, STATUS_INVALID,
                    "The pushed folder has a device, socket or pipe, which is not taken: %.200s",
                    raw);
    if (count_file(u) != STATUS_OK)
        return STATUS_TOO_LARGE;
    return make_entry(u, e, path);
}

enum status unpack_folder(const char *archive, const char *target,
                          const struct unpack_limits *limits, struct error *err)
{
    struct unpacking u = { .limits = limits, .err = err };
    struct archive_entry *e;
    enum status s = STATUS_OK;
    int r = ARCHIVE_OK;

    u.root = open(target, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (u.root < 0)
        return FAIL(err, STATUS_BROKEN, "cannot open %s: %s", target, strerror(errno));
    u.archive = archive_read_new();
    archive_read_support_filter_gzip(u.archive);
    archive_read_support_format_tar(u.archive);
    if (archive_read_open_filename(u.archive, archive, 65536) != ARCHIVE_OK)
        s = FAIL(err, STATUS_INVALID, "The body is not a gzip tar archive: %s",
                 archive_error_string(u.archive));
    while (s == STATUS_OK && (r = archive_read_next_header(u.archive, &e)) != ARCHIVE_EOF) {
        if (r < ARCHIVE_WARN)
            s = FAIL(err, STATUS_INVALID, "The body is not a gzip tar archive, or is damaged: %s",
                     archive_error_string(u.archive));
        else
            s = take_entry(&u, e);
    }
    archive_read_free(u.archive);
    close(u.root);
    return s;
}

/* --- digest --- */

static int by_name(const FTSENT **a, const FTSENT **b)
{
    return strcmp((*a)->fts_name, (*b)->fts_name);
}

static enum status digest_file(struct sha256_ctx *c, const char *path, struct error *err)
{
    char piece[2048];
    ssize_t n;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return FAIL(err, STATUS_BROKEN, "cannot read %s: %s", path, strerror(errno));
    while ((n = read(fd, piece, sizeof(piece))) > 0)
        sha256_add(c, piece, (size_t)n);
    close(fd);
    return n < 0 ? FAIL(err, STATUS_BROKEN, "cannot read %s: %s", path, strerror(errno))
                 : STATUS_OK;
}

static enum status digest_entry(struct sha256_ctx *c, const FTSENT *e, size_t skip,
                                struct error *err)
{
    struct buf head CLEANUP(buf_deinit) = BUF_INIT(8192);
    char target[4096];
    ssize_t n;

    if (e->fts_info == FTS_DNR || e->fts_info == FTS_ERR || e->fts_info == FTS_NS)
        return FAIL(err, STATUS_BROKEN, "cannot read %s: %s", e->fts_path, strerror(e->fts_errno));
    if (e->fts_info == FTS_F) {
        buf_addf(&head, "%s%c%s%c%lld%c", e->fts_statp->st_mode & 0111 ? "x" : "f", 0,
                 e->fts_path + skip, 0, (long long)e->fts_statp->st_size, 0);
        sha256_add(c, head.p, head.n);
        return digest_file(c, e->fts_accpath, err);
    }
    if (e->fts_info == FTS_SL || e->fts_info == FTS_SLNONE) {
        n = readlink(e->fts_accpath, target, sizeof(target) - 1);
        if (n < 0)
            return FAIL(err, STATUS_BROKEN, "cannot read the link %s: %s", e->fts_path,
                        strerror(errno));
        buf_addf(&head, "l%c%s%c%.*s%c", 0, e->fts_path + skip, 0, (int)n, target, 0);
        sha256_add(c, head.p, head.n);
    }
    return STATUS_OK;
}

enum status tree_digest(const char *folder, const char *also, char out_hex[65], struct error *err)
{
    char *const roots[] = { (char *)(uintptr_t)folder, NULL };
    struct sha256_ctx *c = sha256_new();
    struct buf hex CLEANUP(buf_deinit) = BUF_INIT(128);
    FTS *tree = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, by_name);
    unsigned char sum[SHA256_SIZE];
    enum status s = STATUS_OK;
    FTSENT *e;

    if (!tree)
        s = FAIL(err, STATUS_BROKEN, "cannot read %s: %s", folder, strerror(errno));
    while (s == STATUS_OK) {
        errno = 0;
        e = fts_read(tree);
        if (e)
            s = digest_entry(c, e, strlen(folder), err);
        else if (errno != 0)
            s = FAIL(err, STATUS_BROKEN, "cannot read %s: %s", folder, strerror(errno));
        if (!e)
            break;
    }
    if (tree)
        fts_close(tree);
    sha256_add(c, also, strlen(also));
    sha256_end(c, sum);
    hex_add(&hex, sum, sizeof(sum));
    snprintf(out_hex, 65, "%s", hex.p);
    return s;
}

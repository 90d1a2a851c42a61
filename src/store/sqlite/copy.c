/* SPDX-License-Identifier: Apache-2.0 */
/* One step from the first page to the last: the source's read transaction is one snapshot, and
 * writers on other connections go on beside it, because the log is not copied back meanwhile. In
 * several steps SQLite would begin anew after each write of another connection. */
#include "store/sqlite/sqlite.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static enum status copy_pages(sqlite3 *from, sqlite3 *to, const char *path, struct error *err)
{
    sqlite3_backup *b = sqlite3_backup_init(to, "main", from, "main");
    int rc = SQLITE_OK;

    if (!b)
        return FAIL(err, STATUS_BROKEN, "cannot copy the database to %s: %s", path,
                    sqlite3_errmsg(to));
    rc = sqlite3_backup_step(b, -1);
    (void)sqlite3_backup_finish(b);
    if (rc == SQLITE_DONE)
        return STATUS_OK;
    return FAIL(err, (rc & 0xff) == SQLITE_FULL ? STATUS_DISK_FULL : STATUS_BROKEN,
                "cannot copy the database to %s: %s", path, sqlite3_errstr(rc));
}

enum status sqlite_copy(struct db *base, const char *path, struct error *err)
{
    struct sqlite_db *db = container_of(base, struct sqlite_db, base);
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600), rc = SQLITE_OK;
    sqlite3 *to = NULL;
    enum status s = STATUS_OK;

    if (fd < 0)
        return FAIL(err,
                    errno == EEXIST   ? STATUS_CONFLICT
                    : errno == ENOSPC ? STATUS_DISK_FULL
                                      : STATUS_BROKEN,
                    "cannot make %s: %s", path, strerror(errno));
    (void)close(fd);
    rc = sqlite3_open_v2(path, &to, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    s = rc == SQLITE_OK ? copy_pages(db->handle, to, path, err)
                        : FAIL(err, STATUS_BROKEN, "cannot open %s: %s", path, sqlite3_errstr(rc));
    /* Of its own, so that the copy is one file: the log that it would otherwise leave is folded in.
     */
    if (s == STATUS_OK &&
        sqlite3_exec(to, "PRAGMA journal_mode = DELETE", NULL, NULL, NULL) != SQLITE_OK)
        s = FAIL(err, STATUS_BROKEN, "cannot finish %s: %s", path, sqlite3_errmsg(to));
    (void)sqlite3_close(to);
    if (s != STATUS_OK)
        (void)unlink(path);
    return s;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The Python helpers travel inside the binary, so that one file is all there is to install. */
#include "serve/helpers_data.h"
#include "serve/serve.h"

#include "base/buf.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static enum status write_file(const char *path, const void *p, size_t n, struct error *err)
{
    struct buf temporary CLEANUP(buf_deinit) = BUF_INIT(4096);
    int fd;
    bool ok;

    buf_addf(&temporary, "%s.new", path);
    fd = open(temporary.p, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    ok = fd >= 0 && write(fd, p, n) == (ssize_t)n && fchmod(fd, 0644) == 0;
    if (fd >= 0)
        close(fd);
    if (!ok || rename(temporary.p, path) != 0)
        return FAIL(err, errno == ENOSPC ? STATUS_DISK_FULL : STATUS_BROKEN, "cannot write %s: %s",
                    path, strerror(errno));
    return STATUS_OK;
}

static enum status make_dir(const char *path, struct error *err)
{
    if ((mkdir(path, 0755) != 0 && errno != EEXIST) || chmod(path, 0755) != 0)
        return FAIL(err, STATUS_BROKEN, "cannot make the folder %s: %s", path, strerror(errno));
    return STATUS_OK;
}

enum status helpers_write(const char *data, struct error *err)
{
    static const struct {
        const char *name;
        const unsigned char *p;
        const size_t *n;
    } files[] = {
        { "lib/cog_schema.py", HELPER_COG_SCHEMA, &HELPER_COG_SCHEMA_SIZE },
        { "lib/shim/sitecustomize.py", HELPER_SITECUSTOMIZE, &HELPER_SITECUSTOMIZE_SIZE },
    };
    static const char *const folders[] = { "lib", "lib/shim" };
    struct buf path CLEANUP(buf_deinit) = BUF_INIT(4096);
    enum status s = STATUS_OK;

    for (size_t i = 0; s == STATUS_OK && i < ARRAY_SIZE(folders); i++) {
        buf_clear(&path);
        buf_addf(&path, "%s/%s", data, folders[i]);
        s = make_dir(path.p, err);
    }
    for (size_t i = 0; s == STATUS_OK && i < ARRAY_SIZE(files); i++) {
        buf_clear(&path);
        buf_addf(&path, "%s/%s", data, files[i].name);
        s = write_file(path.p, files[i].p, *files[i].n, err);
    }
    return s;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "driver/process/process_impl.h"
#include "init/file.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#define USER_FILE "uid"

enum { USER_MAX = 32 };

enum status process_user_take(struct process_instance *i, struct error *err)
{
    char text[USER_MAX];
    enum status st;

    if (!i->driver->uids)
        return STATUS_OK;
    st = uids_take(i->driver->uids, &i->uid, err);
    if (st)
        return st;
    snprintf(text, sizeof(text), "%u\n", i->uid);
    return init_file_replace(i->dirfd, USER_FILE, str_of(text), err);
}

uint32_t process_user_read(int dirfd)
{
    struct buf b CLEANUP(buf_deinit) = BUF_INIT(USER_MAX);
    struct str text;
    int64_t uid;

    if (dirfd < 0 || init_file_read(dirfd, USER_FILE, &b, NULL) != STATUS_OK || b.n == 0)
        return 0;
    text = str_make(b.p, b.n - 1);
    return str_to_i64(text, &uid) && uid > 0 && uid < UINT32_MAX ? (uint32_t)uid : 0;
}

void process_users_take_again(struct process_driver *p)
{
    int fd = openat(p->instances_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    const struct dirent *e;

    while (dir && (e = readdir(dir))) {
        int one =
            openat(p->instances_fd, e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        uint32_t uid = process_user_read(one);

        if (uid && p->uids)
            uids_take_again(p->uids, uid);
        if (one >= 0)
            close(one);
    }
    if (dir)
        closedir(dir);
}

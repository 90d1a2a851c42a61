/* SPDX-License-Identifier: Apache-2.0 */
#include "driver/process/process_impl.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

enum status process_user_take(struct process_instance *i, struct error *err)
{
    enum status st;

    if (!i->driver->uids)
        return STATUS_OK;
    st = uids_take(i->driver->uids, &i->uid, err);
    return st ? st : uids_note(i->dirfd, i->uid, err);
}

void process_users_take_again(struct process_driver *p)
{
    int fd = openat(p->instances_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    const struct dirent *e;

    while (dir && (e = readdir(dir))) {
        int one =
            openat(p->instances_fd, e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        uint32_t uid = uids_noted(one);

        if (uid && p->uids)
            uids_take_again(p->uids, uid);
        if (one >= 0)
            close(one);
    }
    if (dir)
        closedir(dir);
}

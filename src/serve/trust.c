/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/trust.h"

#include "base/log.h"
#include "base/socket_owner.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

/* Where the server is no root, there are no users to hand out; what follows from that is said with
 * all else that this machine does not let us enforce. */
enum status trust_uids(const struct options *o, const char *data, struct uids **out,
                       struct error *err)
{
    const char *range = o->instance_uids;

    *out = NULL;
    if (strcmp(range, "off") == 0)
        return STATUS_OK;
    if (uids_new(range, data, out, err) != STATUS_OK)
        return STATUS_INVALID;
    if (geteuid() != 0) {
        uids_free(*out);
        *out = NULL;
    }
    return STATUS_OK;
}

enum status trust_folders(const char *folders, struct error *err)
{
    struct str rest = str_of(folders), one;

    while (str_split(&rest, ':', &one)) {
        if (folders[0] && (one.n < 2 || one.p[0] != '/'))
            return FAIL(err, STATUS_INVALID,
                        "instance_folders has \"%.*s\"; it must be absolute paths with colons "
                        "between, each with =rw behind it where instances may write.",
                        STR_ARG(one));
    }
    return STATUS_OK;
}

/* Our user's own files are nobody's business; but some users of the system call one of its folders
 * their home. */
const char *trust_home(void)
{
    static const char *const systems[] = { "/usr/", "/bin/", "/sbin/", "/lib/", "/dev/",
                                           "/etc/", "/opt/", "/proc/", "/sys/" };
    const char *home = getenv("HOME");
    char path[PATH_MAX];

    if (!home || home[0] != '/' || !home[1])
        return NULL;
    snprintf(path, sizeof(path), "%s/", home);
    for (size_t i = 0; i < ARRAY_SIZE(systems); i++) {
        if (str_starts(str_of(path), systems[i]))
            return NULL;
    }
    return home;
}

/* As root, other users cannot anyway, and a debugger may. */
void trust_nobody_to_look(void)
{
    if (geteuid() != 0)
        prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

bool trust_refuses(void *uids, int fd)
{
    uint32_t uid;

    if (socket_peer_owner(fd, &uid) != STATUS_OK || !uids_has(uids, uid))
        return false;
    log_debug("an instance's or a build's connection to the public port was closed",
              LOG_I("user", uid));
    return true;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Which Python interpreters and tools the machine has. */
#include "run/build_impl.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

enum { LEAST_MINOR = 10, MOST_MINOR = 14 };

static bool runs(const char *path)
{
    return access(path, X_OK) == 0;
}

/* A name on PATH may be a shim for a version that is not there: only one that starts counts. Its
 * first words are asked for in isolated mode, so that nobody's environment has a say. */
static bool is_python(const char *path)
{
    char name[] = "python", isolated[] = "-I", command[] = "-c", program[] = "import venv, ssl";
    char *const args[] = { name, isolated, command, program, NULL };
    posix_spawn_file_actions_t actions;
    int status = -1;
    pid_t pid;
    int rc;

    if (!runs(path))
        return false;
    posix_spawn_file_actions_init(&actions);
    for (int fd = 0; fd < 3; fd++)
        posix_spawn_file_actions_addopen(&actions, fd, "/dev/null", fd ? O_WRONLY : O_RDONLY, 0);
    rc = posix_spawn(&pid, path, &actions, NULL, args, environ);
    posix_spawn_file_actions_destroy(&actions);
    return rc == 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
           WEXITSTATUS(status) == 0;
}

/* Interpreters of the distribution come first: another user can run them too. */
static bool find_minor(int minor, char out[256])
{
    struct str rest = str_of(getenv("PATH")), dir;

    snprintf(out, 256, "/usr/bin/python3.%d", minor);
    if (is_python(out))
        return true;
    snprintf(out, 256, "/usr/local/bin/python3.%d", minor);
    if (is_python(out))
        return true;
    while (rest.p && str_split(&rest, ':', &dir)) {
        if (dir.n == 0 || dir.n > 200)
            continue;
        snprintf(out, 256, "%.*s/python3.%d", STR_ARG(dir), minor);
        if (is_python(out))
            return true;
    }
    return false;
}

enum status python_find(const char *wanted, bool strict, char out_path[256], char out_version[32],
                        struct error *err)
{
    struct str rest = str_of(wanted), major, minor_text;
    uint64_t minor = 11;
    bool said = wanted && *wanted;

    if (said &&
        (!str_split(&rest, '.', &major) || !str_is(major, "3") ||
         (rest.p && (!str_split(&rest, '.', &minor_text) || !str_to_u64(minor_text, &minor)))))
        return FAIL(err, STATUS_INVALID,
                    "build.python_version is \"%.40s\"; it must be a version such as 3.11.",
                    wanted);
    for (int distance = 0; distance < 100; distance++) {
        for (int sign = 1; sign >= -1; sign -= 2) { /* of two that are as near, the newer one */
            int m = (int)MIN(minor, 99U) + sign * distance;

            if (m < LEAST_MINOR || m > MOST_MINOR || !find_minor(m, out_path))
                continue;
            snprintf(out_version, 32, "3.%d", m);
            if (distance > 0 && strict)
                return FAIL(err, STATUS_INVALID,
                            "build.python_version is %.20s, which is not on this "
                            "machine; the nearest is %s. Install "
                            "it, or turn python_version_strict off.",
                            wanted, out_version);
            return STATUS_OK;
        }
    }
    return FAIL(err, STATUS_NOT_FOUND,
                "There is no Python from 3.%d to 3.%d on this machine. Install python3.",
                LEAST_MINOR, MOST_MINOR);
}

void uv_find(const char *data, char out_path[512])
{
    struct str rest = str_of(getenv("PATH")), dir;

    snprintf(out_path, 512, "%.480s/tools/bin/uv", data);
    if (runs(out_path))
        return;
    while (rest.p && str_split(&rest, ':', &dir)) {
        if (dir.n == 0 || dir.n > 480)
            continue;
        snprintf(out_path, 512, "%.*s/uv", STR_ARG(dir));
        if (runs(out_path))
            return;
    }
    out_path[0] = '\0';
}

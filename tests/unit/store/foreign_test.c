/* SPDX-License-Identifier: Apache-2.0 */
/* Another program may look into the database while the server runs (an administrator's shell, a
 * backup). When it closes, it must find our locks in place: else it takes itself for the last user
 * and deletes the log under us. */
#include "support.h"

#include <spawn.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* The other program. It is this one started anew: a fork alone would take with it whatever locks
 * the store's threads hold in that moment, and wait for them for ever. */
static int look_and_close(const char *path)
{
    sqlite3 *db = NULL;

    if (sqlite3_open(path, &db) != SQLITE_OK ||
        sqlite3_exec(db, "SELECT count(*) FROM account", NULL, NULL, NULL) != SQLITE_OK)
        return 1;
    sqlite3_close(db);
    return 0;
}

static void test_another_program_leaves_the_log_alone(void **state)
{
    struct fixture *f = *state;
    struct stat before, after;
    char wal[512];
    int status = -1;
    char name[] = "foreign_test", *program[] = { name, f->path, NULL };
    pid_t pid = 0;

    seed_accounts(f);
    (void)snprintf(wal, sizeof(wal), "%s-wal", f->path);
    assert_int_equal(stat(wal, &before), 0);
    assert_int_equal(posix_spawn(&pid, "/proc/self/exe", NULL, NULL, program, environ), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_int_equal(stat(wal, &after), 0);
    assert_int_equal(before.st_ino, after.st_ino);
}

int main(int argc, char **argv)
{
    if (argc == 2)
        return look_and_close(argv[1]);

    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_another_program_leaves_the_log_alone, file_setup,
                                        store_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

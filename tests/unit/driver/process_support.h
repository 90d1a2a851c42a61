/* SPDX-License-Identifier: Apache-2.0 */
/* For the tests of the process driver: real supervisors, with a shell script in the place of the
 * model server. */
#pragma once

#include "driver/process/process_impl.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* One launch and all that was told of it. */
struct watch {
    struct launch launch;
    struct buf lines; /* each with a newline */
    char address[128], socket[128], handle[512];
    bool is_ended;
    struct exit_info how;
    struct error err;
    bool failed;
    bool release_on_line; /* lets go within the event */
};

struct world {
    struct loop *loop;
    struct driver *driver;
    char data[64], version[96];
    const char *argv[4];
    bool no_cgroup, no_mounts; /* set before world_start(), as is: */
    const char *uid_range;     /* instances get users of their own; NULL: they do not */
    struct uids *uids;
    bool own_networks; /* only where a driver with them can be made */
    struct sku sku;
    struct version_config config;
    struct launch_spec spec;
};

int world_setup(void **state);    /* *state is a struct world; world_start() is up to the test */
int world_teardown(void **state); /* checks that nothing is left in the instances folder */

/* Makes the driver; `script` is for /bin/sh. `say PID` may be used in it to print "pid PID";
 * `await` blocks until world_go(). */
void world_start(struct world *w, const char *script);
/* As a server that ends and one that starts: a new loop and a new driver. Launches must be released
 * or ended. */
void world_restart(struct world *w);
void world_go(struct world *w);
bool world_has_folder(const struct world *w, const char *id);

void launch(struct world *w, struct watch *x, const char *id);
void recover(struct world *w, struct watch *x, const char *id);
void watch_deinit(struct watch *x);

/* These run the loop until it is so. */
void until_ended(struct world *w, struct watch *x);
void until_address(struct world *w, struct watch *x);
void until_line(struct world *w, struct watch *x, const char *text);
void until_empty(struct world *w); /* the driver has no instance any more */

bool has_line(const struct watch *x, const char *line); /* the whole line */
/* The number in the line "pid N"; the n-th such line from 0. */
pid_t pid_in(const struct watch *x, int n);
int count_pids(const struct watch *x);
pid_t supervisor_of(const struct watch *x); /* from the handle */
pid_t number_after(const struct watch *x,
                   const char *word); /* anywhere in the lines; 0: not there */
bool is_alive(pid_t pid);
void wait_gone(pid_t pid); /* blocks until the process has ended */

/* main() of these tests: this very program is the supervisor too. */
int process_test_main(int argc, char **argv, const struct CMUnitTest *tests, size_t n);
#define PROCESS_TEST(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)

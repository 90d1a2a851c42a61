/* SPDX-License-Identifier: Apache-2.0 */
/* Inside the process driver. */
#pragma once

#include "base/buf.h"
#include "base/list.h"
#include "driver/driver_impl.h"
#include "driver/process/process.h"
#include "init/spec.h"
#include "init/state.h"
#include "loop/child.h"
#include "loop/loop.h"

#include <uv.h>

struct process_driver {
    struct driver driver;
    char *data, *instances_path, *self, *shim, *home, *folders;
    struct uids *uids; /* not ours; NULL: instances run as our own user */
    bool own_networks;
    int instances_fd;
    struct list instances; /* all of them, those without a launch too */
    size_t n_removals;     /* folders being removed */
    bool is_freeing;
    struct driver_facts facts;
    /* Tests only: run instead of the model server, and what to do without. */
    const char *const *test_argv;
    const char *test_dev; /* instead of "/dev", where AMD's devices are */
    bool test_no_cgroup, test_no_mounts;
};

/* Where an instance of the driver stands. It is freed from any of them by process_instance_drop().
 */
enum process_phase {
    PROCESS_STARTING,  /* the supervisor is going into the background */
    PROCESS_FINDING,   /* of an earlier server: its supervisor is looked for on the next turn */
    PROCESS_CONNECTED, /* events come from the supervisor */
    PROCESS_LEAVING,   /* what was left behind, and the folder, are being removed */
    PROCESS_GONE       /* handles are closing */
};

struct process_instance {
    struct list node;
    struct process_driver *driver;
    struct launch *launch; /* NULL: released, ended, or never asked for (swept) */
    enum process_phase phase;
    char id[32];
    char *folder;
    int dirfd;    /* -1: no such folder */
    uint32_t uid; /* its user; 0: ours */
    struct child child;
    struct buf complaint; /* what a supervisor said that did not start */
    struct deferred later;
    struct timer retry;
    int n_tries;
    uv_pipe_t pipe; /* always initialised, freed in its close callback */
    struct buf in;
    char chunk[16 * 1024];
    struct init_state state;
    uint64_t next_off; /* ring offset of the next line to come */
    bool told_handle, told_address, is_swept, is_failed;
    bool stop_wanted; /* before there was a connection */
    int64_t stop_grace_ms;
    struct error error;  /* is_failed */
    struct buf to_clean; /* predictions whose folders are to be removed, each ends with NUL */
    struct timer cleaning;
    /* PROCESS_LEAVING */
    struct work removal;
    bool kill_leftovers, is_removed;
};

static inline struct process_driver *process_of(struct driver *d)
{
    return container_of(d, struct process_driver, driver);
}

/* instance.c */
struct process_instance *process_instance_new(struct process_driver *p, struct launch *l,
                                              const char *id);
void process_instance_launch(struct process_instance *i, const struct launch_spec *spec);
void process_instance_find(struct process_instance *i);
void process_instance_stop(struct process_instance *i, int64_t grace_ms);
void process_instance_drop(
    struct process_instance *i); /* frees it on a later turn; it goes on running */

/* leave.c: the end of an instance, its folder, and what a dead supervisor left running. */
void process_instance_leave(struct process_instance *i, bool kill_leftovers);
void process_instance_tell_end(struct process_instance *i);
void process_clean(struct process_instance *i, const char *prediction_id); /* soon */
void process_clean_now(struct process_instance *i); /* all that is to be cleaned soon */
void process_on_cleaning(struct timer *t);

/* command.c: the supervisor's spec; strings live in the arena. */
struct init_spec process_command(const struct process_driver *p, struct arena *a,
                                 const char *folder, const struct launch_spec *spec);

/* user.c: the user of an instance stands in its folder, as long as that is there: so no user is
 * given twice, whoever has been restarted. */
enum status process_user_take(struct process_instance *i, struct error *err) NODISCARD;
void process_users_take_again(struct process_driver *p); /* of all folders: at the start */

/* For tests: what runs instead of Cog's server (must outlive the driver), and which isolation to do
 * without. */
void process_driver_test(struct driver *d, const char *const *argv, bool no_cgroup, bool no_mounts);
/* For tests: instances that exist in this driver, those that are being removed included. */
size_t process_driver_count(struct driver *d);

/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"
#include "driver/process/process_impl.h"
#include "init/cgroup.h"
#include "init/file.h"
#include "init/procs.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

void process_instance_tell_end(struct process_instance *i)
{
    struct launch *l = TAKE(i->launch);
    struct exit_info how;
    struct error err = i->error;
    bool failed = i->is_failed;

    if (!l)
        return;
    how = exit_info_make(i->state.code, i->state.signal, i->state.out_of_memory,
                         !failed && !i->state.is_ended);
    how.ended_at = i->state.ended_at;
    if (i->state.out_of_disk)
        snprintf(how.text, sizeof(how.text), "ended for using more disk than its hardware has");
    if (failed)
        how.code = -1;
    launch_ended(l, &how, failed ? &err : NULL);
}

/* Its supervisor was killed before its time, so that nobody watches what it started. HOME in the
 * environment tells those that left the process group and the control group. */
static void kill_leftovers(const struct process_instance *i)
{
    enum { ROUNDS = 200, PAUSE_US = 10000 };
    const struct init_state *s = &i->state;
    struct cgroup g = { .memory = "" };
    char *mark = xasprintf("HOME=%s/home", i->folder);

    memcpy(g.memory, s->cgroups[0], sizeof(g.memory));
    memcpy(g.cpu, s->cgroups[1], sizeof(g.cpu));
    memcpy(g.pids, s->cgroups[2], sizeof(g.pids));
    if (s->pid > 0 && procs_start((pid_t)s->pid) == s->start)
        kill((pid_t)s->pid, SIGKILL);
    if (s->model_pid > 0 && procs_start((pid_t)s->model_pid) == s->model_start)
        kill(-(pid_t)s->model_pid, SIGKILL);
    for (int n = 0; n < ROUNDS; n++) {
        cgroup_kill(&g);
        if (i->uid)
            procs_kill_user(i->uid);
        if (procs_kill_marked(str_of(mark)) == 0 && (!i->uid || procs_of_user(i->uid) == 0))
            break;
        usleep(PAUSE_US);
    }
    cgroup_remove(&g);
    free(mark);
}

/* On another thread. */
static void run_removal(struct work *w)
{
    struct process_instance *i = container_of(w, struct process_instance, removal);

    if (i->kill_leftovers)
        kill_leftovers(i);
    i->is_removed = i->dirfd < 0 || folder_remove(i->driver->instances_fd, i->id);
}

static void removal_done(struct process_driver *p)
{
    p->n_removals--;
    if (p->is_freeing && p->n_removals == 0)
        loop_stop(p->driver.loop);
}

static void on_removed(struct work *w)
{
    struct process_instance *i = container_of(w, struct process_instance, removal);
    struct process_driver *p = i->driver;

    /* What still has a folder keeps its user: the next start finds both. */
    if (i->is_removed)
        uids_give(p->uids, i->uid);
    process_instance_tell_end(i);
    process_instance_drop(i);
    removal_done(p);
}

void process_instance_leave(struct process_instance *i, bool kill_leftovers)
{
    i->phase = PROCESS_LEAVING;
    i->kill_leftovers = kill_leftovers;
    i->driver->n_removals++;
    work_start(i->driver->driver.loop, &i->removal, run_removal, on_removed);
}

/* What predictions left is removed some time after them, many at once: the files that the next one
 * makes and the log of the store would wait for it, each for a part of a millisecond. */
enum { CLEAN_MS = 100, CLEAN_MAX = 4096 };

struct clean {
    struct work work;
    struct process_driver *driver;
    int dirfd;      /* the folder that holds `coglet` */
    struct buf ids; /* each ends with NUL */
};

/* The folders on the way belong to the model, which may have put a link there. */
static void run_clean(struct work *w)
{
    struct clean *c = container_of(w, struct clean, work);
    enum { FLAGS = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC };
    int coglet = openat(c->dirfd, "coglet", FLAGS);
    int predictions = coglet < 0 ? -1 : openat(coglet, "predictions", FLAGS);

    for (size_t at = 0; predictions >= 0 && at < c->ids.n; at += strlen(c->ids.p + at) + 1)
        folder_remove(predictions, c->ids.p + at);
    if (predictions >= 0)
        close(predictions);
    if (coglet >= 0)
        close(coglet);
    close(c->dirfd);
}

static void on_clean_done(struct work *w)
{
    struct clean *c = container_of(w, struct clean, work);

    removal_done(c->driver);
    buf_deinit(&c->ids);
    free(c);
}

void process_clean_now(struct process_instance *i)
{
    struct process_driver *p = i->driver;
    struct clean *c;
    int fd;

    timer_stop(&i->cleaning);
    if (i->to_clean.n == 0)
        return;
    fd = i->state.has_own_coglet ? fcntl(i->dirfd, F_DUPFD_CLOEXEC, 0)
                                 : open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        buf_clear(&i->to_clean);
        return;
    }
    c = xnew(struct clean);
    c->driver = p;
    c->dirfd = fd;
    c->ids = i->to_clean;
    i->to_clean = BUF_INIT(BUF_UNBOUNDED);
    p->n_removals++;
    work_start(p->driver.loop, &c->work, run_clean, on_clean_done);
}

void process_on_cleaning(struct timer *t)
{
    process_clean_now(container_of(t, struct process_instance, cleaning));
}

void process_clean(struct process_instance *i, const char *prediction_id)
{
    buf_add(&i->to_clean, prediction_id, strlen(prediction_id) + 1);
    if (i->to_clean.n > CLEAN_MAX)
        process_clean_now(i);
    else if (!timer_armed(&i->cleaning))
        timer_start(&i->cleaning, CLEAN_MS);
}

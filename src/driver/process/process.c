/* SPDX-License-Identifier: Apache-2.0 */
#include "driver/process/process.h"

#include "base/log.h"
#include "base/mem.h"
#include "driver/process/process_impl.h"
#include "init/init.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct process_driver *process_const(const struct driver *d)
{
    return (const struct process_driver *)(const void *)d;
}

_Static_assert(offsetof(struct process_driver, driver) == 0, "a driver is where its base is");

static const struct driver_facts *process_facts(const struct driver *d)
{
    return &process_const(d)->facts;
}

static void process_launch(struct driver *d, struct launch *l, const struct launch_spec *spec)
{
    process_instance_launch(process_instance_new(process_of(d), l, spec->id), spec);
}

/* The folder follows from the id, so that a data folder may be moved while nothing runs; the
 * handle's own one is for people. Lines come from the beginning of what the ring still holds: the
 * handle is stored far too seldom to tell where an earlier server stopped reading. */
static void process_recover(struct driver *d, struct launch *l, struct str handle)
{
    (void)handle;
    process_instance_find(process_instance_new(process_of(d), l, l->id));
}

static void process_stop(struct driver *d, struct launch *l, int64_t grace_ms)
{
    (void)d;
    process_instance_stop(l->impl, grace_ms);
}

static void process_release(struct driver *d, struct launch *l)
{
    struct process_instance *i = l->impl;

    (void)d;
    l->impl = NULL;
    i->launch = NULL;
    /* One that is ending anyway is seen to its end. */
    if (i->phase != PROCESS_LEAVING)
        process_instance_drop(i);
}

static void process_clean_op(struct driver *d, struct launch *l, const char *prediction_id)
{
    (void)d;
    process_clean(l->impl, prediction_id);
}

static bool is_known(const struct process_driver *p, const char *id)
{
    struct process_instance *i;

    list_each (&p->instances, i, struct process_instance, node) {
        if (strcmp(i->id, id) == 0)
            return true;
    }
    return false;
}

static void process_sweep(struct driver *d)
{
    struct process_driver *p = process_of(d);
    int fd = openat(p->instances_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    const struct dirent *e;

    while (dir && (e = readdir(dir))) {
        struct process_instance *i;

        if (e->d_name[0] == '.' || strlen(e->d_name) >= sizeof(i->id) || is_known(p, e->d_name))
            continue;
        log_info("ending an instance that nobody asked for", LOG_S("instance", e->d_name));
        i = process_instance_new(p, NULL, e->d_name);
        i->is_swept = true;
        process_instance_find(i);
    }
    if (dir)
        closedir(dir);
}

static void free_driver(struct process_driver *p)
{
    free(p->data);
    free(p->instances_path);
    free(p->self);
    free(p->shim);
    free(p->home);
    free(p->folders);
    free(p);
}

static void process_free(struct driver *d)
{
    struct process_driver *p = process_of(d);
    struct process_instance *i;

    list_each (&p->instances, i, struct process_instance, node) {
        assert(!i->launch);
        if (i->phase != PROCESS_LEAVING)
            process_instance_drop(i);
    }
    p->is_freeing = true;
    if (p->n_removals > 0)
        loop_run(d->loop);
    /* Close callbacks still come, but touch nothing of ours: their list is empty then. */
    while (!list_empty(&p->instances))
        list_remove(list_first(&p->instances));
    close(p->instances_fd);
    free_driver(p);
}

static const struct driver_ops process_ops = {
    .name = "process",
    .free = process_free,
    .facts = process_facts,
    .launch = process_launch,
    .recover = process_recover,
    .stop = process_stop,
    .release = process_release,
    .clean = process_clean_op,
    .sweep = process_sweep,
};

/* Asks the supervisor program what this machine lets it have; no bits when it does not run. */
static enum status probe(const char *self, uint32_t uid, int *out_bits, struct error *err)
{
    char *name = xstrdup(self), command[] = "init", option[] = "--probe", user[16];
    char *argv[] = { name, command, option, user, NULL }, *env[] = { NULL };
    int status = 0, failed;
    pid_t pid;

    snprintf(user, sizeof(user), "%u", uid);

    failed = posix_spawn(&pid, self, NULL, NULL, argv, env);
    free(name);
    if (failed)
        return FAIL(err, STATUS_BROKEN, "cannot start %s: %s", self, strerror(failed));
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    if (!WIFEXITED(status) || !(WEXITSTATUS(status) & INIT_PROBED))
        return FAIL(err, STATUS_BROKEN, "%s init --probe does not answer", self);
    *out_bits = WEXITSTATUS(status);
    return STATUS_OK;
}

static void state_facts(struct driver_facts *f, int bits, bool own_networks)
{
    size_t n = 0;

    f->name = "process";
    f->has_users = bits & INIT_HAS_USERS;
    f->hides_files = bits & INIT_HAS_MOUNTS;
    f->hides_processes = bits & INIT_HAS_HIDDEN_PROCESSES;
    f->limits_memory = bits & INIT_HAS_MEMORY_LIMIT;
    f->limits_cpus = bits & INIT_HAS_CPU_LIMIT;
    f->has_networks = own_networks;
    if (!own_networks)
        f->missing[n++] =
            "instances share the server's network (instance_network is host): a model "
            "can call other instances, and whatever else listens on this machine";
    if (!f->has_users)
        f->missing[n++] = "instances run as the server's own user: a model can end the server, and "
                          "watch and end other instances";
    if (f->has_users && !(bits & INIT_HAS_HIDDEN_PROCESSES))
        f->missing[n++] = "a /proc of one's own is refused here: a model sees the names of all "
                          "processes";
    if (!(bits & INIT_HAS_MOUNTS))
        f->missing[n++] = "mount namespaces are refused here: a model can read what the server can "
                          "read, the data folder included; instances share /tmp/coglet";
    if (!(bits & INIT_HAS_MEMORY_LIMIT))
        f->missing[n++] = "no control group for memory can be made here: memory is looked at twice "
                          "a second instead";
    if (!f->has_users && !(bits & INIT_HAS_PROCESS_LIMIT))
        f->missing[n++] = "no control group for processes can be made here: an instance may start "
                          "as many as the server's user may";
    if (!(bits & INIT_HAS_CPU_LIMIT))
        f->missing[n++] =
            "no control group for cpus can be made here: an instance may use all cpus";
}

/* An instance that is root, or the server's own user, would find its way out. */
static enum status check_networks(int bits, struct error *err)
{
    if ((bits & INIT_HAS_NETWORKS) && (bits & INIT_HAS_USERS))
        return STATUS_OK;
    return FAIL(
        err, STATUS_INVALID,
        "instance_network is \"isolated\", and here instances cannot have networks of their "
        "own: %s. Set instance_network to host, or give the server that right.",
        geteuid() != 0             ? "the server is not root"
        : !(bits & INIT_HAS_USERS) ? "they are not users of their own (instance_uids)"
                                   : "network namespaces are refused");
}

enum status process_driver_new(struct loop *l, const struct process_driver_config *c,
                               struct driver **out, struct error *err)
{
    struct process_driver *p;
    enum status st = STATUS_OK;
    uint32_t uid = 0;
    int bits = 0;

    assert(loop_uv(l) && c->data[0] == '/');
    if (c->uids)
        st = uids_take(c->uids, &uid, err);
    st = st ? st : probe(c->self, uid, &bits, err);
    uids_give(c->uids, uid);
    if (st == STATUS_OK && c->own_networks)
        st = check_networks(bits, err);
    if (st)
        return st;
    p = xnew(struct process_driver);
    p->driver = (struct driver){ .ops = &process_ops, .loop = l };
    list_init(&p->instances);
    p->data = xstrdup(c->data);
    p->instances_path = xasprintf("%s/instances", c->data);
    p->self = xstrdup(c->self);
    p->shim = xstrdup(c->shim);
    p->home = xstrdup(c->home);
    p->folders = xstrdup(c->folders);
    p->uids = bits & INIT_HAS_USERS ? c->uids : NULL;
    p->own_networks = c->own_networks;
    state_facts(&p->facts, bits, c->own_networks);
    if (mkdir(p->instances_path, 0700) != 0 && errno != EEXIST)
        FAIL(err, STATUS_BROKEN, "cannot make %s: %s", p->instances_path, strerror(errno));
    p->instances_fd = open(p->instances_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (p->instances_fd < 0) {
        st = FAIL(err, STATUS_BROKEN, "cannot open %s: %s", p->instances_path, strerror(errno));
        free_driver(p);
        return st;
    }
    process_users_take_again(p);
    *out = &p->driver;
    return STATUS_OK;
}

void process_driver_test(struct driver *d, const char *const *argv, bool no_cgroup, bool no_mounts)
{
    struct process_driver *p = process_of(d);

    p->test_argv = argv;
    p->test_no_cgroup = no_cgroup;
    p->test_no_mounts = no_mounts;
}

size_t process_driver_count(struct driver *d)
{
    struct process_instance *i;
    size_t n = 0;

    list_each (&process_of(d)->instances, i, struct process_instance, node)
        n += i->driver != NULL;
    return n;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "driver/uids.h"

#include "base/list.h"
#include "base/mem.h"
#include "base/str.h"
#include "init/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOCKS     "/run/berth"
#define USER_FILE "uid"

enum { USER_MAX = 32 };

/* Below stand the users of the system and of people; at the end, the number that means none. */
enum { LEAST = 1000, MOST = 2147483646 };

struct taken {
    struct list node;
    uint32_t uid;
    int lock; /* -1: none could be had */
};

struct uids {
    uint32_t first, n, next; /* next: offset */
    struct list taken;
    int locks; /* the folder; -1: none */
};

/* Nobody else may put files there. */
static int open_locks(void)
{
    int fd;
    struct stat st;

    (void)mkdir(LOCKS, 0700);
    fd = open(LOCKS, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd >= 0 && (fstat(fd, &st) != 0 || st.st_uid != geteuid() || (st.st_mode & 0022))) {
        close(fd);
        return -1;
    }
    return fd;
}

static uint32_t hash(const char *text)
{
    uint32_t h = 2166136261U;

    for (; *text; text++)
        h = (h ^ (unsigned char)*text) * 16777619U;
    return h;
}

enum status uids_new(const char *range, const char *owner, struct uids **out, struct error *err)
{
    struct str rest = str_of(range), head;
    int64_t first, last;
    struct uids *u;

    if (!str_split(&rest, '-', &head) || !str_to_i64(head, &first) || !rest.p ||
        !str_to_i64(rest, &last) || first < LEAST || last < first || last > MOST)
        return FAIL(err, STATUS_INVALID,
                    "instance_uids is \"%.80s\"; it must be FIRST-LAST, two user numbers from %d "
                    "on that nobody else uses, such as 200000-265535, or off.",
                    range, LEAST);
    u = xnew(struct uids);
    u->first = (uint32_t)first;
    u->n = (uint32_t)(last - first + 1);
    u->next = hash(owner) % u->n;
    list_init(&u->taken);
    u->locks = open_locks();
    *out = u;
    return STATUS_OK;
}

static void drop(const struct uids *u, struct taken *t)
{
    char name[16];

    list_remove(&t->node);
    if (t->lock >= 0) {
        snprintf(name, sizeof(name), "%u", t->uid);
        unlinkat(u->locks, name, 0);
        close(t->lock);
    }
    free(t);
}

void uids_free(struct uids *u)
{
    if (!u)
        return;
    while (!list_empty(&u->taken))
        drop(u, container_of(list_first(&u->taken), struct taken, node));
    if (u->locks >= 0)
        close(u->locks);
    free(u);
}

static struct taken *find(const struct uids *u, uint32_t uid)
{
    struct taken *t;

    list_each (&u->taken, t, struct taken, node) {
        if (t->uid == uid)
            return t;
    }
    return NULL;
}

/* False: another server has it, or had it a moment ago: the lock of a file that is no longer there
 * is worth nothing. */
static bool lock(const struct uids *u, uint32_t uid, int *out)
{
    char name[16];
    struct stat st;
    bool is_locked;

    *out = -1;
    if (u->locks < 0)
        return true;
    snprintf(name, sizeof(name), "%u", uid);
    *out = openat(u->locks, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (*out < 0)
        return true;
    is_locked = flock(*out, LOCK_EX | LOCK_NB) == 0;
    if (is_locked && fstat(*out, &st) == 0 && st.st_nlink > 0)
        return true;
    close(*out);
    *out = -1;
    return false;
}

static void push(struct uids *u, uint32_t uid, int fd)
{
    struct taken *t = xnew(struct taken);

    t->uid = uid;
    t->lock = fd;
    list_push(&u->taken, &t->node);
}

enum status uids_take(struct uids *u, uint32_t *out, struct error *err)
{
    int fd;

    for (uint32_t i = 0; i < u->n; i++) {
        uint32_t uid = u->first + (u->next + i) % u->n;

        if (find(u, uid) || !lock(u, uid, &fd))
            continue;
        push(u, uid, fd);
        /* Not the same one again at once: what one left behind by mistake is not the next one's. */
        u->next = (uid - u->first + 1) % u->n;
        *out = uid;
        return STATUS_OK;
    }
    return FAIL(err, STATUS_BUSY,
                "all %u users of instance_uids are taken by instances; widen the range", u->n);
}

void uids_take_again(struct uids *u, uint32_t uid)
{
    int fd;

    if (find(u, uid))
        return;
    if (!lock(u, uid, &fd))
        fd = -1;
    push(u, uid, fd);
}

void uids_give(struct uids *u, uint32_t uid)
{
    struct taken *t = u && uid ? find(u, uid) : NULL;

    if (t)
        drop(u, t);
}

bool uids_has(const struct uids *u, uint32_t uid)
{
    return uid >= u->first && uid - u->first < u->n;
}

enum status uids_note(int dirfd, uint32_t uid, struct error *err)
{
    char text[USER_MAX];

    snprintf(text, sizeof(text), "%u\n", uid);
    return init_file_replace(dirfd, USER_FILE, str_of(text), err);
}

uint32_t uids_noted(int dirfd)
{
    struct buf b CLEANUP(buf_deinit) = BUF_INIT(USER_MAX);
    struct str text;
    int64_t uid;

    if (dirfd < 0 || init_file_read(dirfd, USER_FILE, &b, NULL) != STATUS_OK || b.n == 0)
        return 0;
    text = str_make(b.p, b.n - 1);
    return str_to_i64(text, &uid) && uid > 0 && uid < UINT32_MAX ? (uint32_t)uid : 0;
}

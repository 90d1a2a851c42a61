/* SPDX-License-Identifier: Apache-2.0 */
/* Each seed runs in a process of its own, so that one that breaks takes no other with it, and
 * begins with nothing that an earlier one has left: alone, with --seed, it is the same again. */
#include "sim.h"

#include "base/map.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MAX_AT_ONCE = 64, TEN_MINUTES_MS = 10 * MINUTE_MS };

static const char usage[] =
    "Usage: sim [--seeds N] [--days N] [--from SEED] [--at-once N]\n"
    "       sim --seed SEED [--day]\n"
    "       sim --again SEED\n\n"
    "Runs the server's core, without its HTTP, on a clock that jumps, with traffic and misfortune\n"
    "from each of N seeds: ten minutes of it with --seeds, a day with --days. A seed that breaks "
    "a\n"
    "promise is printed with the command that replays it. --again records the decisions of a seed "
    "in\n"
    "one process, and has the policy take them again in another.\n";

struct plan {
    uint64_t from;
    int64_t seeds, days, at_once;
    uint64_t seed; /* 0: all of them */
    int64_t again; /* the seed; 0: not that */
    bool is_day;
};

/* What a process that runs one seed leaves behind. */
struct outcome {
    uint64_t seed;
    bool is_day;
    struct sim_stats stats;
};

static struct outcome *current;
static FILE *record; /* what decisions are recorded in; NULL: they are not */

static void one_seed(void **state)
{
    (void)state;
    sim_run(current->seed, current->is_day ? DAY_MS : TEN_MINUTES_MS, record, &current->stats);
}

static int run_seed(struct outcome *o)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(one_seed) };

    current = o;
    map_set_seed(o->seed);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

static void add(struct sim_stats *all, const struct sim_stats *one)
{
    all->predictions += one->predictions;
    all->trainings += one->trainings;
    all->held += one->held;
    all->succeeded += one->succeeded;
    all->failed += one->failed;
    all->canceled += one->canceled;
    all->refused += one->refused;
    all->launches += one->launches;
    all->restarts += one->restarts;
    all->faults += one->faults;
    all->turns += one->turns;
    all->digest += one->digest; /* in whatever order they end */
}

static void print(const struct sim_stats *a)
{
    (void)printf("%d predictions: %d succeeded, %d failed, %d canceled, %d refused\n"
                 "%" PRId64 " launches, %" PRId64 " restarts of the server, %" PRId64
                 " misfortunes, %" PRId64 " turns; digest %016" PRIx64 "\n"
                 "%d of them trainings; in %" PRId64 " turns a budget held somebody\n",
                 a->predictions, a->succeeded, a->failed, a->canceled, a->refused, a->launches,
                 a->restarts, a->faults, a->turns, a->digest, a->trainings, a->held);
}

static double seconds(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* --- many seeds --- */

struct crew {
    const char *program;
    struct outcome *slots; /* shared with the processes */
    pid_t pids[MAX_AT_ONCE];
    FILE *said[MAX_AT_ONCE]; /* what they write to stderr */
    int64_t n, n_failed;
    struct sim_stats sums;
};

static struct outcome *shared_slots(void)
{
    void *p = mmap(NULL, MAX_AT_ONCE * sizeof(struct outcome), PROT_READ | PROT_WRITE,
                   MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (p != MAP_FAILED)
        return p;
    perror("mmap");
    return NULL;
}

static void begin_one(struct crew *c, int64_t slot, uint64_t seed, bool is_day)
{
    struct outcome *o = &c->slots[slot];
    pid_t pid;

    *o = (struct outcome){ .seed = seed, .is_day = is_day };
    c->said[slot] = tmpfile();
    (void)fflush(NULL);
    pid = fork();
    if (pid == 0) {
        if (!c->said[slot] || dup2(fileno(c->said[slot]), 2) < 0 ||
            !freopen("/dev/null", "w", stdout))
            exit(1);
        if (run_seed(o) != 0 || (record && fflush(record)))
            _exit(1); /* what it leaves behind says nothing */
        exit(0);
    }
    if (pid < 0) {
        perror("fork");
        exit(1);
    }
    c->pids[slot] = pid;
}

static void tell(struct crew *c, int64_t slot)
{
    const struct outcome *o = &c->slots[slot];
    char text[4096];

    rewind(c->said[slot]);
    while (fgets(text, sizeof(text), c->said[slot]))
        (void)fputs(text, stderr);
    (void)fprintf(stderr, "seed %" PRIu64 " failed; once more: %s --seed %" PRIu64 "%s\n", o->seed,
                  c->program, o->seed, o->is_day ? " --day" : "");
}

static int64_t wait_for_one(struct crew *c, int64_t at_once)
{
    int status = 0;
    pid_t pid;

    do
        pid = waitpid(-1, &status, 0);
    while (pid < 0 && errno == EINTR);
    for (int64_t i = 0; i < at_once; i++) {
        if (c->pids[i] != pid)
            continue;
        c->pids[i] = 0;
        c->n++;
        add(&c->sums, &c->slots[i].stats);
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
            c->n_failed++;
            tell(c, i);
        }
        (void)fclose(c->said[i]);
        return i;
    }
    abort();
}

/* What a seed did it does again. */
static bool is_same_again(struct crew *c, const struct plan *p)
{
    uint64_t digests[2];

    for (int i = 0; i < 2; i++) {
        begin_one(c, 0, p->from, false);
        digests[i] = c->slots[wait_for_one(c, 1)].stats.digest;
    }
    if (digests[0] != digests[1])
        (void)fprintf(stderr, "seed %" PRIu64 " is not the same again\n", p->from);
    return digests[0] == digests[1];
}

static int run_many(const char *program, const struct plan *p)
{
    struct crew c = { .program = program };
    int64_t all = p->seeds + p->days;
    double began = seconds();

    c.slots = shared_slots();
    if (!c.slots)
        return 1;
    for (int64_t i = 0; i < all; i++) {
        int64_t slot = i < p->at_once ? i : wait_for_one(&c, p->at_once);
        bool is_day = i >= p->seeds;

        begin_one(&c, slot, p->from + (uint64_t)(is_day ? i - p->seeds : i), is_day);
    }
    while (c.n < all)
        (void)wait_for_one(&c, p->at_once);
    c.n_failed += !is_same_again(&c, p);
    (void)printf("%" PRId64 " seeds of ten minutes and %" PRId64 " days in %.1f s: %" PRId64
                 " failed\n",
                 p->seeds, p->days, seconds() - began, c.n_failed);
    print(&c.sums);
    return c.n_failed > 0;
}

static int run_again(const char *program, uint64_t seed)
{
    struct crew c = { .program = program };
    int64_t n, acts;

    c.slots = shared_slots();
    record = tmpfile();
    if (!c.slots || !record)
        return 1;
    begin_one(&c, 0, seed, false);
    (void)wait_for_one(&c, 1);
    rewind(record);
    if (c.n_failed > 0 || !sim_replay(record, &n, &acts)) {
        (void)fprintf(stderr, "the decisions of seed %" PRIu64 " are not the same again\n", seed);
        return 1;
    }
    (void)printf("%" PRId64 " decisions, of which %" PRId64 " changed something: all the same\n", n,
                 acts);
    (void)fclose(record);
    return 0;
}

static bool read_number(const char *text, int64_t *out)
{
    char *end;

    errno = 0;
    *out = text ? strtoll(text, &end, 10) : -1;
    return text && *text && !*end && errno == 0 && *out >= 0;
}

static bool read_arguments(int argc, char **argv, struct plan *p)
{
    int64_t from = 1, seed = 0;
    const struct {
        const char *name;
        int64_t *to;
    } numbers[] = { { "--seeds", &p->seeds },     { "--days", &p->days },   { "--from", &from },
                    { "--at-once", &p->at_once }, { "--again", &p->again }, { "--seed", &seed } };

    for (int i = 1; i < argc; i++) {
        size_t k = 0;

        if (strcmp(argv[i], "--day") == 0) {
            p->is_day = true;
            continue;
        }
        while (k < ARRAY_SIZE(numbers) && strcmp(argv[i], numbers[k].name) != 0)
            k++;
        if (k == ARRAY_SIZE(numbers) || !read_number(argv[++i], numbers[k].to))
            return false;
    }
    p->from = (uint64_t)from;
    p->seed = (uint64_t)seed;
    return p->at_once >= 1 && p->at_once <= MAX_AT_ONCE;
}

int main(int argc, char **argv)
{
    struct plan p = { .at_once = 2 };
    struct outcome o = { 0 };
    double began = seconds();
    int code;

    if (!read_arguments(argc, argv, &p)) {
        (void)fputs(usage, stderr);
        return 2;
    }
    if (p.again)
        return run_again(argv[0], (uint64_t)p.again);
    if (!p.seed)
        return run_many(argv[0], &p);
    o = (struct outcome){ .seed = p.seed, .is_day = p.is_day };
    code = run_seed(&o);
    (void)fflush(NULL);
    if (code != 0)
        _exit(1);
    print(&o.stats);
    (void)printf("%.2f s\n", seconds() - began);
    return 0;
}

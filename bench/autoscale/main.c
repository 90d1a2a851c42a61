/* SPDX-License-Identifier: Apache-2.0 */
/* autoscale [AZURE_CODE.csv AZURE_CONV.csv]: Berth's policy and six others over the same traffic,
 * for boots of 5, 10, 40 and 120 s. Prints a table, and whether anybody is both cheaper and faster
 * than Berth. Deterministic: the same on every machine. */
#include "policies.h"
#include "traces.h"

#include <stdio.h>
#include <string.h>

enum { MOST = 100, TARGET_MS = 30000 };

struct result {
    const char *name;
    struct simulation_result r;
};

static struct simulation_result run_berth(const struct trace *t, int64_t boot_ms)
{
    static struct scale_simulated berth;
    struct simulation_policy policy = SCALE_SIMULATED;
    struct simulation_spec spec = { .arrivals = t->rows,
                                    .n = t->n,
                                    .until = t->until,
                                    .boot_ms = boot_ms,
                                    .target_ms = TARGET_MS,
                                    .slots = 1 };
    struct simulation_result r;

    berth = (struct scale_simulated){
        .view = { .max = MOST, .target_wait_ms = TARGET_MS, .keep_alive_ms = SCALE_KEEP_AUTO }
    };
    scale_learned_init(&berth.learned, -1000000);
    policy.arg = &berth;
    simulate(&spec, &policy, &r);
    return r;
}

static struct simulation_result run_peer(const struct peer *which, const struct trace *t,
                                         int64_t boot_ms)
{
    static struct peer p;
    struct simulation_policy policy = PEER_POLICY;
    struct simulation_spec spec = { .arrivals = t->rows,
                                    .n = t->n,
                                    .until = t->until,
                                    .boot_ms = boot_ms,
                                    .target_ms = TARGET_MS,
                                    .slots = 1 };
    struct simulation_result r;

    p = *which;
    p.max = MOST;
    p.service_s = t->service_s;
    policy.arg = &p;
    simulate(&spec, &policy, &r);
    return r;
}

static void print_row(const char *name, const struct simulation_result *r, const char *verdict)
{
    printf("| %s | %.1f | %.1f | %.1f %% | %.2f | %lld | %s |\n", name, (double)r->p50 / 1000,
           (double)r->p95 / 1000, 100 * r->over_target, r->instance_seconds / 3600,
           (long long)r->boots, verdict);
}

/* Whether a peer is both cheaper and faster; counts them. */
static int compare(const struct trace *t, int64_t boot_ms)
{
    struct simulation_result berth = run_berth(t, boot_ms);
    int n = 0;

    printf("\n### %s, boots of %lld s\n\n", t->name, (long long)boot_ms / 1000);
    printf("%zu predictions of %.1f s; %.2f instance-hours of work.\n\n", t->n, t->service_s,
           t->service_s * (double)t->n / 3600);
    printf("| policy | p50 wait, s | p95 wait, s | over 30 s | instance-hours | boots | against "
           "Berth |\n|---|---|---|---|---|---|---|\n");
    print_row("**Berth**", &berth, "");
    for (size_t i = 0; i < N_PEERS; i++) {
        struct simulation_result r = run_peer(&PEERS[i], t, boot_ms);
        bool cheaper = r.instance_seconds < berth.instance_seconds, faster = r.p95 < berth.p95;

        n += cheaper && faster;
        print_row(PEERS[i].name, &r,
                  cheaper && faster ? "**cheaper and faster**"
                  : cheaper         ? "cheaper, slower"
                  : faster          ? "faster, dearer"
                                    : "dearer and slower");
    }
    return n;
}

int main(int argc, char **argv)
{
    static const char *const made[] = { "poisson", "bursty", "daily", "spike" };
    static const int64_t boots[] = { 5000, 10000, 40000, 120000 };
    struct trace traces[6];
    size_t n = 0;
    int worse = 0, pairs = 0;

    if (argc != 1 && argc != 3) {
        fprintf(stderr, "usage: autoscale [AZURE_CODE.csv AZURE_CONV.csv]\n");
        return 2;
    }
    for (int i = 1; i < argc; i++)
        if (!trace_azure(argv[i], i == 1 ? "azure code" : "azure conversation", &traces[n++])) {
            fprintf(stderr, "%s cannot be read as a trace.\n", argv[i]);
            return 1;
        }
    for (size_t i = 0; i < ARRAY_SIZE(made); i++)
        trace_made(made[i], &traces[n++]);
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < ARRAY_SIZE(boots); k++, pairs++)
            worse += compare(&traces[i], boots[k]);
    printf("\n%d times in %d traces and boots a peer is both cheaper and faster.\n", worse, pairs);
    for (size_t i = 0; i < n; i++)
        trace_free(&traces[i]);
    return worse > 0;
}

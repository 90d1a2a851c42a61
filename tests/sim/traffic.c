/* SPDX-License-Identifier: Apache-2.0 */
/* Who asks for what, and who thinks better of it. */
#include "sim.h"

#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>

#define HOOK "https://receiver.example/hook"

/* What goes wrong inside of a model. The last ones are rare. */
static const struct wrong {
    const char *text;
    bool may_fail;
} WRONGS[] = {
    { ",\"fail\":\"no\"", true },         { ",\"verdict\":\"never_ran\",\"times\":2", false },
    { ",\"ignore_cancel\":true", false }, { ",\"verdict\":\"lost\",\"times\":1", true },
    { ",\"verdict\":\"lost\"", true },    { ",\"verdict\":\"crashed\"", true },
    { ",\"unheard\":true", true },
};

static struct sim_job *new_job(struct sim *s)
{
    struct sim_job *j = xnew(struct sim_job);

    if (s->n_jobs == s->cap_jobs) {
        s->cap_jobs = s->cap_jobs ? 2 * s->cap_jobs : 256;
        s->jobs = xrealloc(s->jobs, s->cap_jobs * sizeof(struct sim_job *));
    }
    s->jobs[s->n_jobs++] = j;
    return j;
}

static void write_input(struct sim *s, struct sim_job *j, char *out, size_t size)
{
    const struct wrong *w = NULL;
    int64_t ms = sim_below(s, s->nature.longest_ms / 10);

    if (sim_one_in(s, 12))
        ms = sim_below(s, s->nature.longest_ms);
    if (sim_one_in(s, 8))
        w = &WRONGS[s->nature.is_calm ? sim_below(s, 3) : sim_below(s, ARRAY_SIZE(WRONGS))];
    j->may_fail = w && w->may_fail;
    if (j->is_training)
        (void)snprintf(out, size,
                       "{\"ms\":%lld,\"output\":{\"weights\":\"https://weights.example/%zu\"}%s}",
                       (long long)ms, s->n_jobs, w ? w->text : "");
    else
        (void)snprintf(out, size, "{\"n\":1,\"ms\":%lld,\"pieces\":[1,2],\"logs\":\"x\\n\"%s}",
                       (long long)ms, w ? w->text : "");
}

void sim_ask(struct sim *s, int deployment)
{
    struct sim_job *j = new_job(s);
    char input[200];

    j->is_training = deployment < 0 && s->nature.has_trainings && sim_one_in(s, 2);
    write_input(s, j, input, sizeof(input));
    j->deployment = deployment;
    s->p->waits = sim_one_in(s, 2);
    s->stats.trainings += j->is_training;
    if (j->is_training) {
        j->has_hook = sim_one_in(s, 3);
        j->job =
            place_ask_training(s->p, 1 + (int)sim_below(s, 4), input, j->has_hook ? HOOK : NULL);
    } else if (deployment < 0) {
        j->job = place_ask_model(s->p, 1 + (int)sim_below(s, 4), input);
    } else {
        j->has_hook = sim_one_in(s, 3);
        j->job = place_ask_hook(s->p, s->deployments[deployment].name, input,
                                j->has_hook ? HOOK : NULL, WEBHOOK_COMPLETED);
    }
    s->stats.predictions++;
}

void sim_cancel_one(struct sim *s)
{
    size_t open = s->n_jobs - s->first_open;
    struct sim_job *j;
    struct prediction *live;

    if (open == 0)
        return;
    j = s->jobs[s->first_open + (size_t)sim_below(s, (int64_t)open)];
    live = j->job->id[0] ? job_live(j->job) : NULL;
    if (!live || j->canceled_at || live->is_ending)
        return;
    j->canceled_at = loop_now_ms(s->p->loop);
    j->was_waiting = !live->instance;
    prediction_cancel(live);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* A terminal object of either dialect as a result. */
#include "protocol/cog/cog_impl.h"

#include "base/clock.h"
#include "base/mem.h"

static bool status_of(const struct json *root, enum prediction_status *out)
{
    struct str s = json_to_str(json_get(root, "status"));

    if (!s.p || !prediction_status_parse(s, out))
        return false;
    return *out == PREDICTION_SUCCEEDED || *out == PREDICTION_FAILED || *out == PREDICTION_CANCELED;
}

/* The only element of an array, without its brackets. */
static struct str inside(struct str array)
{
    return cog_trim_space(str_make(array.p + 1, array.n - 2));
}

/* A prediction that failed or was cancelled has the pieces that came so far, as an array even for a
 * model whose output is one value: that one value is what the reader of such a model expects. */
static struct str output_of(const struct json *root, bool succeeded, bool output_is_array)
{
    struct json *output = json_get(root, "output");

    if (!output || json_is(output, JSON_NULL))
        return succeeded && output ? output->span : STR_NULL;
    if (succeeded || !json_is(output, JSON_ARRAY))
        return output->span;
    if (output->n == 0)
        return STR_NULL;
    return output->n == 1 && !output_is_array ? inside(output->span) : output->span;
}

static struct str metrics_of(const struct cog_limits *limits, struct arena *a,
                             const struct json *root, double *out_time)
{
    const struct json *metrics = json_get(root, "metrics");
    struct json *read;

    if (!json_is(metrics, JSON_OBJECT) || metrics->span.n > limits->max_metrics ||
        json_parse(a, metrics->span, NULL, &read, NULL) != STATUS_OK)
        return STR_NULL;
    if (!json_to_double(json_get(read, "predict_time"), out_time))
        *out_time = -1;
    return metrics->span;
}

/* What an error text says beyond itself. */
static void judge(struct run_result *out, struct str cleaned)
{
    switch (cog_error_fault(cleaned)) {
    case FAULT_NONE:
        return;
    case FAULT_CRASH:
        out->verdict = RUN_CRASHED;
        out->error = COG_CRASH_TEXT;
        break;
    case FAULT_IDLE:
        out->verdict = RUN_NEVER_RAN;
        break;
    case FAULT_SLOT:
        break;
    }
    out->peer_is_sick = true;
}

enum status cog_final_read(const struct cog_limits *limits, struct arena *a,
                           const struct json *root, bool output_is_array, struct run_result *out,
                           struct error *err)
{
    struct run_result res = { .verdict = RUN_DONE, .predict_time = -1 };
    struct str error;

    if (!json_is(root, JSON_OBJECT) || !status_of(root, &res.status))
        return FAIL(err, STATUS_INVALID, "this is not the end of a prediction");
    res.output = output_of(root, res.status == PREDICTION_SUCCEEDED, output_is_array);
    res.logs = json_to_str(json_get(root, "logs"));
    res.metrics = metrics_of(limits, a, root, &res.predict_time);
    error = json_to_str(json_get(root, "error"));
    if (res.status == PREDICTION_FAILED) {
        error = error.n ? cog_error_clean(error) : STR("The model failed without saying why");
        res.error = run_error_text(a, error, limits->max_error);
        judge(&res, error);
    }
    *out = res;
    return STATUS_OK;
}

enum status cog_read_final(struct protocol *pr, struct arena *a, const struct json *said,
                           bool output_is_array, struct run_result *out, struct error *err)
{
    struct buf kept CLEANUP(buf_deinit) = BUF_INIT(BUF_UNBOUNDED);
    struct run_result res;
    struct cog_logs logs;
    const struct cog_limits *limits = &container_of(pr, struct cog_protocol, base)->timing.limits;

    if (cog_final_read(limits, a, said, output_is_array, &res, err) != STATUS_OK)
        return STATUS_INVALID;
    if (res.logs.p) {
        cog_logs_init(&logs, &kept, 0);
        cog_logs_add(&logs, res.logs);
        cog_logs_settle(&logs);
        res.logs = str_make(arena_copy(a, buf_str(&kept)), kept.n);
    }
    *out = res;
    return STATUS_OK;
}

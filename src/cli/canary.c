/* SPDX-License-Identifier: Apache-2.0 */
/* `berth deployments canary`, `shadow`, `promote` and `halt`: how a new release does beside the old
 * one. */
#include "cli/look.h"

static double number_or(const struct json *v, const char *key, double otherwise)
{
    double d = 0;

    return json_to_double(json_path(v, key), &d) ? d : otherwise;
}

static void show_errors(const struct json *v, const char *ended_key, const char *errors_key)
{
    double ended = number_or(v, ended_key, 0), errors = number_or(v, errors_key, 0);
    char text[64];

    snprintf(text, sizeof(text), "%.0f of %.0f (%.1f %%)", errors, ended,
             ended > 0 ? 100 * errors / ended : 0.0);
    printf("  %20s", text);
}

static void show_median(const struct json *v, const char *key)
{
    double seconds = number_or(v, key, -1);
    char text[32] = "-";

    if (seconds >= 0)
        snprintf(text, sizeof(text), "%.3f s", seconds);
    printf("  %20s", text);
}

static void show_terms(const struct json *v)
{
    struct json *canary = json_path(v, "rollout.canary"), *shadow = json_path(v, "rollout.shadow");

    if (canary) {
        printf("share       %.4g %% of new predictions, for %.0f s\n",
               100 * number_or(canary, "share", 0), number_or(canary, "seconds", 0));
        printf("halts at    more than %.4g %% errors, or %.4g times the old run time, of %.0f or "
               "more\n",
               100 * number_or(canary, "max_error_rate", 0),
               number_or(canary, "max_latency_ratio", 0), number_or(canary, "min_requests", 0));
    }
    if (shadow) {
        printf("share       %.4g %% of the predictions are copied, for %.0f s, %.0f at a time\n",
               100 * number_or(shadow, "share", 0), number_or(shadow, "seconds", 0),
               number_or(shadow, "max_copies", 0));
        printf("tolerates   numbers apart by %g of the larger one, or by %g\n",
               number_or(shadow, "relative_tolerance", 0),
               number_or(shadow, "absolute_tolerance", 0));
    }
}

/* `v` is a canary or a shadow; copies are no requests of anybody. */
static void show_figures(const struct json *v)
{
    char fresh[32], old[32];

    snprintf(fresh, sizeof(fresh), "release %.0f", number_or(v, "release", 0));
    snprintf(old, sizeof(old), "release %.0f", number_or(v, "beside", 0));
    printf("\n            %20s  %20s\n", fresh, old);
    if (json_path(v, "new.requests"))
        printf("requests  %22.0f%22.0f\n", number_or(v, "new.requests", 0),
               number_or(v, "old.requests", 0));
    printf("errors    ");
    show_errors(v, "new.ended", "new.errors");
    show_errors(v, "old.ended", "old.errors");
    printf("\nrun time  ");
    show_median(v, "new.median_seconds");
    show_median(v, "old.median_seconds");
    printf("\n");
}

static void show_line(const struct json *v, const char *key, const char *path)
{
    struct str text = look_text(v, path);

    if (text.p)
        printf("%-12s%.*s\n", key, STR_ARG(text));
}

static void show_when(const struct json *v)
{
    show_line(v, "began", "began_at");
    show_line(v, "until", "until");
    show_line(v, "ended", "ended_at");
    show_line(v, "why", "why");
}

/* The first line: `c` is the deployment's canary or shadow, NULL where it has none. */
static void show_head(const struct json *d, const char *what, const struct json *c)
{
    char key[32];

    snprintf(key, sizeof(key), "rollout.%s", what);
    printf("%.*s/%.*s", STR_ARG(look_text(d, "owner")), STR_ARG(look_text(d, "name")));
    if (c)
        printf(": %s %.*s, release %.*s beside release %.*s\n", what,
               STR_ARG(look_text(c, "state")), STR_ARG(look_text(c, "release")),
               STR_ARG(look_text(c, "beside")));
    else if (json_path(d, key))
        printf(" has no %s. Its next release begins with one:\n", what);
    else
        printf(" has no %s. `berth deployments update --%s SHARE` lets its next release begin with "
               "one.\n",
               what, what);
}

static void show_canary(const struct json *v)
{
    struct json *c = json_get(v, "canary");

    show_head(v, "canary", c);
    show_terms(v);
    if (!c)
        return;
    show_when(c);
    show_figures(c);
}

/* --- shadows --- */

/* "text 2, number 1": what is not 0. */
static void show_counts(const struct json *of, const char *key)
{
    bool any = false;

    json_each (of, n) {
        int64_t count = 0;

        if (!json_to_i64(n, &count) || count == 0)
            continue;
        if (any)
            printf(", ");
        else
            printf("%-12s", key);
        any = true;
        printf("%.*s %lld", STR_ARG(n->key), (long long)count);
    }
    if (any)
        printf("\n");
}

/* As it stands in the answer: what a model says may hold anything, and here it stays on its line.
 */
static void show_side(const char *called, const struct json *value)
{
    struct str text = value && !json_is(value, JSON_NULL) ? value->span : STR("-");

    printf("  %s  %.*s\n", called, STR_ARG(text));
}

static void show_example(const struct json *e)
{
    struct str withheld = look_text(e, "withheld");
    double differences = number_or(e, "differences", 1);

    printf("\n%.*s  %.*s  %.*s at %.*s", STR_ARG(look_text(e, "prediction")),
           STR_ARG(look_text(e, "at")), STR_ARG(look_text(e, "kind")),
           STR_ARG(look_text(e, "path")));
    if (differences > 1)
        printf(" (%.0f differences)", differences);
    printf("\n");
    if (withheld.p) {
        printf("  %s\n", str_eq(withheld, STR("secret")) ? "withheld: the input held a secret"
                                                         : "forgotten with the prediction's data");
        return;
    }
    show_side("old", json_get(e, "old"));
    show_side("new", json_get(e, "new"));
}

/* The counts of a deployment's shadow, or of its report, which has the ways and examples too. */
static void show_report(const struct json *s)
{
    show_when(s);
    printf(
        "copied      %.0f: %.0f the same, %.0f differ, %.0f failed on the new release; %.0f were "
        "dropped\n",
        number_or(s, "copied", 0), number_or(s, "same", 0), number_or(s, "differ", 0),
        number_or(s, "failed", 0), number_or(s, "dropped", 0));
    show_counts(json_get(s, "by_kind"), "differ in");
    show_counts(json_get(s, "dropped_by"), "dropped");
    if (json_get(s, "new"))
        show_figures(s);
    json_each (json_get(s, "examples"), e)
        show_example(e);
}

static void show_shadow(const struct json *v)
{
    show_head(v, "shadow", json_get(v, "shadow"));
    show_terms(v);
    show_report(json_get(v, "shadow"));
}

static void show_either(const struct json *v)
{
    if (json_get(v, "shadow"))
        show_shadow(v);
    else
        show_canary(v);
}

/* --- the commands --- */

static int canary_call(const struct command *c, const char *const *args, const char *method,
                       const char *more, void (*show)(const struct json *v))
{
    struct buf path CLEANUP(buf_deinit) = BUF_INIT(4096);
    struct remote r;
    struct given g;

    if (!given_read(c, args, 1, 1, &g) || !remote_public(&g, &r))
        return 2;
    if (!own_deployment_path(&g, &r, &path))
        return 1;
    buf_adds(&path, more);
    return look_call(&g, &r, method, path.p, *more ? STR("") : STR_NULL, show);
}

int canary_show_command(const struct command *c, const char *const *args)
{
    return canary_call(c, args, "GET", "", show_canary);
}

int canary_promote_command(const struct command *c, const char *const *args)
{
    return canary_call(c, args, "POST", "/promote", show_either);
}

int canary_halt_command(const struct command *c, const char *const *args)
{
    return canary_call(c, args, "POST", "/halt", show_either);
}

/* The report has neither the deployment's name nor the terms: those are the deployment's own. */
int shadow_show_command(const struct command *c, const char *const *args)
{
    struct answer deployment CLEANUP(answer_deinit) = { 0 }, report CLEANUP(answer_deinit) = { 0 };
    struct buf path CLEANUP(buf_deinit) = BUF_INIT(4096);
    struct remote r;
    struct given g;

    if (!given_read(c, args, 1, 1, &g) || !remote_public(&g, &r))
        return 2;
    if (!own_deployment_path(&g, &r, &path) ||
        !remote_call(&r, "GET", path.p, STR_NULL, NULL, &deployment))
        return 1;
    buf_adds(&path, "/shadow");
    if (given_flag(&g, "--json"))
        return look_call(&g, &r, "GET", path.p, STR_NULL, NULL);
    if (!remote_try(&r, "GET", path.p, STR_NULL, NULL, &report))
        return 1;
    if (report.status >= 400 && report.status != 404) {
        remote_explain(&report);
        return 1;
    }
    show_head(deployment.json, "shadow", report.status == 404 ? NULL : report.json);
    show_terms(deployment.json);
    if (report.status != 404)
        show_report(report.json);
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* `berth deployments canary`, `promote` and `halt`: how a new release does beside the old one. */
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
    printf("share       %.4g %% of new predictions, for %.0f s\n",
           100 * number_or(v, "rollout.canary.share", 0),
           number_or(v, "rollout.canary.seconds", 0));
    printf(
        "halts at    more than %.4g %% errors, or %.4g times the old run time, of %.0f or more\n",
        100 * number_or(v, "rollout.canary.max_error_rate", 0),
        number_or(v, "rollout.canary.max_latency_ratio", 0),
        number_or(v, "rollout.canary.min_requests", 0));
}

static void show_figures(const struct json *v)
{
    char fresh[32], old[32];

    snprintf(fresh, sizeof(fresh), "release %.0f", number_or(v, "canary.release", 0));
    snprintf(old, sizeof(old), "release %.0f", number_or(v, "canary.beside", 0));
    printf("\n            %20s  %20s\n", fresh, old);
    printf("requests  %22.0f%22.0f\n", number_or(v, "canary.new.requests", 0),
           number_or(v, "canary.old.requests", 0));
    printf("errors    ");
    show_errors(v, "canary.new.ended", "canary.new.errors");
    show_errors(v, "canary.old.ended", "canary.old.errors");
    printf("\nrun time  ");
    show_median(v, "canary.new.median_seconds");
    show_median(v, "canary.old.median_seconds");
    printf("\n");
}

static void show_when(const struct json *v, const char *key, const char *path)
{
    struct str text = look_text(v, path);

    if (text.p)
        printf("%-12s%.*s\n", key, STR_ARG(text));
}

static void show_canary(const struct json *v)
{
    struct str owner = look_text(v, "owner"), name = look_text(v, "name");
    struct str state = look_text(v, "canary.state");

    if (!state.p)
        printf("%.*s/%.*s has no canary. %s\n", STR_ARG(owner), STR_ARG(name),
               json_path(v, "rollout.canary")
                   ? "Its next release begins with one:"
                   : "`berth deployments update --canary SHARE` lets its next release begin with "
                     "one.");
    else
        printf("%.*s/%.*s: canary %.*s, release %.*s beside release %.*s\n", STR_ARG(owner),
               STR_ARG(name), STR_ARG(state), STR_ARG(look_text(v, "canary.release")),
               STR_ARG(look_text(v, "canary.beside")));
    if (json_path(v, "rollout.canary"))
        show_terms(v);
    if (!state.p)
        return;
    show_when(v, "began", "canary.began_at");
    show_when(v, "until", "canary.until");
    show_when(v, "ended", "canary.ended_at");
    show_when(v, "why", "canary.why");
    show_figures(v);
}

static int canary_call(const struct command *c, const char *const *args, const char *method,
                       const char *more)
{
    struct buf path CLEANUP(buf_deinit) = BUF_INIT(4096);
    struct remote r;
    struct given g;

    if (!given_read(c, args, 1, 1, &g) || !remote_public(&g, &r))
        return 2;
    if (!own_deployment_path(&g, &r, &path))
        return 1;
    buf_adds(&path, more);
    return look_call(&g, &r, method, path.p, *more ? STR("") : STR_NULL, show_canary);
}

int canary_show_command(const struct command *c, const char *const *args)
{
    return canary_call(c, args, "GET", "");
}

int canary_promote_command(const struct command *c, const char *const *args)
{
    return canary_call(c, args, "POST", "/promote");
}

int canary_halt_command(const struct command *c, const char *const *args)
{
    return canary_call(c, args, "POST", "/halt");
}

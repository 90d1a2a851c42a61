/* SPDX-License-Identifier: Apache-2.0 */
/* What other settings would have cost, and how long predictions would have waited: for a
 * deployment's own traffic, which the server replays, or for a table of somebody else's, which
 * needs no server. */
#include "base/clock.h"
#include "base/encode.h"
#include "base/file.h"
#include "cli/cli.h"
#include "core/account.h"
#include "core/scale/grid.h"
#include "core/scale/settings.h"
#include "core/scale/traffic.h"

#include <stdlib.h>

enum { MOST_ROWS = 50000000, DEFAULT_MAX = 20 };

static double number_of(const struct json *v, const char *key)
{
    double d = 0;

    (void)json_to_double(json_get(v, key), &d);
    return d;
}

static bool is_true(const struct json *v, const char *key)
{
    bool b = false;

    return json_to_bool(json_get(v, key), &b) && b;
}

static void print_table(const struct json *v)
{
    printf("%.0f predictions; a boot takes %g s. Waits in seconds.\n\n",
           number_of(v, "predictions"), number_of(v, "boot_seconds"));
    printf("%5s %5s %8s %8s %14s %7s %8s %8s %8s %7s %14s\n", "min", "max", "target", "keep",
           "instance-hours", "boots", "p50", "p95", "p99", "over", "cost");
    json_each (json_get(v, "settings"), s) {
        struct json *keep = json_get(s, "keep_alive");
        char text[32];

        if (json_is(keep, JSON_STRING))
            (void)snprintf(text, sizeof(text), "auto");
        else
            (void)snprintf(text, sizeof(text), "%g", number_of(s, "keep_alive"));
        printf("%5.0f %5.0f %8g %8s %14.3f %7.0f %8.1f %8.1f %8.1f %6.1f%% %14.6g%s%s\n",
               number_of(s, "min_instances"), number_of(s, "max_instances"),
               number_of(s, "target_wait"), text, number_of(s, "instance_hours"),
               number_of(s, "boots"), number_of(s, "p50"), number_of(s, "p95"), number_of(s, "p99"),
               100 * number_of(s, "over_target"), number_of(s, "cost"),
               is_true(s, "present") ? "  now" : "", is_true(s, "recommended") ? "  <-" : "");
    }
    printf("\n%.*s\n", STR_ARG(json_to_str(json_get(v, "recommendation"))));
}

/* Both ways end in the same JSON. */
static int show(const struct given *g, struct str text)
{
    struct arena a CLEANUP(arena_deinit) = { 0 };
    struct json *v;
    struct error err;

    if (given_flag(g, "--json")) {
        printf("%.*s\n", STR_ARG(text));
        return 0;
    }
    if (json_parse(&a, text, NULL, &v, &err) != STATUS_OK) {
        fprintf(stderr, "berth simulate: the answer cannot be read: %s\n", err.text);
        return 1;
    }
    print_table(v);
    return 0;
}

/* --- a table of somebody else's --- */

static bool flag_number(const struct given *g, const char *name, double low, double otherwise,
                        double *out)
{
    const char *text = given_flag(g, name);
    char *end;

    *out = otherwise;
    if (!text)
        return true;
    *out = strtod(text, &end);
    if (end != text && *end == '\0' && *out >= low && *out <= 1e9)
        return true;
    fprintf(stderr, "berth simulate: %s \"%s\" must be a number of at least %g.\n", name, text,
            low);
    return false;
}

static bool flag_duration(const struct given *g, const char *name, int64_t otherwise, int64_t *out)
{
    const char *text = given_flag(g, name);
    double seconds;
    char *end;

    *out = otherwise;
    if (!text)
        return true;
    if (strcmp(name, "--keep-alive") == 0 && strcmp(text, "auto") == 0) {
        *out = SCALE_KEEP_AUTO;
        return true;
    }
    seconds = strtod(text, &end);
    if (end != text && *end == '\0' && seconds >= 0 && seconds < 1e9)
        *out = (int64_t)(seconds * 1000 + 0.5);
    else if (!duration_parse(str_of(text), out)) {
        fprintf(stderr, "berth simulate: %s \"%s\" must be seconds, or a duration such as 1m30s.\n",
                name, text);
        return false;
    }
    return true;
}

static bool read_grid(const struct given *g, struct scale_grid *grid)
{
    double boot, min, max;

    if (!given_flag(g, "--boot")) {
        fprintf(stderr, "berth simulate: --trace needs --boot SECONDS: how long an instance takes "
                        "to get ready.\n");
        return false;
    }
    if (!flag_number(g, "--boot", 0, 0, &boot) || !flag_number(g, "--min", 0, -1, &min) ||
        !flag_number(g, "--max", 1, -1, &max) || !flag_number(g, "--price", 0, 1, &grid->price) ||
        !flag_duration(g, "--target-wait", -1, &grid->target_ms) ||
        !flag_duration(g, "--keep-alive", SCALE_NOT_SET, &grid->keep_ms))
        return false;
    if (max >= 1 && max < min) {
        fprintf(stderr, "berth simulate: --max %g is less than --min %g; it must be as large.\n",
                max, min);
        return false;
    }
    grid->boot_ms = (int64_t)(boot * 1000 + 0.5);
    grid->min = (int)MIN(min, 10000);
    grid->max = (int)MIN(max, 10000);
    grid->slots = 1;
    grid->present = (struct scale_choice){ .max = DEFAULT_MAX,
                                           .target_ms = SCALE_TARGET_COLD_MS,
                                           .keep_ms = SCALE_KEEP_AUTO };
    return true;
}

static int simulate_table(const struct given *g, const char *path)
{
    struct scale_grid *grid = calloc(1, sizeof(*grid));
    struct buf out CLEANUP(buf_deinit) = BUF_INIT(1 << 20);
    struct buf text CLEANUP(buf_deinit) = BUF_INIT((size_t)4 << 30);
    struct scale_arrival *rows = NULL;
    struct json_writer w;
    struct error err;
    int rc = 1;

    if (!grid || !read_grid(g, grid)) {
        rc = 2;
    } else if (file_read(path, &text, &err) != STATUS_OK ||
               scale_traffic_table(buf_str(&text), MOST_ROWS, &rows, &grid->n, &err) != STATUS_OK) {
        fprintf(stderr, "berth simulate: %s: %s\n", path, err.text);
    } else {
        grid->arrivals = rows;
        grid->from = rows[0].at;
        scale_grid_run(grid);
        json_writer_init(&w, &out);
        scale_grid_write(grid, &w);
        rc = show(g, buf_str(&out));
    }
    free(rows);
    free(grid);
    return rc;
}

/* --- a deployment's own --- */

static void add_member(const struct given *g, const char *flag, const char *key,
                       struct json_writer *w)
{
    const char *given = given_flag(g, flag);
    char *end;
    double d;

    if (!given)
        return;
    d = strtod(given, &end);
    if (end != given && *end == '\0')
        json_member_double(w, key, d);
    else
        json_member_string(w, key, given); /* refused by the server in its own words */
}

static int simulate_deployment(const struct given *g, const char *ref)
{
    struct buf path CLEANUP(buf_deinit) = BUF_INIT(4096);
    struct buf body CLEANUP(buf_deinit) = BUF_INIT(64 * 1024);
    struct buf whole CLEANUP(buf_deinit) = BUF_INIT(4096);
    struct answer a CLEANUP(answer_deinit) = { 0 };
    struct str owner, name, version;
    struct json_writer w;
    struct remote r;

    if (!remote_public(g, &r))
        return 2;
    if (!remote_full_name(&r, ref, &whole))
        return 1;
    if (!model_ref_split(buf_str(&whole), &owner, &name, &version) || version.p) {
        fprintf(stderr, "berth simulate: \"%s\" must have the form NAME or OWNER/NAME.\n", ref);
        return 2;
    }
    buf_adds(&path, "/v1/deployments/");
    percent_add(&path, owner);
    buf_addc(&path, '/');
    percent_add(&path, name);
    buf_adds(&path, "/simulate");
    json_writer_init(&w, &body);
    json_begin_object(&w);
    add_member(g, "--days", "days", &w);
    add_member(g, "--min", "min_instances", &w);
    add_member(g, "--max", "max_instances", &w);
    add_member(g, "--target-wait", "target_wait", &w);
    add_member(g, "--keep-alive", "keep_alive", &w);
    add_member(g, "--boot", "boot_seconds", &w);
    json_end_object(&w);
    if (!remote_call(&r, "POST", path.p, buf_str(&body), "application/json", &a))
        return 1;
    return show(g, buf_str(&a.body));
}

int simulate_command(const struct command *c, const char *const *args)
{
    const char *deployment, *trace, *recorded;
    struct given g;

    if (!given_read(c, args, 0, 0, &g))
        return 2;
    deployment = given_flag(&g, "--deployment");
    trace = given_flag(&g, "--trace");
    recorded = given_flag(&g, "--recorded");
    if (!!deployment + !!trace + !!recorded != 1) {
        fprintf(stderr,
                "berth simulate: give --deployment [OWNER/]NAME, or --trace FILE with --boot "
                "SECONDS, or --recorded FILE.\n");
        return 2;
    }
    if (recorded)
        return replay_decisions(recorded, given_flag(&g, "--json") != NULL);
    if (trace)
        return simulate_table(&g, trace);
    return simulate_deployment(&g, deployment);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What the engine says of a container. */
#include "base/clock.h"
#include "base/json.h"
#include "driver/docker/docker_impl.h"

enum { SIGNAL_BASE = 128, SIGNALS = 64 };

static struct str text_of(const struct json *v, const char *path)
{
    return json_to_str(json_path(v, path));
}

/* The network's name may have dots in it: no path. */
static void read_address(const struct json *root, const char *network, char *out, size_t size)
{
    const struct json *all = json_path(root, "NetworkSettings.Networks");
    struct str ip = json_to_str(json_get(json_get(all, network), "IPAddress"));

    snprintf(out, size, "%.*s", STR_ARG(ip));
}

enum status container_read(struct str inspected, const char *server_id, const char *network,
                           struct container_facts *out, struct error *err)
{
    struct arena a CLEANUP(arena_deinit) = { 0 };
    const struct json *state;
    struct json *root = NULL;
    enum status st = json_parse(&a, inspected, NULL, &root, err);
    struct str status;

    *out = (struct container_facts){ 0 };
    if (st != STATUS_OK) {
        error_context(err, "what the container engine says of a container cannot be read");
        return st;
    }
    state = json_get(root, "State");
    status = text_of(state, "Status");
    if (!status.n)
        return FAIL(err, STATUS_BROKEN, "the container engine says nothing of a container's state");
    /* A label's name has dots in it, too. */
    out->is_ours = str_is(
        json_to_str(json_get(json_path(root, "Config.Labels"), DOCKER_LABEL_SERVER)), server_id);
    out->is_created = str_is(status, "created");
    out->is_running =
        str_is(status, "running") || str_is(status, "paused") || str_is(status, "restarting");
    if (!str_to_i64(json_to_str(json_get(json_path(root, "Config.Labels"), DOCKER_LABEL_PORT)),
                    &out->port))
        out->port = DOCKER_PORT;
    json_to_i64(json_get(state, "ExitCode"), &out->exit_code);
    json_to_bool(json_get(state, "OOMKilled"), &out->out_of_memory);
    if (!out->is_running && !time_parse(text_of(state, "FinishedAt"), &out->ended_at))
        out->ended_at = 0;
    out->ended_at = MAX(out->ended_at, (int64_t)0); /* "0001-01-01" is never */
    snprintf(out->id, sizeof(out->id), "%.*s", STR_ARG(text_of(root, "Id")));
    read_address(root, network, out->address, sizeof(out->address));
    return STATUS_OK;
}

/* A shell's way to tell a signal is the engine's, too. */
struct exit_info container_exit(const struct container_facts *f)
{
    bool by_signal = f->exit_code > SIGNAL_BASE && f->exit_code <= SIGNAL_BASE + SIGNALS;
    struct exit_info how =
        exit_info_make((int)f->exit_code, by_signal ? (int)f->exit_code - SIGNAL_BASE : 0,
                       f->out_of_memory && f->exit_code != 0, false);

    how.ended_at = f->ended_at;
    return how;
}

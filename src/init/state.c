/* SPDX-License-Identifier: Apache-2.0 */
#include "init/state.h"

#include "init/file.h"

enum { STATE_MAX = 16 * 1024 };

void init_state_members(const struct init_state *s, struct json_writer *w)
{
    json_member_int(w, "v", STATE_VERSION);
    json_member_int(w, "pid", s->pid);
    json_member_int(w, "start", s->start);
    json_member_int(w, "model_pid", s->model_pid);
    json_member_int(w, "model_start", s->model_start);
    json_member_int(w, "port", s->port);
    json_member_bool(w, "own_network", s->has_own_network);
    json_member_bool(w, "own_coglet", s->has_own_coglet);
    json_member_bool(w, "ended", s->is_ended);
    json_member_int(w, "code", s->code);
    json_member_int(w, "signal", s->signal);
    json_member_bool(w, "out_of_memory", s->out_of_memory);
    json_member_int(w, "ended_at", s->ended_at);
    json_member_bool(w, "out_of_disk", s->out_of_disk);
    json_member_string(w, "error", s->error);
    json_member_bool(w, "machine_fault", s->is_machine_fault);
    json_key(w, "cgroups");
    json_begin_array(w);
    for (size_t i = 0; i < STATE_CGROUPS; i++) {
        if (s->cgroups[i][0])
            json_stringz(w, s->cgroups[i]);
    }
    json_end_array(w);
}

static void copy_text(struct str s, char *out, size_t size)
{
    size_t n = MIN(s.n, size - 1);

    if (n)
        memcpy(out, s.p, n);
    out[n] = '\0';
}

static bool small_int(const struct json *v, int *out)
{
    int64_t n;

    if (!json_to_i64(v, &n) || n < -1 || n > 255)
        return false;
    *out = (int)n;
    return true;
}

enum status init_state_from_json(const struct json *o, struct init_state *out, struct error *err)
{
    struct init_state s = { .pid = 0 };
    int64_t version;
    size_t n = 0;

    if (!json_to_i64(json_get(o, "v"), &version) || version != STATE_VERSION)
        return FAIL(err, STATUS_UNSUPPORTED, "the supervisor's state is not of version %d",
                    STATE_VERSION);
    if (!json_to_i64(json_get(o, "pid"), &s.pid) || !json_to_i64(json_get(o, "start"), &s.start) ||
        !json_to_i64(json_get(o, "model_pid"), &s.model_pid) ||
        !json_to_i64(json_get(o, "model_start"), &s.model_start) ||
        !json_to_i64(json_get(o, "port"), &s.port) || s.port < 0 || s.port > 65535 ||
        !json_to_bool(json_get(o, "own_coglet"), &s.has_own_coglet) ||
        !json_to_bool(json_get(o, "ended"), &s.is_ended) ||
        !json_to_bool(json_get(o, "out_of_memory"), &s.out_of_memory) ||
        !json_to_bool(json_get(o, "machine_fault"), &s.is_machine_fault) ||
        !small_int(json_get(o, "code"), &s.code) || !small_int(json_get(o, "signal"), &s.signal))
        return FAIL(err, STATUS_INVALID, "the supervisor's state lacks a member");
    if (!json_to_i64(json_get(o, "ended_at"), &s.ended_at))
        s.ended_at = 0;
    /* Absent in what an older supervisor says. */
    (void)json_to_bool(json_get(o, "out_of_disk"), &s.out_of_disk);
    (void)json_to_bool(json_get(o, "own_network"), &s.has_own_network);
    copy_text(json_to_str(json_get(o, "error")), s.error, sizeof(s.error));
    json_each (json_get(o, "cgroups"), group) {
        if (n < STATE_CGROUPS)
            copy_text(json_to_str(group), s.cgroups[n++], sizeof(s.cgroups[0]));
    }
    *out = s;
    return STATUS_OK;
}

enum status init_state_save(int dirfd, const struct init_state *s, struct error *err)
{
    struct buf b CLEANUP(buf_deinit) = BUF_INIT(STATE_MAX);
    struct json_writer w;

    json_writer_init(&w, &b);
    json_begin_object(&w);
    init_state_members(s, &w);
    json_end_object(&w);
    buf_addc(&b, '\n');
    return init_file_replace(dirfd, STATE_FILE, buf_str(&b), err);
}

enum status init_state_load(int dirfd, struct init_state *out, struct error *err)
{
    struct buf b CLEANUP(buf_deinit) = BUF_INIT(STATE_MAX);
    struct arena a CLEANUP(arena_deinit) = { .head = NULL };
    struct json *root;
    enum status st = init_file_read(dirfd, STATE_FILE, &b, err);

    if (st == STATUS_OK)
        st = json_parse(&a, buf_str(&b), NULL, &root, err);
    return st ? st : init_state_from_json(root, out, err);
}

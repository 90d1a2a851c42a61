/* SPDX-License-Identifier: Apache-2.0 */
#include "init/spec.h"

#include "init/file.h"
#include "init/init.h"

#include <unistd.h>

enum { SPEC_MAX = 4 * 1024 * 1024 };

void init_spec_write(const struct init_spec *s, struct buf *out)
{
    struct json_writer w;

    json_writer_init(&w, out);
    json_begin_object(&w);
    json_member_int(&w, "v", SPEC_VERSION);
    json_member_string(&w, "id", s->id);
    json_member_string(&w, "cwd", s->cwd);
    json_member_list(&w, "argv", s->argv);
    json_member_list(&w, "env", s->env);
    json_member_list(&w, "hide", s->hide);
    json_member_list(&w, "read_only", s->read_only);
    json_member_list(&w, "writable", s->writable);
    json_member_list(&w, "programs", s->programs);
    json_member_int(&w, "uid", s->uid);
    json_member_list(&w, "groups", s->groups);
    json_member_int(&w, "port", s->port);
    json_member_int(&w, "internal_port", s->internal_port);
    if (s->internal_port)
        json_member_string(&w, "internal_folder", s->internal_folder);
    json_member_int(&w, "memory", s->memory);
    json_member_int(&w, "cpus_milli", s->cpus_milli);
    json_member_int(&w, "disk", s->disk);
    json_member_int(&w, "processes", s->processes);
    json_member_int(&w, "open_files", s->open_files);
    json_member_int(&w, "orphan_timeout_ms", s->orphan_timeout_ms);
    json_member_int(&w, "stop_grace_ms", s->stop_grace_ms);
    json_member_int(&w, "max_log", s->max_log);
    json_member_bool(&w, "use_cgroup", s->use_cgroup);
    json_member_bool(&w, "use_mounts", s->use_mounts);
    json_end_object(&w);
}

static enum status read_text(struct arena *a, const struct json *o, const char *key,
                             const char **out, struct error *err)
{
    struct str s = json_to_str(json_get(o, key));

    if (!s.p || s.n == 0 || memchr(s.p, '\0', s.n))
        return FAIL(err, STATUS_INVALID, "%s: '%s' must be text", "spec.json", key);
    *out = arena_copy(a, s);
    return STATUS_OK;
}

static enum status read_list(struct arena *a, const struct json *o, const char *key,
                             const char *const **out, struct error *err)
{
    const struct json *v = json_get(o, key);
    const char **list;
    size_t n = 0;

    if (!json_is(v, JSON_ARRAY))
        return FAIL(err, STATUS_INVALID, "%s: '%s' must be a list", "spec.json", key);
    list = arena_array(a, const char *, v->n + 1);
    json_each (v, item) {
        struct str s = json_to_str(item);

        if (!s.p || memchr(s.p, '\0', s.n))
            return FAIL(err, STATUS_INVALID, "%s: '%s' must be a list of texts", "spec.json", key);
        list[n++] = arena_copy(a, s);
    }
    *out = list;
    return STATUS_OK;
}

static enum status read_number(const struct json *o, const char *key, int64_t least, int64_t *out,
                               struct error *err)
{
    if (!json_to_i64(json_get(o, key), out) || *out < least)
        return FAIL(err, STATUS_INVALID, "spec.json: '%s' must be a number from %lld on", key,
                    (long long)least);
    return STATUS_OK;
}

static enum status read_all(struct arena *a, const struct json *o, struct init_spec *s,
                            struct error *err)
{
    enum status st = read_text(a, o, "id", &s->id, err);

    st = st ? st : read_text(a, o, "cwd", &s->cwd, err);
    st = st ? st : read_list(a, o, "argv", &s->argv, err);
    st = st ? st : read_list(a, o, "env", &s->env, err);
    st = st ? st : read_list(a, o, "hide", &s->hide, err);
    st = st ? st : read_list(a, o, "read_only", &s->read_only, err);
    st = st ? st : read_list(a, o, "writable", &s->writable, err);
    if (!st && json_get(o, "programs")) /* an earlier server did not say it */
        st = read_list(a, o, "programs", &s->programs, err);
    st = st ? st : read_number(o, "uid", 0, &s->uid, err);
    if (!st && json_get(o, "groups")) /* likewise */
        st = read_list(a, o, "groups", &s->groups, err);
    if (!st && json_get(o, "port")) /* likewise */
        st = read_number(o, "port", 0, &s->port, err);
    if (!st && json_get(o, "internal_port")) /* likewise */
        st = read_number(o, "internal_port", 0, &s->internal_port, err);
    if (!st && s->internal_port)
        st = read_text(a, o, "internal_folder", &s->internal_folder, err);
    st = st ? st : read_number(o, "memory", 0, &s->memory, err);
    st = st ? st : read_number(o, "cpus_milli", 0, &s->cpus_milli, err);
    st = st ? st : read_number(o, "disk", 0, &s->disk, err);
    st = st ? st : read_number(o, "processes", 0, &s->processes, err);
    st = st ? st : read_number(o, "open_files", 0, &s->open_files, err);
    st = st ? st : read_number(o, "orphan_timeout_ms", 0, &s->orphan_timeout_ms, err);
    st = st ? st : read_number(o, "stop_grace_ms", 0, &s->stop_grace_ms, err);
    st = st ? st : read_number(o, "max_log", 1, &s->max_log, err);
    if (st)
        return st;
    if (!s->argv[0])
        return FAIL(err, STATUS_INVALID, "spec.json: 'argv' is empty");
    if (!json_to_bool(json_get(o, "use_cgroup"), &s->use_cgroup) ||
        !json_to_bool(json_get(o, "use_mounts"), &s->use_mounts))
        return FAIL(err, STATUS_INVALID, "spec.json: 'use_cgroup' and 'use_mounts' are missing");
    return STATUS_OK;
}

enum status init_spec_parse(struct arena *a, struct str text, struct init_spec *out,
                            struct error *err)
{
    struct init_spec s = { .id = NULL };
    struct json *root;
    int64_t version;
    enum status st = json_parse(a, text, NULL, &root, err);

    if (st)
        return st;
    if (!json_to_i64(json_get(root, "v"), &version) || version != SPEC_VERSION)
        return FAIL(err, STATUS_UNSUPPORTED, "spec.json is not of version %d", SPEC_VERSION);
    st = read_all(a, root, &s, err);
    if (st == STATUS_OK)
        *out = s;
    return st;
}

enum status init_spec_take(int dirfd, struct arena *a, struct init_spec *out, struct error *err)
{
    struct buf b CLEANUP(buf_deinit) = BUF_INIT(SPEC_MAX);
    enum status st = init_file_read(dirfd, INIT_SPEC, &b, err);

    if (st == STATUS_OK)
        st = init_spec_parse(a, str_of(arena_copy(a, buf_str(&b))), out, err);
    unlinkat(dirfd, INIT_SPEC, 0);
    return st;
}

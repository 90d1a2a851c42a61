/* SPDX-License-Identifier: Apache-2.0 */
/* What a server has recorded of its decisions (record_decisions), taken again by the policy of this
 * program. */
#include "base/clock.h"
#include "base/file.h"
#include "cli/cli.h"
#include "core/scale/again.h"

#include <inttypes.h>

struct replay {
    int64_t n, n_changes, n_different;
    bool is_json;
    struct json_writer w;
};

static void write_one(struct replay *p, const struct scale_again *d)
{
    struct buf sentence CLEANUP(buf_deinit) = BUF_INIT(4096);
    char at[TIME_TEXT_SIZE];

    time_format(d->view.now, at);
    scale_explain(&d->view, &d->now, &sentence);
    if (p->is_json) {
        json_begin_object(&p->w);
        json_member_string(&p->w, "at", at);
        json_member_bool(&p->w, "same", d->is_same);
        json_member_int(&p->w, "instances_before", d->now.from);
        json_member_int(&p->w, "instances_after", d->now.to);
        json_member_string(&p->w, "sentence", sentence.p);
        json_end_object(&p->w);
    } else if (!d->is_same) {
        printf("%s  otherwise now: %s\n", at, sentence.p);
    }
}

static enum status replay(struct replay *p, struct str bytes, struct error *err)
{
    enum status s = scale_again_open(&bytes, err);
    bool more = s == STATUS_OK;

    while (more) {
        struct arena a CLEANUP(arena_deinit) = { 0 };
        struct scale_again d;

        more = scale_again_next(&bytes, &a, &d, &s, err);
        if (!more)
            break;
        p->n++;
        p->n_changes += d.then.n > 0;
        p->n_different += !d.is_same;
        if (!d.is_same || d.then.n > 0)
            write_one(p, &d);
    }
    return s;
}

static void show(const struct replay *p)
{
    if (p->n_different > 0)
        printf("%" PRId64 " of ", p->n_different);
    printf("%" PRId64 " decisions, of which %" PRId64 " changed something: %s\n", p->n,
           p->n_changes, p->n_different ? "they come out otherwise" : "all come out the same");
}

int replay_decisions(const char *path, bool is_json)
{
    struct buf bytes CLEANUP(buf_deinit) = BUF_INIT((size_t)16 << 30);
    struct buf out CLEANUP(buf_deinit) = BUF_INIT(BUF_UNBOUNDED);
    struct replay p = { .is_json = is_json };
    struct error err;
    enum status s;

    json_writer_init(&p.w, &out);
    json_begin_object(&p.w);
    json_key(&p.w, "changes");
    json_begin_array(&p.w);
    s = file_read(path, &bytes, &err);
    if (s == STATUS_OK)
        s = replay(&p, buf_str(&bytes), &err);
    json_end_array(&p.w);
    json_member_int(&p.w, "decisions", p.n);
    json_member_int(&p.w, "different", p.n_different);
    json_end_object(&p.w);
    if (s != STATUS_OK)
        fprintf(stderr, "berth simulate: %s: %s\n", path, err.text);
    else if (is_json)
        printf("%s\n", out.p);
    if (!is_json && p.n > 0)
        show(&p);
    return s == STATUS_OK && p.n_different == 0 ? 0 : 1;
}

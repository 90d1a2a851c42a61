/* SPDX-License-Identifier: Apache-2.0 */
/* The fetching of one input: redirects are followed by us, so that each address is looked at where
 * it is connected to; what comes is written while it comes, and waits where the disk is slower. */
#include "run/input_impl.h"

#include "base/clock.h"
#include "blob/name.h"
#include "http/multipart.h"
#include "run/input_url.h"

enum { MAX_REDIRECTS = 5, CONNECT_TIMEOUT_MS = 10000, STALL_TIMEOUT_MS = 30000 };

static const struct http_call_events call_events;

void job_fetch(struct job *j, const char *url)
{
    static const char *const headers[] = { "Accept: */*", "User-Agent: berth/" BERTH_VERSION,
                                           NULL };
    const struct options *o = j->all->files->options;
    struct http_call_spec spec = {
        .method = "GET",
        .url = url,
        .headers = headers,
        .connect_timeout_ms = CONNECT_TIMEOUT_MS,
        .timeout_ms = o->input_fetch_timeout,
        .stall_timeout_ms = STALL_TIMEOUT_MS,
        .flags = o->input_private_targets ? 0 : HTTP_CALL_PUBLIC_ONLY,
    };

    j->url = str_of(url);
    j->next_url = NULL;
    j->is_bad = false;
    j->call_is_open = true;
    http_call_start(j->all->files->client, &j->call, &spec, &call_events);
}

static bool is_redirect(int status)
{
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

static void read_type(struct job *j)
{
    struct arena *a = &j->all->arena;
    struct str type = str_trim(http_call_header(&j->call, "content-type")),
               name = input_url_name(a, j->url);
    struct str disposition = http_call_header(&j->call, "content-disposition");
    struct buf filename CLEANUP(buf_deinit) = BUF_INIT(4096);

    if (disposition.p && !(name.n && memchr(name.p, '.', name.n)) &&
        header_parameter(disposition, "filename", &filename) && filename.n > 0)
        name = str_make(arena_copy(a, buf_str(&filename)), filename.n);
    job_choose_name(j, name,
                    content_type_valid(type) ? arena_copy(a, type) : "application/octet-stream");
}

static void on_headers(struct http_call *c, int status)
{
    struct job *j = container_of(c, struct job, call);
    int64_t max = j->all->files->options->max_input_file;
    struct str length = http_call_header(c, "content-length");
    char text[TIME_TEXT_SIZE];
    uint64_t n;

    if (is_redirect(status)) {
        j->next_url = input_url_join(&j->all->arena, j->url, http_call_header(c, "location"));
        if (!j->next_url)
            job_refuse(j, STATUS_BROKEN,
                       "it redirects to somewhere that is no http or https address.");
        else if (++j->n_redirects > MAX_REDIRECTS)
            job_refuse(j, STATUS_BROKEN, "it redirects more than %d times.", MAX_REDIRECTS);
    } else if (status < 200 || status > 299) {
        job_refuse(j, STATUS_BROKEN, "it answered with status %d.", status);
    } else if (length.p && str_to_u64(length, &n) && n > (uint64_t)max) {
        size_format(max, text);
        job_refuse(j, STATUS_TOO_LARGE, "it is larger than %s (max_input_file).", text);
    } else {
        read_type(j);
        j->writer = blob_writer_new(j->all->files->blobs, j->id, max);
    }
    if (j->is_bad)
        http_call_cancel(c);
}

static void on_written(void *arg, const struct error *err);
static void on_finished(void *arg, const struct blob_facts *facts, const struct error *err);

static bool on_data(struct http_call *c, struct str piece)
{
    struct job *j = container_of(c, struct job, call);

    if (!j->writer || j->is_bad)
        return true; /* what nobody wants */
    if (j->waits_for_writer)
        return false;
    j->waits_for_writer = true;
    blob_write(j->writer, piece, on_written, j);
    return true;
}

static void call_is_over(struct job *j)
{
    struct blob_writer *w = TAKE(j->writer);

    if (j->is_bad || j->all->has_failed || j->all->is_freed) {
        blob_abort(w);
        job_over(j);
    } else if (j->next_url) {
        job_fetch(j, j->next_url);
    } else {
        blob_finish(w, on_finished, j);
    }
}

static void on_written(void *arg, const struct error *err)
{
    struct job *j = arg;
    char text[TIME_TEXT_SIZE];

    j->waits_for_writer = false;
    if (err && err->status == STATUS_TOO_LARGE) {
        size_format(j->all->files->options->max_input_file, text);
        job_refuse(j, STATUS_TOO_LARGE, "it is larger than %s (max_input_file).", text);
    } else if (err) {
        job_refuse(j, err->status, "%s", err->text);
    }
    if (!j->call_is_open)
        call_is_over(j);
    else if (j->is_bad)
        http_call_cancel(&j->call);
    else
        http_call_resume(&j->call);
}

static void on_finished(void *arg, const struct blob_facts *facts, const struct error *err)
{
    struct job *j = arg;

    if (err)
        job_fails(j, err);
    else
        job_record(j, facts);
}

static void on_call_done(struct http_call *c, const struct error *err)
{
    struct job *j = container_of(c, struct job, call);
    char text[TIME_TEXT_SIZE];

    j->call_is_open = false;
    if (err && !j->is_bad && !j->all->has_failed) {
        duration_format(j->all->files->options->input_fetch_timeout, text);
        if (err->status == STATUS_FORBIDDEN)
            job_refuse(j, err->status,
                       "its address is private (the option input_private_targets allows that).");
        else if (err->status == STATUS_TIMED_OUT)
            job_refuse(j, err->status,
                       "it did not come within %s (input_fetch_timeout), or stood still.", text);
        else
            job_refuse(j, err->status, "%s", err->text);
    }
    if (!j->waits_for_writer)
        call_is_over(j);
}

static const struct http_call_events call_events = {
    .headers = on_headers,
    .data = on_data,
    .done = on_call_done,
};

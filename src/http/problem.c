/* SPDX-License-Identifier: Apache-2.0 */
#include "http/conn.h"

#include "base/json.h"
#include "base/log.h"

static void send_problem(struct http_request *r, int status, const char *title, struct str detail)
{
    struct buf CLEANUP(buf_deinit) body = BUF_INIT(BUF_UNBOUNDED);
    const struct http_config *config = &r->conn->listener->config;
    struct json_writer w;

    if (config->problem && config->problem(r, status, detail))
        return;
    json_writer_init(&w, &body);
    json_begin_object(&w);
    if (title)
        json_member_string(&w, "title", title);
    json_member_str(&w, "detail", detail);
    json_member_int(&w, "status", status);
    json_end_object(&w);
    http_respond(r, status, "application/problem+json", buf_str(&body));
}

void http_problem(struct http_request *r, int status, const char *title, const char *fmt, ...)
{
    struct buf CLEANUP(buf_deinit) detail = BUF_INIT(64 << 10);
    va_list ap;

    va_start(ap, fmt);
    buf_vaddf(&detail, fmt, ap);
    va_end(ap);
    send_problem(r, status, title, buf_str(&detail));
}

void http_problem_error(struct http_request *r, const struct error *err)
{
    int status = status_http(err->status);

    if (status < 500) {
        send_problem(r, status, NULL, str_of(err->text));
        return;
    }
    /* Not the path itself: some are secrets. */
    log_error("request failed", LOG_S("request", r->id), LOG_S("method", r->method),
              LOG_S("route", r->route ? r->route->path : ""), LOG_I("status", status),
              LOG_ERR(err));
    http_problem(r, status, NULL, "The request failed: %s. Its id is %s.", status_text(err->status),
                 r->id);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Backups, for the administrator: the command line copies the data folder itself, between these two
 * requests. */
#include "run/backup.h"

#include "api/api.h"
#include "base/mem.h"

#include <stdlib.h>

struct asking {
    struct backups *backups;
    struct http_request *request; /* NULL: gone */
};

static void on_gone(struct http_request *r)
{
    struct asking *a = r->context;

    a->request = NULL;
}

static void on_begun(void *arg, const struct backup_info *info, const struct error *err)
{
    struct buf body CLEANUP(buf_deinit) = BUF_INIT(16 * 1024);
    struct asking *a = arg;
    struct json_writer w;

    if (err && a->request) {
        api_refuse(a->request, err);
    } else if (a->request) {
        json_writer_init(&w, &body);
        json_begin_object(&w);
        json_member_string(&w, "id", info->id);
        json_member_string(&w, "database", info->database);
        show_time(&w, "held_until", info->held_until);
        json_end_object(&w);
        api_answer(a->request, 201, &body);
    } else if (info) {
        backup_abandon(a->backups);
    }
    free(a);
}

void admin_backup_begin(struct http_request *r)
{
    struct asking *a = xnew(struct asking);

    a->backups = api_of(r)->backups;
    a->request = r;
    r->context = a;
    r->on_gone = on_gone;
    backup_begin(a->backups, on_begun, a);
}

void admin_backup_end(struct http_request *r)
{
    struct error err;

    if (backup_end(api_of(r)->backups, http_param(r, "id"), &err) == STATUS_OK)
        http_respond_empty(r, 204);
    else
        http_problem(r, 404, NULL, "%s", err.text);
}

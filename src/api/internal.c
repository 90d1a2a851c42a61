/* SPDX-License-Identifier: Apache-2.0 */
/* What instances may tell the server: the end of a prediction. The secret in the path is the
 * instance's own. */
#include "api/api.h"
#include "base/log.h"

bool internal_gate(struct http_request *r)
{
    struct str capability = http_param(r, "capability");

    if (map_get(&api_of(r)->fleet->capabilities, capability))
        return true;
    api_not_found(r);
    return false;
}

void internal_webhook(struct http_request *r)
{
    struct error err;
    enum status s = instance_webhook(api_of(r)->fleet, http_param(r, "capability"),
                                     http_param(r, "id"), r->json, http_body_memory(r), &err);

    if (s == STATUS_OK) {
        http_respond_empty(r, 204);
        return;
    }
    log_info("an instance's message was refused", LOG_STR("prediction", http_param(r, "id")),
             LOG_ERR(&err));
    if (s == STATUS_NOT_FOUND)
        api_not_found(r);
    else
        http_problem_error(r, &err);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* GET /v1/events: what changes in an account, told to pages that show it. */
#pragma once

#include "api/api.h"

void events_init(struct api *a);
/* Ends the streams whose token or session is no more. */
void events_look(struct api *a);
/* Ends every stream, when the server does. */
void events_end(struct api *a);

void events_show(struct http_request *r);

/* SPDX-License-Identifier: Apache-2.0 */
/* Cross-origin requests (the CORS protocol of the Fetch standard): pages of the origins that the
 * option cors_origins names may call the API with a token. Without the option no field is sent, and
 * browsers keep other origins out. Cookies never count: no answer allows credentials, so that a
 * foreign page has only the tokens that it was given. */
#pragma once

#include "http/server.h"

/* An http_config's `first`: adds the fields to whatever is answered, and answers preflights. */
bool cors_first(struct http_request *r);

/* SPDX-License-Identifier: Apache-2.0 */
/* The registry's front: what clients of registries ask for below /v2/ goes on to a registry on this
 * machine, for the accounts that own what they ask for. A manifest that is accepted under a tag
 * becomes a version of OWNER/NAME. */
#pragma once

#include "api/api.h"

enum { REGISTRY_MAX_MANIFEST = 4 << 20 }; /* what registries themselves take */

/* *out is NULL where the option `registry` is empty. INVALID: it is no address. */
enum status registry_new(struct loop *l, const struct options *o, struct registry **out,
                         struct error *err) NODISCARD;
void registry_free(struct registry *g); /* NULL is fine; no request of it is open any more */

/* Whether the request is for it, and has the registry's own form of errors. */
bool registry_is(const struct http_request *r);
/* For http_config.problem. */
bool registry_refuse(struct http_request *r, int status, struct str detail);
/* Who asks: Bearer, or Basic with the account's name and its token (which may lack its "r8_").
 * NULL: none of ours, and the challenge was answered. */
struct api_token *registry_enter(struct http_request *r);

void registry_base(struct http_request *r);
void registry_read(struct http_request *r);   /* blobs, manifests, tags, uploads */
void registry_upload(struct http_request *r); /* begins an upload, goes on with it, ends it */
void registry_manifest_put(struct http_request *r);
void cog_token_address(struct http_request *r);
void cog_token_verify(struct http_request *r);

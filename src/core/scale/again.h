/* SPDX-License-Identifier: Apache-2.0 */
/* Decisions as bytes, each with all that the policy was given for it, and the same taken again from
 * the bytes alone. Values lie in them as in memory: only a build of the same kind reads what
 * another one has written, and the head says what kind it was. */
#pragma once

#include "core/scale.h"

#include "base/arena.h"
#include "base/status.h"

/* What a file of them begins with. */
void scale_again_head(struct buf *out);
void scale_again_write(const struct scale_view *v, const struct scale_plan *plan, struct buf *out);

struct scale_again {
    struct scale_view view;
    struct scale_plan then, now; /* as it was, and as the policy decides from the same view */
    bool is_same;
};

/* Goes behind the head. UNSUPPORTED where another kind of build has written it. */
enum status scale_again_open(struct str *bytes, struct error *err) NODISCARD;
/* Takes the next one again; it lives as long as `a`. False at the end; where they are cut or
 * damaged *out_status is BROKEN then, else OK. */
bool scale_again_next(struct str *bytes, struct arena *a, struct scale_again *out,
                      enum status *out_status, struct error *err);

/* SPDX-License-Identifier: Apache-2.0 */
/* A deployment's canary as it lives: which release serves, who has the next prediction, what is
 * counted, and its end. A model's own pool has none. */
#pragma once

#include "core/canary.h"
#include "run/fleet.h"

struct canary_live {
    struct pool *pool;
    struct canary_terms terms;
    struct canary is; /* the one that goes on, or went on last */
    struct timer flush;
};

/* For a deployment that comes to live. */
void canary_new(struct pool *p);
void canary_free(struct pool *p);
/* The settings, from the deployment's row. */
void canary_set(struct pool *p, const char *settings);
/* A new release is the current one. `served`: the one that took new predictions before it (NULL:
 * none); `is_new`: it was never ready. Begins a canary, goes on with one, or ends it. */
void canary_released(struct pool *p, struct release *served, bool is_new);
/* At start-up: what is stored of a deployment's, before its releases are made, and of what its
 * shadow told (of the heap; NULL: nothing). */
enum status canary_load(struct fleet *f, const char *deployment_id, struct canary *out,
                        char **out_shadow, struct error *err) NODISCARD;
/* And after: `is_same` when the release it was of has the version and hardware of the current one.
 */
void canary_resume(struct pool *p, const struct canary *stored, const char *shadow, bool is_same);
/* Stores it, and what its shadow told: now, or once a second. */
void canary_save(struct pool *p);
void canary_save_soon(struct pool *p);
/* Stores what is not stored yet; before the server ends. */
void canary_flush_all(struct fleet *f);

/* The release that serves instead of the current one: while a canary goes on, and after it was
 * halted. NULL: none does. */
struct release *canary_base(const struct pool *p);
/* Whether a lane has a share of the new predictions only, or none. */
bool canary_has(const struct pool *p, const struct lane *l);
/* The release that has the next prediction, where `serving` would: that one, or the current one. */
struct release *canary_choose(struct pool *p, struct release *serving);
/* `chosen` is a canary's: the release that serves; else NULL. */
struct release *canary_instead(const struct pool *p, const struct release *chosen);
/* Back to the release that serves, unless both take the very same inputs. */
void canary_keep_known(struct pool *p, struct lane **lane, struct release **release);

/* What happens. All but those of deployments are ignored. */
void canary_arrived(const struct prediction *p);
void canary_finished(const struct prediction *p, enum prediction_status s);

/* Before each decision on a pool: takes the canary on its way. *out_change: when time alone changes
 * something, where that is earlier. */
void canary_look(struct pool *p, int64_t *out_change);
/* A failed release may try again: a halted one by a canary of its own. */
void canary_again(struct pool *p);
/* Ends one that goes on at once. UNPROCESSABLE: none does. */
enum status canary_end_now(struct pool *p, enum canary_state end, struct error *err) NODISCARD;

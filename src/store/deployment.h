/* SPDX-License-Identifier: Apache-2.0 */
/* Deployments and their releases in the store. */
#pragma once

#include "core/account.h"
#include "core/hardware.h"
#include "store/model.h"
#include "store/store.h"

struct release_row {
    int64_t number; /* from 1 */
    const char *model_owner, *model_name;
    const char *version; /* 64 hex */
    const char *hardware;
    int64_t min_instances, max_instances;
    int64_t created_at;
    struct account created_by;
    int64_t ready_at;    /* 0: never had an instance that was ready */
    int64_t failed_at;   /* 0: not marked failed */
    const char *failure; /* what the last boot said; NULL */
};

struct deployment_row {
    const char *id; /* 26 characters */
    const char *owner_id, *owner;
    const char *name;
    int64_t created_at;
    int64_t last_used_at; /* the last prediction's creation, to a second; 0: never */
    int64_t lease_epoch;
    struct release_row release; /* the current one */
    const char
        *settings;    /* JSON object of what makes no release (wait target, keep-alive ...); "{}" */
    const char *held; /* not stored: why nothing of it may boot or begin; NULL: it may */
};

/* Creates deployment and release 1. Statuses: CONFLICT (name taken); UNPROCESSABLE with error.text
 * naming what is missing when the model or version does not exist or may not be seen (`bad_model`
 * tells which), or the hardware does not offer what the version's kind needs (`bad_hardware`). */
struct store_deployment_create {
    struct store_op op;
    struct deployment_row in; /* id, owner_id, name, created_at, settings, release.* but number */
    const struct hardware *offers; /* what there is; NULL: it is not looked at */
    bool bad_model, bad_hardware;  /* out */
    struct deployment_row row;     /* out */
    struct version_row used;       /* out: the release's version */
};
extern const struct store_op_type STORE_DEPLOYMENT_CREATE;

struct store_deployment_get {
    struct store_op op;
    struct str owner, name;
    const char *viewer_id; /* only its owner sees a deployment; NULL: any */
    struct deployment_row row;
};
extern const struct store_op_type STORE_DEPLOYMENT_GET;

struct store_deployment_list {
    struct store_op op;
    struct page_query page; /* by deployment id */
    const char *owner_id;   /* NULL: all (start-up) */
    struct deployment_row *rows;
    size_t n;
    struct page_info info;
};
extern const struct store_op_type STORE_DEPLOYMENT_LIST;

/* Makes release number+1 where a value differs from the current one; else no release is made and
 * `changed` is false. -1 or NULL: as it is. Settings make no release. */
struct store_deployment_update {
    struct store_op op;
    struct str owner, name;
    const char *viewer_id;
    const char *version, *hardware;
    const struct hardware *offers; /* as in the create */
    int64_t min_instances, max_instances;
    /* Members of the settings' "scaling" that change, valid for scale_settings_change(); NULL. */
    const char *scaling;
    const char *rollout; /* likewise, for canary_terms_change() */
    int64_t now;
    const char *author_id;     /* account */
    bool bad_version;          /* out, with UNPROCESSABLE: the model has no such version */
    bool bad_bounds;           /* out, with UNPROCESSABLE: max < min after the change */
    bool bad_hardware;         /* out, with UNPROCESSABLE: it cannot run the version */
    bool changed;              /* out */
    bool settings_changed;     /* out */
    struct deployment_row row; /* out */
    struct version_row used;   /* out: the release's version */
};
extern const struct store_op_type STORE_DEPLOYMENT_UPDATE;

/* UNPROCESSABLE with the remedy in error.text when it is not disabled (max_instances > 0 and it was
 * used) or was used within `quiet_ms`, or has predictions that have not ended. One that never ran a
 * prediction can go at once. */
struct store_deployment_delete {
    struct store_op op;
    struct str owner, name;
    const char *viewer_id;
    int64_t now, quiet_ms;
    char id[32]; /* out */
};
extern const struct store_op_type STORE_DEPLOYMENT_DELETE;

/* Releases of one deployment, newest first (at most 1,000). */
struct store_release_list {
    struct store_op op;
    const char *deployment_id;
    bool only_open; /* the current one and those with predictions that are not terminal */
    struct release_row *rows;
    size_t n;
};
extern const struct store_op_type STORE_RELEASE_LIST;

/* Marks a release ready (failure == NULL) or failed; with `clear`, neither. */
struct store_release_mark {
    struct store_op op;
    const char *deployment_id;
    int64_t number;
    int64_t now;
    const char *failure;
    bool clear;
    int64_t lease_epoch;
};
extern const struct store_op_type STORE_RELEASE_MARK;

/* At each start: raises every lease, so that an older server's writes fail. */
struct store_lease_take {
    struct store_op op;
    int64_t epoch; /* out: the one now in force for all */
};
extern const struct store_op_type STORE_LEASE_TAKE;

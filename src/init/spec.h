/* SPDX-License-Identifier: Apache-2.0 */
/* spec.json: what the supervisor shall start. Written by the driver, read once by the supervisor.
 */
#pragma once

#include "base/json.h"

enum { SPEC_VERSION = 1, SPEC_MAX_GROUPS = 16 };

struct init_spec {
    const char *id;
    const char *cwd;
    const char *const *argv; /* argv[0] is the path of the program */
    const char *const *env;  /* the whole environment */
    /* Where mounts are possible: */
    const char *const *hide;      /* folders of which only what follows is seen */
    const char *const *read_only; /* folders and files that are seen and cannot be changed */
    const char *const *writable;  /* folders, beside home and tmp, that are seen as they are */
    const char *const *programs;  /* beside argv[0]: programs that are seen with what they need */
    int64_t uid;                  /* 0: the server's own user */
    const char *const *groups;    /* of that user beside its own, as numbers; NULL: none */
    int64_t port;                 /* on which it will listen; 0: it says so itself (model.h) */
    /* Where it has a network of its own (netns.h): the port inside that leads to the server's
     * internal listener, and the folder of that one's socket. Otherwise 0 and NULL. */
    int64_t internal_port;
    const char *internal_folder;
    int64_t memory;     /* bytes of all processes together; 0: no limit */
    int64_t cpus_milli; /* 0: no limit */
    int64_t disk;       /* bytes in home, tmp and coglet together; 0: no limit */
    int64_t processes;  /* threads included, where it has a uid or a control group; 0: no limit */
    int64_t open_files; /* of each process; 0: no limit */
    int64_t orphan_timeout_ms;
    int64_t stop_grace_ms; /* for a stop that no server asked for */
    int64_t max_log;       /* bytes */
    bool use_cgroup;       /* where possible */
    bool use_mounts;       /* where possible */
};

void init_spec_write(const struct init_spec *s, struct buf *out);
enum status init_spec_parse(struct arena *a, struct str text, struct init_spec *out,
                            struct error *err) NODISCARD;
/* Reads the file spec.json of the folder that dirfd stands for, and removes it: it may hold tokens.
 */
enum status init_spec_take(int dirfd, struct arena *a, struct init_spec *out,
                           struct error *err) NODISCARD;

/* SPDX-License-Identifier: Apache-2.0 */
/* A build, as its own files see it. */
#pragma once

#include "base/arena.h"
#include "base/encode.h"
#include "core/version.h"
#include "loop/child.h"
#include "loop/flow.h"
#include "run/build.h"
#include "run/change.h"
#include "run/cogyaml.h"
#include "run/modelyaml.h"
#include "store/model.h"

enum build_state {
    BUILD_QUEUED,
    BUILD_UNPACKING,   /* the archive, on a work thread */
    BUILD_READING,     /* cog.yaml or model.yaml, and requirements, on a work thread */
    BUILD_CHECKING,    /* system packages: dpkg-query */
    BUILD_RESOLVING,   /* uv pip compile: exact versions and hashes */
    BUILD_WAITING_ENV, /* another build makes the same environment */
    BUILD_MAKING_ENV,  /* uv venv */
    BUILD_INSTALLING,  /* uv pip sync */
    BUILD_DESCRIBING,  /* the schema, from the source */
    BUILD_STORING,     /* digest and move, on a work thread */
    BUILD_REGISTERING, /* the row of the version */
    BUILD_ENDING,      /* the row of the build, then the rest is swept */
    BUILD_DONE,
};

struct builds {
    struct loop *loop;
    struct store *store;
    const struct options *options;
    struct id_gen *ids;
    char *data, *helper, *self;
    char *home, *folders; /* as of struct builds_config */
    struct uids *uids;    /* not ours; NULL: builds run as our own user */
    struct list queue;    /* struct build.node, waiting */
    struct list running;  /* struct build.node */
    int n_running;
    bool is_closing;       /* each build stops where it is */
    int n_pushing;         /* pushes whose write or row is under way */
    struct map live;       /* id -> struct build */
    struct list forgotten; /* struct forget.node: versions whose folders go */
    struct timer forget_timer;
    bool is_held;                     /* for a backup: no folder goes */
    int n_forgetting;                 /* of these, under way */
    uint64_t n_stored;                /* builds that came to storing, ever */
    struct change_listener *listener; /* NULL: nobody is told */
};

/* A data folder's path must leave room for what stands below it in the fields and buffers here. */
enum { DATA_PATH_MAX = 400 };

struct build {
    struct list node;
    struct builds *owner;
    struct flow flow;
    struct build_row row; /* texts in `arena` */
    struct arena arena;
    struct list watchers;
    struct timer deadline;
    struct work work;
    struct child child;
    bool has_child, is_over_time;
    bool is_halted; /* nothing of it is under way: it can be freed */
    bool made_env;  /* it came to making the environment: what is half of that is its own */
    bool child_has_the_rest; /* the child's timeout is the build's */
    bool needs_source;       /* a requirement may name anything in the folder */
    struct buf captured;     /* standard output of the helper that describes */
    bool captures;
    int log_fd;
    int64_t log_bytes;
    bool log_is_full;
    int64_t began_ms;
    enum status status; /* of the step that ended; not OK: on to the end */
    struct error error;
    bool last_line_is_error;
    char last_line[400]; /* of a child, for the error's text */

    char folder[512];        /* builds/<id> */
    struct cog_yaml cog;     /* what model.yaml has of it, too */
    struct model_yaml model; /* protocol NULL: the folder has none */
    bool needs_env;
    char python[256]; /* interpreter */
    char python_version[32];
    char uv[512];   /* "": none, pip is used */
    uint32_t uid;   /* the user that its programs run as; 0: ours */
    bool has_cache; /* the account's, which then is no other build's */
    char cache[600];
    char env_key[33];
    char env_path[512]; /* relative to the data folder: "envs/<key>" */
    char version_id[65];
    char version_path[512]; /* relative: "versions/<id>" */
    struct version_config config;
    const char *source_digests; /* of what the requirements name in the folder */
    struct str own_schema;      /* that the folder brings; p == NULL: none */
    struct str schema;
    struct store_version_create create;
    struct store_build_update update;
};

/* --- build_log.c: the log, and who follows it --- */
void build_log_open(struct build *b);
void build_log_write(struct build *b, const char *fmt, ...)
    PRINTF(2, 3); /* a line; the newline is added */
void build_log_close(struct build *b);
void build_tell_end(struct build *b);

/* --- build_steps.c: one function for each step; each ends by calling build_step_done() later ---
 */
void build_unpack(struct build *b);
void build_read(struct build *b);
void build_check_packages(struct build *b);
void build_resolve(struct build *b);
enum status
build_find_env(struct build *b) NODISCARD; /* the key of the environment it needs; into b->error */
bool build_env_is_ready(const struct build *b);
bool env_is_ready(const char *path); /* it has its mark, which is the server's */
void build_make_env(struct build *b);
void build_install(struct build *b);
void build_describe(struct build *b);
void build_store_files(struct build *b);
void build_sweep(struct build *b); /* on a work thread */

struct build *build_new(struct builds *o,
                        const struct build_row *row); /* and starts it when its turn comes */
void build_step_done(struct build *b);
/* The status (and b->error) of one that took longer than it may. */
enum status build_over_time(struct build *b);
/* Whether a version's files are being placed or registered now. */
bool builds_are_storing(const struct builds *o);

/* --- build_forget.c --- */
void forget_init(struct builds *o);
void forget_deinit(struct builds *o); /* none is under way */
/* Folders of versions without a row, and what was being removed: at the start. */
enum status forget_sweep(struct builds *o, struct error *err) NODISCARD;

/* --- build_box.c --- */
enum status build_box_take(struct build *b) NODISCARD; /* a user, and the cache; into b->error */
void build_box_give(struct build *b);                  /* nothing belongs to that any more */
/* These block. */
enum status build_box_make(struct build *b) NODISCARD;
enum status build_box_make_env(struct build *b) NODISCARD; /* an empty folder */
void build_box_leave(struct build *b);
void build_box_sweep(const char *folder);                         /* a build's, at the start */
void build_cache_sweep(const struct builds *o, const char *name); /* likewise, of cache/ */
/* What to run instead, with an empty environment, so that `args` run in the box. */
enum status build_box_spec(struct build *b, const char *const *args, const char *const *env,
                           const char *cwd, const char *const **out_args) NODISCARD;
void build_end_child(struct build *b);

/* What the steps share. Paths are below the build's folder; files that are links are not read. */
bool build_read_file(const char *path, struct buf *out);
enum status build_write_file(const char *path, struct str text, struct error *err) NODISCARD;
void build_path(const struct build *b, const char *name, struct buf *out);
const char *build_source_folder(struct build *b);
/* Starts a program whose lines go to the log; its end is the step's. */
void build_run_child(struct build *b, const char *const *args, const char *cwd, int64_t timeout_ms);
/* For a step that has failed before it began: its end still comes on a later turn. */
void build_no_work(struct work *w);
void build_on_work_done(struct work *w);
/* SHA-256 of a plain file of at most 256 MB, or why not. Blocks. */
enum status build_digest_wheel(const char *path, unsigned char out[SHA256_SIZE]) NODISCARD;
/* Of what the requirements name in the folder, into b->source_digests. Blocks. */
enum status build_digest_sources(struct build *b, struct str needs) NODISCARD;
/* .cog/openapi_schema.json where the folder has one. Blocks. */
enum status build_read_own_schema(struct build *b) NODISCARD;
/* What stands in a folder (its names only, or with all of its file system) reaches the disk.
 * Blocks.
 */
enum status build_sync(const char *folder, bool whole, struct error *err) NODISCARD;
/* The mark is written last: an environment without it is half made. Blocks. */
enum status build_seal_env(struct build *b);

/* --- build_python.c --- */
/* The interpreter nearest to what cog.yaml asks for. NOT_FOUND, or INVALID when the version must be
 * exact. Blocks. */
enum status python_find(const char *wanted, bool strict, char out_path[256], char out_version[32],
                        struct error *err);
/* uv in the data folder's tools or on PATH; "" when there is none. */
void uv_find(const char *data, char out_path[512]);

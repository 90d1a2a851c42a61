/* SPDX-License-Identifier: Apache-2.0 */
/* The command line. It speaks HTTP only: the public API with a token, or administration over the
 * unix socket in the server's data folder. */
#pragma once

#include "base/json.h"
#include "http/client.h"

int cli_main(int argc, char **argv); /* the process's exit status */

/* One command. `args` are what follows its words ("account create"), ends with NULL. */
struct command {
    const char *words; /* "account create" */
    const char *usage; /* "NAME --type user|organization [--full-name TEXT]" */
    const char *help;  /* a sentence, then what more there is to know */
    int (*run)(const struct command *c, const char *const *args);
    const struct flag *flags; /* ends with name NULL */
} DESIGNATED;

struct flag {
    const char *name; /* "--type" */
    bool takes_value;
    const char *help;
} DESIGNATED;

/* What was given: positions in order, and flags. */
struct given {
    const char *positions[8];
    int n;
    const struct command *command;
    struct {
        const struct flag *flag;
        const char *value;
    } flags[64];
    int n_flags;
};

/* False after a message that says what is wrong and how it would be right. */
bool given_read(const struct command *c, const char *const *args, int n_least, int n_most,
                struct given *out);
const char *given_flag(const struct given *g,
                       const char *name); /* NULL: absent; "" for one without a value */

/* --- calls --- */

struct answer {
    int status;
    struct buf body;
    struct arena arena;
    struct json *json; /* NULL when it is not JSON */
};
void answer_deinit(struct answer *a);

/* Where to: the public API (--url, BERTH_URL, REPLICATE_BASE_URL; default http://127.0.0.1:8080),
 * or the socket. */
struct remote {
    char url[2048];   /* without a slash at the end and without /v1 */
    char socket[512]; /* "" for the public API */
    char folder[512]; /* of the socket, for messages */
    char authorization[512];
    bool is_quiet; /* nothing is said of a server that does not answer */
};
bool remote_address(const struct given *g, struct remote *out); /* without a token */
bool remote_public(const struct given *g, struct remote *out);
bool remote_admin(const struct given *g, struct remote *out);

/* One exchange, finished when it returns. False after a message (no answer, or a problem: status >=
 * 400). */
bool remote_call(const struct remote *r, const char *method, const char *path, struct str body,
                 const char *content_type, struct answer *out);
/* The same without a message about a problem; false only when there is no answer. */
bool remote_try(const struct remote *r, const char *method, const char *path, struct str body,
                const char *content_type, struct answer *out);
void remote_explain(const struct answer *a); /* prints a problem's own words */
/* The whole of a command that deletes what its one position names below `folder`; `said` (NULL:
 * nothing) and that name are printed. */
int admin_delete(const struct command *c, const char *const *args, const char *folder,
                 const char *said);
/* Prints an answer's pieces as they come, until it ends or breaks off, but not the first *shown
 * bytes, which then counts those that were printed too: so a text can be followed again. */
void remote_follow(const struct remote *r, const char *path, size_t *shown);

#define PUBLIC_FLAGS                                                                               \
    { .name = "--url",                                                                             \
      .takes_value = true,                                                                         \
      .help = "address of the server (BERTH_URL, REPLICATE_BASE_URL)" },                           \
    {                                                                                              \
        .name = "--token", .takes_value = true, .help = "token (BERTH_TOKEN, REPLICATE_API_TOKEN)" \
    }
#define JSON_FLAG                                                                                  \
    {                                                                                              \
        .name = "--json", .takes_value = false, .help = "print what the server answers"            \
    }
#define OTHERWISE(usual) " (otherwise: " usual ")"
#define AS_IT_IS(usual)  ""
#define DEPLOYMENT_FLAGS(usual)                                                                    \
    { .name = "--version", .takes_value = true, .help = "id of a version" usual("the latest") },   \
        { .name = "--hardware", .takes_value = true, .help = "SKU" usual("cpu-small") },           \
        { .name = "--min-instances", .takes_value = true, .help = "number" usual("0") },           \
        { .name = "--max-instances", .takes_value = true, .help = "number" usual("1") },           \
        { .name = "--target-wait",                                                                 \
          .takes_value = true,                                                                     \
          .help = "seconds or a duration: how long a prediction may wait; \"\" takes it back" },   \
        { .name = "--keep-alive",                                                                  \
          .takes_value = true,                                                                     \
          .help = "auto, seconds or a duration: how long an idle instance is kept" },              \
        { .name = "--max-queue", .takes_value = true, .help = "predictions that may wait" },       \
        { .name = "--max-cost-per-hour", .takes_value = true, .help = "limits the maximum" },      \
        { .name = "--weight",                                                                      \
          .takes_value = true,                                                                     \
          .help = "where the machine is too small for all" },                                      \
        { .name = "--canary",                                                                      \
          .takes_value = true,                                                                     \
          .help = "share of the new predictions that a new release has first (0.1), or JSON "      \
                  "(docs/rollout.md); \"\" takes it back" },                                       \
        { .name = "--shadow",                                                                      \
          .takes_value = true,                                                                     \
          .help = "share of the predictions that a new release answers copies of first (0.1), "    \
                  "or JSON (docs/rollout.md); \"\" takes it back" },                               \
    {                                                                                              \
        .name = "--schedule", .takes_value = true,                                                 \
        .help = "JSON: minimums by the hours of the week, in UTC (docs/scaling.md)"                \
    }
#define ADMIN_FLAGS                                                                                \
    {                                                                                              \
        .name = "--data", .takes_value = true,                                                     \
        .help = "the server's data folder (BERTH_DATA; default ./data)"                            \
    }

/* --- backups --- */

/* A backup is a tar: BACKUP_FIRST, a line of text with the form's version, then berth.db and the
 * files of the data folder, then BACKUP_LAST, how many entries stood between, as a number. */
#define BACKUP_FIRST "berth-backup"
#define BACKUP_FORM  "1\n"
#define BACKUP_LAST  "berth-backup-complete"

/* --- packing --- */

/* A gzip tar of a folder, without what its .dockerignore names and without .git. Appends to a
 * temporary file whose path is written to out_path (to be removed by the caller). */
bool pack_folder(const char *folder, char out_path[256], int64_t *out_bytes, int *out_files,
                 struct error *err);

/* Whether a path (relative, with slashes) is excluded by the patterns of a .dockerignore: the last
 * that matches decides; "!" takes back. */
bool ignore_match(const struct buf *patterns, struct str path);

int account_create_command(const struct command *c, const char *const *args);
int account_list_command(const struct command *c, const char *const *args);
int token_create_command(const struct command *c, const char *const *args);
int token_list_command(const struct command *c, const char *const *args);
int token_revoke_command(const struct command *c, const char *const *args);
int backup_command(const struct command *c, const char *const *args);
int restore_command(const struct command *c, const char *const *args);
int push_command(const struct command *c, const char *const *args);

int collection_create_command(const struct command *c, const char *const *args);
int collection_add_command(const struct command *c, const char *const *args);
int collection_remove_command(const struct command *c, const char *const *args);
int collection_delete_command(const struct command *c, const char *const *args);
int collection_list_command(const struct command *c, const char *const *args);

/* What `berth login` keeps; empty texts when there is nothing. */
struct login {
    char url[512];
    char token[200];
};
void login_read(struct login *out);

int login_command(const struct command *c, const char *const *args);
int run_command(const struct command *c, const char *const *args);
int logs_command(const struct command *c, const char *const *args);
int predictions_list_command(const struct command *c, const char *const *args);
int predictions_show_command(const struct command *c, const char *const *args);
int predictions_cancel_command(const struct command *c, const char *const *args);
int models_list_command(const struct command *c, const char *const *args);
int models_show_command(const struct command *c, const char *const *args);
int deployments_list_command(const struct command *c, const char *const *args);
int deployments_show_command(const struct command *c, const char *const *args);
int deployments_create_command(const struct command *c, const char *const *args);
int deployments_update_command(const struct command *c, const char *const *args);
int shadow_show_command(const struct command *c, const char *const *args);
int canary_show_command(const struct command *c, const char *const *args);
int canary_promote_command(const struct command *c, const char *const *args);
int canary_halt_command(const struct command *c, const char *const *args);
int deployments_rollback_command(const struct command *c, const char *const *args);
/* Of `berth simulate --recorded`: the exit status. */
int replay_decisions(const char *path, bool is_json);
int simulate_command(const struct command *c, const char *const *args);
int deployments_delete_command(const struct command *c, const char *const *args);
/* "owner/name" of [OWNER/]NAME: without an owner it is the caller's. False after a message. */
bool remote_full_name(const struct remote *r, const char *given, struct buf *out);
/* "/v1/deployments/owner/name" of the first position, [OWNER/]NAME; false after a message. */
bool own_deployment_path(const struct given *g, const struct remote *r, struct buf *path);

int push_image(const struct given *g); /* of `push`, where an image is named */
int cost_command(const struct command *c, const char *const *args);

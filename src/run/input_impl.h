/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by input_file.c and input_fetch.c, and by nobody else. */
#pragma once

#include "base/map.h"
#include "run/input_file.h"

struct job {
    struct input_files *all;
    struct str url; /* in the arena of all; a data address is freed when it was decoded */
    char *data;
    const char *field; /* for messages */
    char id[ID_SIZE];
    const char *name; /* in the arena of all */
    const char *content_type;
    bool is_running, is_ready;
    /* What is under way. */
    struct http_call call;
    const char *next_url; /* a redirect leads there */
    int n_redirects;
    bool call_is_open, is_bad, waits_for_writer;
    struct blob_writer *writer;
    struct work work;
    struct blob_facts facts;
    enum status status;
    struct error error;
    struct store_file_get get;
    struct store_file_create create;
};

struct input_files {
    struct list node; /* files->inputs */
    struct files *files;
    struct arena arena;
    const char *account_id, *prediction_id, *base_url;
    struct map by_url;      /* text -> struct job */
    struct input_plan plan; /* its text is gone where it is too large to be kept */
    size_t keep_most;
    struct job **places; /* by place in the plan */
    struct job **jobs;
    size_t n_jobs, next_job, n_running;
    struct deferred tell;
    bool has_told, is_freed, is_stopped;
    void (*done)(void *arg, const struct error *err);
    void *arg;
    struct error error;
    bool has_failed;
};

/* input_file.c */
/* Every way of a job ends here; the job may be gone afterwards. */
void job_over(struct job *j);
void job_fails(struct job *j, const struct error *err);
/* "The input "image" could not be fetched from https://...: why." All jobs are given up; this one
 * still ends. */
void job_refuse(struct job *j, enum status status, const char *fmt, ...) PRINTF(3, 4);
/* The bytes lie there: what is known of them goes into the store, and the job is over. */
void job_record(struct job *j, const struct blob_facts *facts);
/* The name that the model sees; without an extension of its own it gets the type's. */
void job_choose_name(struct job *j, struct str given, const char *type);

/* input_fetch.c: `url` lives in the arena of all. */
void job_fetch(struct job *j, const char *url);

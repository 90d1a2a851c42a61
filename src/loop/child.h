/* SPDX-License-Identifier: Apache-2.0 */
/* A child process with its output read line by line; used for builds and for starting supervisors.
 */
#pragma once

#include "base/buf.h"
#include "base/status.h"
#include "loop/loop.h"

struct child_spec {
    const char *file;        /* looked up in PATH of `env` when it has no slash */
    const char *const *args; /* args[0] is the program's name; ends with NULL */
    const char *const *env;  /* "NAME=value", ends with NULL; NULL: empty environment */
    const char *cwd;         /* NULL: ours */
    bool detached;           /* own session; it may outlive us */
    bool merge_output;       /* standard error goes where standard output goes */
    int64_t timeout_ms;      /* 0: none; past it the whole process group is sent: */
    int timeout_signal;      /* 0: SIGKILL */
    size_t max_line;         /* longer lines come in pieces of this size; 0: 64 KiB */
};

struct child;

struct child_events {
    /* One line without its newline; `is_stderr` tells which pipe. May be NULL (output is
     * discarded). */
    void (*line)(struct child *c, struct str line, bool is_stderr);
    /* Comes once, after all output was read (or a second after the end, when something it left
     * behind holds its pipes open): exit code, or -1 with the signal's number. `c` may be started
     * again or freed inside. */
    void (*exited)(struct child *c, int code, int signal, bool timed_out);
};

struct child {
    const struct child_events *events;
    void *impl;
    int pid;
};

/* On failure nothing was started and no event comes. */
enum status child_start(struct loop *l, struct child *c, const struct child_spec *spec,
                        const struct child_events *events, struct error *err) NODISCARD;
void child_kill(struct child *c, int signal); /* the whole process group */
/* Drops a detached child: no more events, it goes on by itself. Its pipes are closed; one that
 * shall live on and write is started without a `line` event. It is reaped as long as the loop
 * exists. */
void child_forget(struct child *c);

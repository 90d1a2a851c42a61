/* SPDX-License-Identifier: Apache-2.0 */
/* Following a prediction. */
#pragma once

#include "cli/cli.h"
#include "cli/listen.h"

struct following {
    const struct remote *remote;
    const char *id;
    FILE *logs_to;     /* NULL: not shown */
    bool shows_output; /* on standard output, as it grows */
    bool concatenates; /* pieces of a list are one text */
    bool shows_status; /* on standard error: a spinner on a terminal, else lines */
    bool cancels;      /* Ctrl-C cancels the prediction */
    bool was_answered; /* the server was there: if it goes, it may come back */
    int64_t away_ms;   /* how long it is asked again then */
    /* Its own. */
    bool is_terminal, has_spinner;
    unsigned turn;
    char last_status[32];
    size_t logs_shown, outputs_shown;
    struct listening listening; /* to its output, where that comes in pieces */
};

/* Reads --reconnect; false after a message. */
bool follow_read(struct following *f, const struct given *g);
/* Until it has ended; *out is its last state (to be freed). False after a message. */
bool follow(struct following *f, struct answer *out);
bool is_ended(struct str status);

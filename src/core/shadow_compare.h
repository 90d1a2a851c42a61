/* SPDX-License-Identifier: Apache-2.0 */
/* Two answers to the same input: whether they are the same, and if not, where and how they differ.
 */
#pragma once

#include "base/json.h"

enum {
    SHADOW_HASH_SIZE = 65,   /* SHA-256 in hex, and a NUL */
    SHADOW_PATH_SIZE = 160,  /* longer paths are cut */
    SHADOW_VALUE_SIZE = 121, /* likewise values */
};

/* How they differ. Each difference is of one kind; an answer may have many. */
enum shadow_kind {
    SHADOW_STATUS,  /* one succeeded and the other failed */
    SHADOW_INPUT,   /* the new release does not take this input */
    SHADOW_TYPE,    /* a number here, text there */
    SHADOW_TEXT,    /* also true and false, and what is neither of the others */
    SHADOW_NUMBER,  /* further apart than they may be */
    SHADOW_FILE,    /* other bytes, or a file on one side only */
    SHADOW_MISSING, /* a member or an element that the new answer does not have */
    SHADOW_ADDED,   /* or that only the new one has */
    SHADOW_KINDS
};
const char *shadow_kind_name(enum shadow_kind k);

struct shadow_answer {
    bool failed;
    const char *error;        /* of one that failed; NULL: none */
    const struct json *value; /* of one that succeeded; NULL: nothing */
};

struct shadow_rules {
    double relative, absolute; /* numbers: no further apart than the larger of the two allows */
    bool joins;                /* a list of texts is what they say together: it was streamed */
    /* The SHA-256 of what a text of the old or the new answer is the address of; false: it is no
     * file. NULL: nothing is. */
    bool (*file)(void *arg, bool is_new, struct str text, char out[SHADOW_HASH_SIZE]);
    void *arg;
};

struct shadow_difference {
    enum shadow_kind kind;
    char path[SHADOW_PATH_SIZE]; /* "output.scores.0" */
    /* What stood there, short; "": nothing did. Files as "sha256:…". */
    char before[SHADOW_VALUE_SIZE], after[SHADOW_VALUE_SIZE];
};

struct shadow_verdict {
    unsigned kinds;                 /* 1 << kind; 0: they are the same */
    size_t n;                       /* how many differences there are */
    struct shadow_difference first; /* where there is one */
};

/* Two that failed are the same, whatever they say of it. */
void shadow_compare(const struct shadow_answer *before, const struct shadow_answer *after,
                    const struct shadow_rules *rules, struct shadow_verdict *out);
/* Only that of the input: `why` is what is wrong with it, at `field` ("input.steps"). */
void shadow_refused(struct shadow_verdict *out, const char *field, const char *why);

/* SPDX-License-Identifier: Apache-2.0 */
/* The steps from an empty database to the present schema, embedded from
 * store/migrations/NNNN_*.sql. One that was released is never edited: a further change is a further
 * file. */
#pragma once

struct sql_migration {
    const char *name; /* "0001_first.sql" */
    const char *text; /* several statements */
};

extern const struct sql_migration sql_migrations[];
extern const int sql_n_migrations; /* also the number of the present schema */

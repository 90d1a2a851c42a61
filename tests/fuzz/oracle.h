/* SPDX-License-Identifier: Apache-2.0 */
/* jansson, as the fuzzer of our reader sees it. Apart, since both have functions of the same name.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum oracle_verdict {
    ORACLE_TAKEN,
    ORACLE_REFUSED,
    /* Refused for what we take on purpose: integers beyond 64 bits and reals beyond a double, NUL
     * in a key, deep nesting. */
    ORACLE_DIFFERS,
};
enum oracle_type {
    ORACLE_NULL,
    ORACLE_FALSE,
    ORACLE_TRUE,
    ORACLE_INTEGER,
    ORACLE_REAL,
    ORACLE_STRING,
    ORACLE_ARRAY,
    ORACLE_OBJECT,
};

enum oracle_verdict oracle_load(const char *p, size_t n, void **out_root);
void oracle_free(void *root);
enum oracle_type oracle_type(const void *v);
size_t oracle_size(const void *v); /* of an array or object */
void *oracle_at(const void *array, size_t i);
void *oracle_member(const void *object, const char *key, size_t n); /* NULL: there is none */
long long oracle_integer(const void *v);
double oracle_real(const void *v);
const char *oracle_string(const void *v, size_t *n);

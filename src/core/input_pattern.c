/* SPDX-License-Identifier: Apache-2.0 */
/* Patterns come from models and texts from clients, and a backtracking matcher can be made to run
 * for ever. PCRE2's own match limit counts for each starting point anew and does not see what a
 * possessive repeat runs over. So patterns are compiled with a callout before each item: the
 * callout pays for the item and for the distance since the last one, and ends the search when the
 * purse is empty. */
#include "core/input_impl.h"

enum {
    MAX_PATTERN = 10000, /* bytes */
    BASE_COST = 500 * 1000,
    COST_OF_BYTE = 4,
    MAX_HEAP_KIB = 32 * 1024,
};

struct purse {
    size_t left;
    size_t last;
};

static int pay(pcre2_callout_block *block, void *data)
{
    struct purse *p = data;
    size_t at = block->current_position;
    size_t cost = 1 + (at > p->last ? at - p->last : p->last - at);

    p->last = at;
    if (cost > p->left) {
        p->left = 0;
        return PCRE2_ERROR_MATCHLIMIT;
    }
    p->left -= cost;
    return 0;
}

pcre2_code *pattern_compile(struct str pattern)
{
    /* "$" is the end of the text and not the line before it, as in ECMA 262 and Go; \u0041 is
     * understood. */
    const uint32_t options = PCRE2_UTF | PCRE2_DOLLAR_ENDONLY | PCRE2_ALT_BSUX |
                             PCRE2_NEVER_BACKSLASH_C | PCRE2_MATCH_UNSET_BACKREF |
                             PCRE2_AUTO_CALLOUT;
    pcre2_code *code;
    int error;
    PCRE2_SIZE at;

    if (pattern.n > MAX_PATTERN)
        return NULL;
    code = pcre2_compile((PCRE2_SPTR)pattern.p, pattern.n, options, &error, &at, NULL);
    return code;
}

bool pattern_matches(const pcre2_code *code, struct str subject, size_t *steps)
{
    size_t most = MIN(BASE_COST + COST_OF_BYTE * subject.n, *steps);
    struct purse purse = { .left = most };
    pcre2_match_data *data = pcre2_match_data_create(1, NULL);
    pcre2_match_context *context = pcre2_match_context_create(NULL);
    int rc = PCRE2_ERROR_NOMEMORY;

    if (data && context) {
        pcre2_set_callout(context, pay, &purse);
        pcre2_set_match_limit(context, BASE_COST);
        pcre2_set_depth_limit(context, BASE_COST);
        pcre2_set_heap_limit(context, MAX_HEAP_KIB);
        rc = pcre2_match(code, (PCRE2_SPTR)subject.p, subject.n, 0, PCRE2_NO_UTF_CHECK, data,
                         context);
    }
    pcre2_match_context_free(context);
    pcre2_match_data_free(data);
    *steps -= most - purse.left;
    return rc >= 0;
}

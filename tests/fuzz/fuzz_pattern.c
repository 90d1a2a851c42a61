/* SPDX-License-Identifier: Apache-2.0 */
/* Patterns of models against texts of clients: whatever they are, the search ends within what it
 * may cost. A pattern, a line "--", a text. */
#include "fuzz.h"

#include "base/utf8.h"
#include "core/input_impl.h"

enum { STEPS = 2000000 };

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct str subject = fuzz_text(p, n), pattern = fuzz_part(&subject);
    size_t steps = STEPS, again = STEPS;
    pcre2_code *code;

    if (!utf8_valid(pattern) || !utf8_valid(subject)) /* both come out of JSON */
        return 0;
    code = pattern_compile(pattern);
    if (!code)
        return 0;
    FUZZ_CHECK(pattern_matches(code, subject, &steps) == pattern_matches(code, subject, &again));
    FUZZ_CHECK(steps <= STEPS && steps == again);
    pcre2_code_free(code);
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "core/option_impl.h"

#include <stdio.h>

enum { HELP_WIDTH = 78, HELP_INDENT = 8 };

/* Words, broken into lines. */
static void add_wrapped(struct buf *out, struct str text)
{
    size_t column = 0;
    struct str word;

    while (str_split(&text, ' ', &word)) {
        if (column > 0 && HELP_INDENT + column + 1 + word.n > HELP_WIDTH) {
            buf_addc(out, '\n');
            column = 0;
        }
        if (column == 0)
            buf_addf(out, "%*s", HELP_INDENT, "");
        else
            buf_addc(out, ' ');
        buf_add_str(out, word);
        column += word.n + (column > 0 ? 1 : 0);
    }
    buf_addc(out, '\n');
}

static const char *word_for_value(enum option_type type)
{
    static const char *const words[] = {
        [OPTION_STRING] = "=TEXT", [OPTION_INT] = "=NUMBER",    [OPTION_DOUBLE] = "=NUMBER",
        [OPTION_BOOL] = "",        [OPTION_DURATION] = "=TIME", [OPTION_SIZE] = "=SIZE",
    };

    return words[type];
}

static void add_facts(struct buf *text, const struct option_row *r)
{
    char range[128];

    option_range(r, range, sizeof(range));
    if (r->preset[0] && range[0])
        buf_addf(text, " (default %s; %s)", r->preset, range);
    else if (r->preset[0])
        buf_addf(text, " (default %s)", r->preset);
}

void options_help(struct buf *out)
{
    struct arena a CLEANUP(arena_deinit) = { 0 };
    const char *group = "";

    for (size_t i = 0; i < n_option_rows; i++) {
        const struct option_row *r = &option_rows[i];
        struct buf text CLEANUP(buf_deinit) = BUF_INIT(BUF_UNBOUNDED);

        if (strcmp(group, r->group) != 0) {
            buf_addf(out, "%s%s:\n", i > 0 ? "\n" : "", r->group);
            group = r->group;
        }
        buf_addf(out, "  --%s%s%s\n", r->type == OPTION_BOOL ? "[no-]" : "",
                 option_flag(&a, r->name), word_for_value(r->type));
        buf_adds(&text, r->help);
        add_facts(&text, r);
        add_wrapped(out, buf_str(&text));
    }
}

/* A cell of a Markdown table: a bar would end it. */
static void add_cell(struct buf *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '|')
            buf_addc(out, '\\');
        buf_addc(out, *text);
    }
}

static void add_heading(struct buf *out, const char *group)
{
    buf_addf(out,
             "\n## %s\n\n"
             "| key in berth.yaml | flag | environment | default | range | meaning |\n"
             "|---|---|---|---|---|---|\n",
             group);
}

void options_markdown(struct buf *out)
{
    struct arena a CLEANUP(arena_deinit) = { 0 };
    const char *group = "";

    for (size_t i = 0; i < n_option_rows; i++) {
        const struct option_row *r = &option_rows[i];
        const char *flag = option_flag(&a, r->name);
        char range[128];

        if (strcmp(group, r->group) != 0) {
            add_heading(out, r->group);
            group = r->group;
        }
        option_range(r, range, sizeof(range));
        buf_addf(out, "| `%s` | `--%s` | `%s` | ", r->name, flag, option_variable(&a, r->name));
        if (r->preset[0])
            buf_addf(out, "`%s`", r->preset);
        buf_addf(out, " | %s | ", r->type == OPTION_BOOL ? "true, false" : range);
        add_cell(out, r->help);
        buf_adds(out, " |\n");
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "http/sse.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/* Events as text: name|id|data; an id that was never sent is "-". */
static struct buf seen = { .max = 1 << 20 };

static void on_event(struct sse_reader *r, const struct sse_event *e)
{
    (void)r;
    buf_addf(&seen, "%.*s|%.*s|%.*s;", STR_ARG(e->name), e->id.p ? (int)e->id.n : 1,
             e->id.p ? e->id.p : "-", STR_ARG(e->data));
}

static const char *read_in_pieces(struct str text, size_t first, size_t second)
{
    struct sse_reader r;

    buf_clear(&seen);
    buf_adds(&seen, "");
    sse_reader_init(&r, 1000, on_event);
    assert_true(sse_reader_feed(&r, str_make(text.p, first)));
    assert_true(sse_reader_feed(&r, str_make(text.p + first, second - first)));
    assert_true(sse_reader_feed(&r, str_make(text.p + second, text.n - second)));
    sse_reader_deinit(&r);
    return seen.p;
}

#define READ(literal) read_in_pieces(STR(literal), 0, 0)

static void fields(void **state)
{
    (void)state;
    assert_string_equal(READ("data: a\n\n"), "message|-|a;");
    assert_string_equal(READ("data:a\n\n"), "message|-|a;");
    assert_string_equal(READ("data:  a\n\n"), "message|-| a;"); /* one space only */
    assert_string_equal(READ("event: output\nid: 7\ndata: x: y\n\n"), "output|7|x: y;");
    assert_string_equal(READ("data: a\ndata: b\ndata\n\n"), "message|-|a\nb\n;");
    assert_string_equal(READ("data\n\n"), "message|-|;");
    assert_string_equal(READ("data:\n\ndata: b\n\n"), "message|-|;message|-|b;");
    assert_string_equal(READ("Data: a\n\ndata : a\n\n"), ""); /* names are exact */
    assert_string_equal(READ("retry: 10\nfoo: bar\ndata: a\n\n"), "message|-|a;");
}

static void what_is_not_dispatched(void **state)
{
    (void)state;
    assert_string_equal(READ(""), "");
    assert_string_equal(READ("\n\n\n"), "");
    assert_string_equal(READ("data: a\n"), ""); /* the stream ended first */
    assert_string_equal(READ("event: x\n\ndata: a\n\n"),
                        "message|-|a;"); /* the name is forgotten */
    assert_string_equal(READ(":\n: comment\n:data: a\n\ndata: b\n\n"), "message|-|b;");
}

static void ids(void **state)
{
    (void)state;
    /* An id holds until the next one, also one without data. */
    assert_string_equal(READ("id: 1\ndata: a\n\ndata: b\n\nid: 2\n\ndata: c\n\nid\ndata: d\n\n"),
                        "message|1|a;message|1|b;message|2|c;message||d;");
    assert_string_equal(READ("id: 1\nid: a\0b\ndata: a\n\n"), "message|1|a;");
}

static void byte_order_mark(void **state)
{
    (void)state;
    assert_string_equal(READ("\xef\xbb\xbf"
                             "data: a\n\n"),
                        "message|-|a;");
    assert_string_equal(READ("\xef\xbb\xbf\ndata: a\n\n"), "message|-|a;");
    assert_string_equal(READ("\n\xef\xbb\xbf"
                             "data: a\n\n"),
                        "");
    assert_string_equal(READ("\xef\xbb\xbf\xef\xbb\xbf"
                             "data: a\n\n"),
                        "");
}

static void every_line_ending_cut_at_every_byte(void **state)
{
    static const char text[] =
        "\xef\xbb\xbf: hello\r\nevent: o\rid: 1\ndata: a\r\ndata: b\rdata: c\n\r\n"
        "data: d\r\rdata: e\n\ndata: \xc3\xa9\r\n\r\ndata: lost\n";
    const struct str all = str_make(text, sizeof(text) - 1);
    const char *expected = "o|1|a\nb\nc;message|1|d;message|1|e;message|1|\xc3\xa9;";

    (void)state;
    for (size_t i = 0; i <= all.n; i++)
        for (size_t j = i; j <= all.n; j++)
            assert_string_equal(read_in_pieces(all, i, j), expected);
}

static void data_lines_cut_at_every_byte(void **state)
{
    const struct str all = STR(": hi\n\ndata:x\n\ndata: y\n\ndata:  z\ndata:\n\ndat\n\ndatax: q\n\n"
                               "data\n\nevent: e\ndata: {\"a\": \"data: \"}\n\n");

    (void)state;
    for (size_t i = 0; i <= all.n; i++)
        for (size_t j = i; j <= all.n; j++)
            assert_string_equal(read_in_pieces(all, i, j),
                                "message|-|x;message|-|y;message|-| z\n;message|-|;"
                                "e|-|{\"a\": \"data: \"};");
}

static struct buf taken;

static void on_held(struct sse_reader *r, const struct sse_event *e)
{
    sse_reader_take_data(r, &taken);
    assert_ptr_equal(taken.p, e->data.p);
    sse_reader_hold(r);
}

static void one_event_at_a_time(void **state)
{
    struct buf rest = BUF_INIT(BUF_UNBOUNDED);
    struct sse_reader r;

    (void)state;
    sse_reader_init(&r, 1000, on_held);
    assert_true(sse_reader_feed(&r, STR("data: a\n\ndata: b\n")));
    assert_string_equal(taken.p, "a\n");
    buf_deinit(&taken);
    assert_true(sse_reader_feed(&r, STR("\ndata: c\n\n")));
    assert_null(taken.p);
    sse_reader_go_on(&r, &rest);
    assert_string_equal(rest.p, "data: b\n\ndata: c\n\n");
    assert_true(sse_reader_feed(&r, buf_str(&rest)));
    assert_string_equal(taken.p, "b\n");
    buf_deinit(&taken);
    buf_deinit(&rest);
    sse_reader_deinit(&r);
}

static bool feeds(size_t max, const char *text, bool by_byte)
{
    struct sse_reader r;
    bool ok = true;

    sse_reader_init(&r, max, on_event);
    if (by_byte)
        for (size_t i = 0; text[i]; i++)
            ok = sse_reader_feed(&r, str_make(text + i, 1)) && ok;
    else
        ok = sse_reader_feed(&r, str_of(text));
    if (!ok) /* dead for good */
        assert_false(sse_reader_feed(&r, STR("\n\n")));
    sse_reader_deinit(&r);
    return ok;
}

static void limits(void **state)
{
    (void)state;
    for (int by_byte = 0; by_byte < 2; by_byte++) {
        buf_clear(&seen);
        assert_true(feeds(20, "data: 0123456789\n\ndata: 0123456789\n\n", by_byte));
        assert_false(feeds(20, "data: 012345678901234567890123456789\n\n", by_byte));
        assert_false(feeds(20, "data: 0123456\ndata: 0123456\ndata: 0123456\n\n", by_byte));
        assert_false(feeds(20, "event: 01234567890\ndata: 0123456789\n\n", by_byte));
        assert_true(feeds(20, ": one\n: two\n: three\n: four\n: five\n: six\n", by_byte));
    }
    assert_false(feeds(20, "a line that never ends and never ends", true));
    assert_false(feeds(20, "id: 0123456789012345678901234\n\n", false));
}

static void writing(void **state)
{
    struct buf out = BUF_INIT(1000);

    (void)state;
    sse_write(&out, STR("output"), STR("1:0"), STR("hello"));
    assert_string_equal(out.p, "event: output\nid: 1:0\ndata: hello\n\n");
    buf_clear(&out);
    sse_write(&out, STR_NULL, STR_NULL, STR(""));
    assert_string_equal(out.p, "data: \n\n");
    buf_clear(&out);
    sse_write(&out, STR_NULL, STR_NULL, STR_NULL);
    assert_string_equal(out.p, "data: \n\n");
    buf_clear(&out);
    sse_write(&out, STR("a\nb"), STR("1\r2"), STR("x\ny\r\nz\rw\n"));
    assert_string_equal(out.p, "event: ab\nid: 12\ndata: x\ndata: y\ndata: z\ndata: w\ndata: \n\n");
    buf_clear(&out);
    sse_comment(&out, "ping");
    assert_string_equal(out.p, ": ping\n\n");
    buf_deinit(&out);
}

static void what_is_written_reads_back(void **state)
{
    static const char *const texts[] = { "",      "a",   " a",      "\n",          "a\n",
                                         "\n\nb", ": c", "data: d", "\xef\xbb\xbf" };
    struct buf out = BUF_INIT(1000), expected = BUF_INIT(1000);

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        sse_write(&out, STR("e"), STR("i"), str_of(texts[i]));
        buf_addf(&expected, "e|i|%s;", texts[i]);
    }
    assert_string_equal(read_in_pieces(buf_str(&out), 3, 7), expected.p);
    buf_deinit(&out);
    buf_deinit(&expected);
}

static int free_seen(void **state)
{
    (void)state;
    buf_deinit(&seen);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields),
        cmocka_unit_test(what_is_not_dispatched),
        cmocka_unit_test(ids),
        cmocka_unit_test(byte_order_mark),
        cmocka_unit_test(every_line_ending_cut_at_every_byte),
        cmocka_unit_test(data_lines_cut_at_every_byte),
        cmocka_unit_test(one_event_at_a_time),
        cmocka_unit_test(limits),
        cmocka_unit_test(writing),
        cmocka_unit_test(what_is_written_reads_back),
    };

    return cmocka_run_group_tests(tests, NULL, free_seen);
}

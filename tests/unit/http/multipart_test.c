/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies as the official clients write them, cut in two at every place and fed byte by byte: the
 * events are the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "http/multipart.h"

static struct buf seen;
static const char *stop_at; /* the name of a part that is refused */

static bool on_begin(struct multipart *m, const struct multipart_part *part, struct error *err)
{
    (void)m;
    buf_addf(&seen, "<%.*s", STR_ARG(part->name));
    if (part->filename.p)
        buf_addf(&seen, "|file=%.*s", STR_ARG(part->filename));
    if (part->content_type.p)
        buf_addf(&seen, "|type=%.*s", STR_ARG(part->content_type));
    buf_addc(&seen, '>');
    if (stop_at && str_is(part->name, stop_at)) {
        FAIL(err, STATUS_FORBIDDEN, "no");
        return false;
    }
    return true;
}

static bool on_data(struct multipart *m, struct str piece, struct error *err)
{
    (void)m;
    (void)err;
    assert_true(piece.n > 0);
    return buf_add_str(&seen, piece);
}

static bool on_end(struct multipart *m, struct error *err)
{
    (void)m;
    (void)err;
    return buf_adds(&seen, "</>");
}

static const struct multipart_events events = { .begin = on_begin, .data = on_data, .end = on_end };

/* The pieces end at the given places. */
static enum status read_in(struct str body, const char *type, size_t cut, size_t step)
{
    struct multipart m;
    struct error err;
    enum status s = multipart_init(&m, str_of(type), &events, NULL, &err);

    buf_clear(&seen);
    if (s == STATUS_OK && cut)
        s = multipart_feed(&m, str_make(body.p, cut), &err);
    for (size_t i = cut; s == STATUS_OK && i < body.n; i += step)
        s = multipart_feed(&m, str_make(body.p + i, MIN(step, body.n - i)), &err);
    if (s == STATUS_OK)
        s = multipart_finish(&m, &err);
    multipart_deinit(&m);
    return s;
}

#define TYPE "multipart/form-data; boundary=XX"

static const struct {
    const char *type, *body, *events;
} rows[] = {
    /* Node's fetch: both parts are files. */
    { "multipart/form-data; boundary=----formdata-undici-012345678901",
      "------formdata-undici-012345678901\r\n"
      "Content-Disposition: form-data; name=\"content\"; filename=\"blob_1700000000000\"\r\n"
      "Content-Type: text/plain\r\n\r\nHello, world!\r\n"
      "------formdata-undici-012345678901\r\n"
      "Content-Disposition: form-data; name=\"metadata\"; filename=\"blob\"\r\n"
      "Content-Type: application/json\r\n\r\n{}\r\n"
      "------formdata-undici-012345678901--\r\n",
      "<content|file=blob_1700000000000|type=text/plain>Hello, world!</>"
      "<metadata|file=blob|type=application/json>{}</>" },
    /* httpx: a field of text, a name beyond ASCII, no line end after the last boundary. */
    { "multipart/form-data; boundary=0123456789abcdef",
      "--0123456789abcdef\r\nContent-Disposition: form-data; name=\"metadata\"\r\n\r\n{\"a\": "
      "1}\r\n"
      "--0123456789abcdef\r\nContent-Disposition: form-data; name=\"content\"; "
      "filename=\"h\xc3\xa4 %22x%22.txt\"\r\n"
      "Content-Type: text/plain\r\n\r\n\r\nline\r\n\r\n--0123456789abcdef--",
      "<metadata>{\"a\": 1}</>"
      "<content|file=h\xc3\xa4 \"x\".txt|type=text/plain>\r\nline\r\n</>" },
    /* Brackets, an empty part, a part without a body's line end, space behind a boundary, words
       around all of it. */
    { "Multipart/Form-Data ; charset=x; boundary=\"XX\"",
      "words\r\n\r\n--XX \t\r\ncontent-disposition:form-data;name=metadata[key]\r\n\r\n\r\n"
      "--XX\r\nContent-Disposition: form-data; name=\"e\"\r\n\r\n--XX--\r\nmore words\r\n--XX\r\n",
      "<metadata[key]></><e></>" },
    /* What looks like a boundary for a while. */
    { TYPE,
      "--XX\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n"
      "-\r\n--X\r\n--Xx--XX\r\r\n\r\r\n--\r\n-\r\n--X\r\n--XX--",
      "<a>-\r\n--X\r\n--Xx--XX\r\r\n\r\r\n--\r\n-\r\n--X</>" },
    { TYPE, "--XX--", "" },
    /* Extended names win; a backslash escapes; a path keeps its other backslashes. */
    { TYPE,
      "--XX\r\nX-Other: 1\r\nContent-Disposition: form-data; filename=\"plain\"; name=\"c;d\"; "
      "filename*=UTF-8''%e2%82%ac%20rates\r\n\r\nx\r\n"
      "--XX\r\nContent-Disposition: form-data; name=\"a\\\"b\"; "
      "filename=\"C:\\dir\\f\"\r\n\r\ny\r\n--XX--",
      "<c;d|file=\xe2\x82\xac rates>x</><a\"b|file=C:\\dir\\f>y</>" },
};

static void every_cut_gives_the_same(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct str body = str_of(rows[i].body);

        for (size_t cut = 0; cut <= body.n; cut++) {
            assert_int_equal(read_in(body, rows[i].type, cut, body.n + 1), STATUS_OK);
            assert_string_equal(buf_str(&seen).p, rows[i].events);
        }
        for (size_t step = 1; step < 8; step++) {
            assert_int_equal(read_in(body, rows[i].type, 0, step), STATUS_OK);
            assert_string_equal(buf_str(&seen).p, rows[i].events);
        }
    }
}

/* Any bytes may stand in a part. */
static void bytes_are_kept(void **state)
{
    struct buf body CLEANUP(buf_deinit) = BUF_INIT(BUF_UNBOUNDED);
    static const char head[] = "<a>";

    (void)state;
    buf_adds(&body, "--XX\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n");
    for (int i = 0; i < 256; i++) {
        buf_addc(&body, (char)i);
        buf_adds(&body, "\r\n--");
    }
    buf_adds(&body, "\r\n--XX--\r\n");
    for (size_t cut = 0; cut <= body.n; cut++) {
        assert_int_equal(read_in(buf_str(&body), TYPE, cut, body.n), STATUS_OK);
        assert_int_equal(seen.n, sizeof(head) - 1 + 256 * 5 + 3);
        for (int i = 0; i < 256; i++)
            assert_int_equal((unsigned char)seen.p[sizeof(head) - 1 + (size_t)i * 5], i);
    }
}

static void what_is_wrong_is_said(void **state)
{
    static const struct {
        const char *type, *body;
        enum status status;
    } bad[] = {
        { "application/json", "{}", STATUS_MEDIA_TYPE },
        { "", "", STATUS_MEDIA_TYPE },
        { "multipart/form-data", "", STATUS_INVALID },
        { "multipart/form-data; boundary=", "", STATUS_INVALID },
        { TYPE, "", STATUS_INVALID },
        { TYPE, "--XX", STATUS_INVALID },
        { TYPE, "--XX-", STATUS_INVALID },
        { TYPE, "--XX-x", STATUS_INVALID },
        { TYPE, "--XXX\r\n", STATUS_INVALID },
        { TYPE, "--XX\rx", STATUS_INVALID },
        { TYPE, "--XX\r\n\r\nno name\r\n--XX--", STATUS_INVALID },
        { TYPE, "--XX\r\nContent-Disposition: form-data\r\n\r\nno name\r\n--XX--", STATUS_INVALID },
        { TYPE, "--XX\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nx", STATUS_INVALID },
        { TYPE, "--XX\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nx\r\n--XX\r\n",
          STATUS_INVALID },
        { TYPE, "--XX\r\nContent-Disposition: form-data; name=\"stop\"\r\n\r\nx\r\n--XX--",
          STATUS_FORBIDDEN },
    };

    (void)state;
    stop_at = "stop";
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        for (size_t step = 1; step < 3; step++)
            assert_int_equal(read_in(str_of(bad[i].body), bad[i].type, 0, step), bad[i].status);
    stop_at = NULL;
}

static void limits_hold(void **state)
{
    struct buf body CLEANUP(buf_deinit) = BUF_INIT(BUF_UNBOUNDED);
    char type[MULTIPART_MAX_BOUNDARY + 64];

    (void)state;
    buf_adds(&body, "--XX\r\nContent-Disposition: form-data; name=\"");
    for (int i = 0; i < MULTIPART_MAX_HEAD; i++)
        buf_addc(&body, 'x');
    assert_int_equal(read_in(buf_str(&body), TYPE, 0, 1000), STATUS_TOO_LARGE);
    buf_clear(&body);
    for (int i = 0; i <= MULTIPART_MAX_PARTS; i++)
        buf_adds(&body, "--XX\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n\r\n");
    assert_int_equal(read_in(buf_str(&body), TYPE, 0, 1000), STATUS_TOO_LARGE);
    memset(type, 0, sizeof(type));
    snprintf(type, sizeof(type), "multipart/form-data; boundary=");
    memset(type + strlen(type), 'x', MULTIPART_MAX_BOUNDARY + 1);
    assert_int_equal(read_in(STR(""), type, 0, 1), STATUS_INVALID);
}

static int setup(void **state)
{
    (void)state;
    buf_init(&seen, BUF_UNBOUNDED);
    buf_adds(&seen, "");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    buf_deinit(&seen);
    return 0;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_cut_gives_the_same),
        TEST(bytes_are_kept),
        TEST(what_is_wrong_is_said),
        TEST(limits_hold),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

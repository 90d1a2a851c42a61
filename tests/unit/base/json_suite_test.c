/* SPDX-License-Identifier: Apache-2.0 */
/* The cases of JSONTestSuite, by its names: y_ must be accepted, n_ must be refused, and for i_ RFC
 * 8259 leaves the choice. The inputs are our own, each written to show what its name says. */
#include "base/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

struct example {
    const char *name;
    struct str text;
};

#define C(name, literal)                                                                           \
    {                                                                                              \
        name,                                                                                      \
        {                                                                                          \
            literal, sizeof(literal) - 1                                                           \
        }                                                                                          \
    }

static const struct example accepted[] = {
    C("y_array_arraysWithSpaces", "[[]  , [ ] ]"),
    C("y_array_empty-string", "[\"\"]"),
    C("y_array_empty", "[]"),
    C("y_array_ending_with_newline", "[\"z\"\n]"),
    C("y_array_false", "[false]"),
    C("y_array_heterogeneous", "[{}, null, \"7\", 7]"),
    C("y_array_null", "[null]"),
    C("y_array_with_1_and_newline", "[1\n]"),
    C("y_array_with_leading_space", "  [8]"),
    C("y_array_with_several_null", "[4,null,null,null,null,5]"),
    C("y_array_with_trailing_space", "[9]  "),
    C("y_number", "[45e66]"),
    C("y_number_0e+1", "[0e+2]"),
    C("y_number_0e1", "[0e7]"),
    C("y_number_after_space", "[ \t6]"),
    C("y_number_double_close_to_zero",
      "[-0.0000000000000000000000000000000000000000000000000000000000003]"),
    C("y_number_int_with_exp", "[30e2]"),
    C("y_number_minus_zero", "[-0]"),
    C("y_number_negative_int", "[-456]"),
    C("y_number_negative_one", "[-1]"),
    C("y_number_negative_zero", "[-0.0]"),
    C("y_number_real_capital_e", "[2E33]"),
    C("y_number_real_capital_e_neg_exp", "[2E-3]"),
    C("y_number_real_capital_e_pos_exp", "[2E+3]"),
    C("y_number_real_exponent", "[67e89]"),
    C("y_number_real_fraction_exponent", "[98.76e54]"),
    C("y_number_real_neg_exp", "[5e-6]"),
    C("y_number_real_pos_exponent", "[5e+6]"),
    C("y_number_simple_int", "[2468]"),
    C("y_number_simple_real", "[24.68]"),
    C("y_object", "{\"one\":\"eins\", \"two\":\"zwei\"}"),
    C("y_object_basic", "{\"one\":\"eins\"}"),
    C("y_object_duplicated_key", "{\"k\":1,\"k\":2}"),
    C("y_object_duplicated_key_and_value", "{\"k\":1,\"k\":1}"),
    C("y_object_empty", "{}"),
    C("y_object_empty_key", "{\"\":true}"),
    C("y_object_escaped_null_in_key", "{\"a\\u0000z\": 1}"),
    C("y_object_extreme_numbers", "{ \"low\": -2.5e+300, \"high\": 2.5e+300 }"),
    C("y_object_long_strings",
      "{\"l\":[\"mmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmm\"]}"),
    C("y_object_simple", "{\"list\":[]}"),
    C("y_object_string_unicode", "{\"w\":\"\\u0416\\u0443\\u043a \\u0438 \\u0416\\u0443\\u043a\"}"),
    C("y_object_with_newlines", "{\n\"k\"\n:\n1\n}"),
    C("y_string_1_2_3_bytes_UTF-8_sequences", "[\"\\u0041\\u00df\\u6c34\"]"),
    C("y_string_accepted_surrogate_pair", "[\"\\uD83C\\udf0a\"]"),
    C("y_string_accepted_surrogate_pairs", "[\"\\ud83c\\udf0a\\ud83c\\udf0b\"]"),
    C("y_string_allowed_escapes", "[\"\\b\\f\\n\\r\\t\\/\\\\\\\"\"]"),
    C("y_string_backslash_and_u_escaped_zero", "[\"\\\\u0000\"]"),
    C("y_string_backslash_doublequotes", "[\"\\\"\"]"),
    C("y_string_comments", "[\"//no/*comment*/\"]"),
    C("y_string_double_escape_a", "[\"\\\\a\"]"),
    C("y_string_double_escape_n", "[\"\\\\n\"]"),
    C("y_string_escaped_control_character", "[\"\\u001f\"]"),
    C("y_string_escaped_noncharacter", "[\"\\ufFfF\"]"),
    C("y_string_in_array", "[\"q\"]"),
    C("y_string_in_array_with_leading_space", "[  \"q\"]"),
    C("y_string_last_surrogates_1_and_2", "[\"\\udbff\\udfff\"]"),
    C("y_string_nbsp_uescaped", "[\"a\\u00a0b\"]"),
    C("y_string_nonCharacterInUTF-8_U+10FFFF", "[\"\xf4\x8f\xbf\xbf\"]"),
    C("y_string_nonCharacterInUTF-8_U+FFFF", "[\"\xef\xbf\xbf\"]"),
    C("y_string_null_escape", "[\"\\u0000\"]"),
    C("y_string_one-byte-utf-8", "[\"\\u007a\"]"),
    C("y_string_pi", "[\"\xcf\x80r\"]"),
    C("y_string_reservedCharacterInUTF-8_U+1BFFF", "[\"\xf0\x9b\xbf\xbf\"]"),
    C("y_string_simple_ascii", "[\"plain \"]"),
    C("y_string_space", "\" \""),
    C("y_string_surrogates_U+1D11E_MUSICAL_SYMBOL_G_CLEF", "[\"\\ud834\\udd1E\"]"),
    C("y_string_three-byte-utf-8", "[\"\\u20ac\"]"),
    C("y_string_two-byte-utf-8", "[\"\\u00e4\"]"),
    C("y_string_u+2028_line_sep", "[\"\xe2\x80\xa8\"]"),
    C("y_string_u+2029_par_sep", "[\"\xe2\x80\xa9\"]"),
    C("y_string_uEscape", "[\"\\u0062\\u30b3\\u30B3\"]"),
    C("y_string_uescaped_newline", "[\"a\\u000ab\"]"),
    C("y_string_unescaped_char_delete", "[\"\x7f\"]"),
    C("y_string_unicode", "[\"\\uA4D0\"]"),
    C("y_string_unicodeEscapedBackslash", "[\"\\u005c\"]"),
    C("y_string_unicode_2", "[\"\xe6\xb0\xb4\xe7\x81\xab\xe6\xb0\xb4\"]"),
    C("y_string_unicode_U+10FFFE_nonchar", "[\"\\udbff\\udffe\"]"),
    C("y_string_unicode_U+1FFFE_nonchar", "[\"\\ud83f\\udffe\"]"),
    C("y_string_unicode_U+200B_ZERO_WIDTH_SPACE", "[\"\\u200b\"]"),
    C("y_string_unicode_U+2064_invisible_plus", "[\"x\\u2064y\"]"),
    C("y_string_unicode_U+FDD0_nonchar", "[\"\\ufdd0\"]"),
    C("y_string_unicode_U+FFFE_nonchar", "[\"\\ufffe\"]"),
    C("y_string_unicode_escaped_double_quote", "[\"\\u0022\"]"),
    C("y_string_utf8", "[\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x8c\x8a\"]"),
    C("y_string_with_del_character", "[\"x\x7fz\"]"),
    C("y_structure_lonely_false", "false"),
    C("y_structure_lonely_int", "17"),
    C("y_structure_lonely_negative_real", "-2.5"),
    C("y_structure_lonely_null", "null"),
    C("y_structure_lonely_string", "\"alone\""),
    C("y_structure_lonely_true", "true"),
    C("y_structure_string_empty", "\"\""),
    C("y_structure_trailing_newline", "[3]\r\n"),
    C("y_structure_true_in_array", "[true]"),
    C("y_structure_whitespace_array", " \t\r\n[] "),
};

static const struct example refused[] = {
    C("n_array_1_true_without_comma", "[7 false]"),
    C("n_array_a_invalid_utf8", "[b\xe4]"),
    C("n_array_colon_instead_of_comma", "[\"k\": 2]"),
    C("n_array_comma_after_close", "[1],"),
    C("n_array_comma_and_number", "[,8]"),
    C("n_array_double_comma", "[3,,4]"),
    C("n_array_double_extra_comma", "[3,,]"),
    C("n_array_extra_close", "[3]]"),
    C("n_array_extra_comma", "[3,]"),
    C("n_array_incomplete", "[3"),
    C("n_array_incomplete_invalid_value", "[q"),
    C("n_array_inner_array_no_comma", "[5[6]]"),
    C("n_array_invalid_utf8", "[\xfe]"),
    C("n_array_items_separated_by_semicolon", "[1;2]"),
    C("n_array_just_comma", "[ , ]"),
    C("n_array_just_minus", "[-]"),
    C("n_array_missing_value", "[  ,\"v\"]"),
    C("n_array_newlines_unclosed", "[1,\n2\n,3,"),
    C("n_array_number_and_comma", "[7,]"),
    C("n_array_number_and_several_commas", "[7,,,]"),
    C("n_array_spaces_vertical_tab_formfeed", "[\"\v\"\\f]"),
    C("n_array_star_inside", "[*]"),
    C("n_array_unclosed", "[\"w\""),
    C("n_array_unclosed_trailing_comma", "[2,"),
    C("n_array_unclosed_with_new_lines", "[2,\n3\n,4"),
    C("n_array_unclosed_with_object_inside", "[{}"),
    C("n_incomplete_false", "[fal]"),
    C("n_incomplete_null", "[nu]"),
    C("n_incomplete_true", "[tr]"),
    C("n_multidigit_number_then_00", "456\0"),
    C("n_number_++", "[++7]"),
    C("n_number_+1", "[+7]"),
    C("n_number_+Inf", "[+Inf]"),
    C("n_number_-01", "[-07]"),
    C("n_number_-1.0.", "[-2.5.]"),
    C("n_number_-2.", "[-7.]"),
    C("n_number_-NaN", "[-NaN]"),
    C("n_number_.-1", "[.-7]"),
    C("n_number_.2e-3", "[.7e-8]"),
    C("n_number_0.1.2", "[0.3.4]"),
    C("n_number_0.3e+", "[0.7e+]"),
    C("n_number_0.3e", "[0.7e]"),
    C("n_number_0.e1", "[0.e7]"),
    C("n_number_0_capital_E+", "[0E+]"),
    C("n_number_0_capital_E", "[0E]"),
    C("n_number_0e+", "[0e+]"),
    C("n_number_0e", "[0e]"),
    C("n_number_1.0e+", "[2.5e+]"),
    C("n_number_1.0e-", "[2.5e-]"),
    C("n_number_1.0e", "[2.5e]"),
    C("n_number_1_000", "[2 500.5]"),
    C("n_number_1eE2", "[2eE5]"),
    C("n_number_2.e+3", "[7.e+2]"),
    C("n_number_2.e-3", "[7.e-2]"),
    C("n_number_2.e3", "[7.e2]"),
    C("n_number_9.e+", "[7.e+]"),
    C("n_number_Inf", "[Inf]"),
    C("n_number_NaN", "[NaN]"),
    C("n_number_U+FF11_fullwidth_digit_one", "[\xef\xbc\x91]"),
    C("n_number_expression", "[3*4]"),
    C("n_number_hex_1_digit", "[0x7]"),
    C("n_number_hex_2_digits", "[0x7f]"),
    C("n_number_infinity", "[Infinity]"),
    C("n_number_invalid+-", "[0e+-7]"),
    C("n_number_invalid-negative-real", "[-2.5bar]"),
    C("n_number_invalid-utf-8-in-bigger-int", "[456\xe4]"),
    C("n_number_invalid-utf-8-in-exponent", "[2e5\xe4]"),
    C("n_number_invalid-utf-8-in-int", "[0\xe4]"),
    C("n_number_minus_infinity", "[-Infinity]"),
    C("n_number_minus_sign_with_trailing_garbage", "[-bar]"),
    C("n_number_minus_space_1", "[- 7]"),
    C("n_number_neg_int_starting_with_zero", "[-077]"),
    C("n_number_neg_real_without_int_part", "[-.7]"),
    C("n_number_neg_with_garbage_at_end", "[-7y]"),
    C("n_number_real_garbage_after_e", "[7eb]"),
    C("n_number_real_with_invalid_utf8_after_e", "[7e\xe4]"),
    C("n_number_real_without_fractional_part", "[7.]"),
    C("n_number_starting_with_dot", "[.7]"),
    C("n_number_with_alpha", "[2.5b-3]"),
    C("n_number_with_alpha_char", "[2.718281828H-7]"),
    C("n_number_with_leading_zero", "[077]"),
    C("n_object_bad_value", "[1, falsehood]"),
    C("n_object_bracket_key", "{[: 1}"),
    C("n_object_comma_instead_of_colon", "{\"k\", 1}"),
    C("n_object_double_colon", "{\"k\"::1}"),
    C("n_object_emoji", "{\xf0\x9f\x8c\x8a}"),
    C("n_object_garbage_at_end", "{\"k\":1 2}"),
    C("n_object_key_with_single_quotes", "{k: 'v'}"),
    C("n_object_lone_continuation_byte_in_key_and_trailing_comma", "{\"\xb8\":1,}"),
    C("n_object_missing_colon", "{\"k\" v}"),
    C("n_object_missing_key", "{:1}"),
    C("n_object_missing_semicolon", "{\"k\" 1}"),
    C("n_object_missing_value", "{\"k\":"),
    C("n_object_no-colon", "{\"k\""),
    C("n_object_non_string_key", "{7:1}"),
    C("n_object_non_string_key_but_huge_number_instead", "{8E8888:1}"),
    C("n_object_repeated_null_null", "{null:1,null:1}"),
    C("n_object_several_trailing_commas", "{\"k\":1,,,}"),
    C("n_object_single_quote", "{'k':1}"),
    C("n_object_trailing_comma", "{\"k\":1,}"),
    C("n_object_trailing_comment", "{\"k\":1}/* */"),
    C("n_object_trailing_comment_open", "{\"k\":1}/* *//"),
    C("n_object_trailing_comment_slash_open", "{\"k\":1}//"),
    C("n_object_trailing_comment_slash_open_incomplete", "{\"k\":1}/"),
    C("n_object_two_commas_in_a_row", "{\"k\":1,,\"l\":2}"),
    C("n_object_unquoted_key", "{k: 1}"),
    C("n_object_unterminated-value", "{\"k\":\"v"),
    C("n_object_with_single_string", "{\"k\":1, \"l\"}"),
    C("n_object_with_trailing_garbage", "{\"k\":1}#"),
    C("n_single_space", " "),
    C("n_string_1_surrogate_then_escape", "[\"\\ud83c\\\"]"),
    C("n_string_1_surrogate_then_escape_u", "[\"\\ud83c\\u\"]"),
    C("n_string_1_surrogate_then_escape_u1", "[\"\\ud83c\\ud\"]"),
    C("n_string_1_surrogate_then_escape_u1x", "[\"\\ud83c\\udx\"]"),
    C("n_string_accentuated_char_no_quotes", "[\xc3\xa4]"),
    C("n_string_backslash_00", "[\"\\\0\"]"),
    C("n_string_escape_x", "[\"\\x41\"]"),
    C("n_string_escaped_backslash_bad", "[\"\\\\\\\"]"),
    C("n_string_escaped_ctrl_char_tab", "[\"\\\t\"]"),
    C("n_string_escaped_emoji", "[\"\\\xf0\x9f\x8c\x8a\"]"),
    C("n_string_incomplete_escape", "[\"\\\"]"),
    C("n_string_incomplete_escaped_character", "[\"\\u004\"]"),
    C("n_string_incomplete_surrogate", "[\"\\ud83c\\udf\"]"),
    C("n_string_incomplete_surrogate_escape_invalid", "[\"\\ud83c\\ud83c\\y\"]"),
    C("n_string_invalid-utf-8-in-escape", "[\"\\u\xe4\"]"),
    C("n_string_invalid_backslash_esc", "[\"\\q\"]"),
    C("n_string_invalid_unicode_escape", "[\"\\uzzzz\"]"),
    C("n_string_invalid_utf8_after_escape", "[\"\\\xe4\"]"),
    C("n_string_leading_uescaped_thinspace", "[\\u2009\"v\"]"),
    C("n_string_no_quotes_with_bad_escape", "[\\t]"),
    C("n_string_single_doublequote", "\""),
    C("n_string_single_quote", "['v']"),
    C("n_string_single_string_no_double_quotes", "xyz"),
    C("n_string_start_escape_unclosed", "[\"\\"),
    C("n_string_unescaped_ctrl_char", "[\"v\0v\"]"),
    C("n_string_unescaped_newline", "[\"v\nv\"]"),
    C("n_string_unescaped_tab", "[\"\t\"]"),
    C("n_string_unicode_CapitalU", "\"\\U00e4\""),
    C("n_string_with_trailing_garbage", "\"v\"w"),
    C("n_structure_U+2060_word_joined", "[\xe2\x81\xa0]"),
    C("n_structure_UTF8_BOM_no_data", "\xef\xbb\xbf"),
    C("n_structure_angle_bracket_.", "<.>"),
    C("n_structure_angle_bracket_null", "[<null>]"),
    C("n_structure_array_trailing_garbage", "[7]y"),
    C("n_structure_array_with_extra_array_close", "[7]]"),
    C("n_structure_array_with_unclosed_string", "[\"v]"),
    C("n_structure_ascii-unicode-identifier", "b\xc3\xa4"),
    C("n_structure_capitalized_True", "[True]"),
    C("n_structure_close_unopened_array", "7]"),
    C("n_structure_comma_instead_of_closing_brace", "{\"k\": 1,"),
    C("n_structure_double_array", "[] []"),
    C("n_structure_end_array", "]"),
    C("n_structure_incomplete_UTF8_BOM", "\xef\xbb[]"),
    C("n_structure_lone-invalid-utf-8", "\xe4"),
    C("n_structure_lone-open-bracket", "["),
    C("n_structure_no_data", ""),
    C("n_structure_null-byte-outside-string", "[\0]"),
    C("n_structure_number_with_trailing_garbage", "7$"),
    C("n_structure_object_followed_by_closing_object", "{}}"),
    C("n_structure_object_unclosed_no_value", "{\"k\":"),
    C("n_structure_object_with_comment", "{\"k\":/**/1}"),
    C("n_structure_object_with_trailing_garbage", "{\"k\": 1} \"y\""),
    C("n_structure_open_array_apostrophe", "['"),
    C("n_structure_open_array_comma", "[,"),
    C("n_structure_open_array_open_object", "[{"),
    C("n_structure_open_array_open_string", "[\"v"),
    C("n_structure_open_array_string", "[\"v\""),
    C("n_structure_open_object", "{"),
    C("n_structure_open_object_close_array", "{]"),
    C("n_structure_open_object_comma", "{,"),
    C("n_structure_open_object_open_array", "{["),
    C("n_structure_open_object_open_string", "{\"k"),
    C("n_structure_open_object_string_with_apostrophes", "{'k'"),
    C("n_structure_open_open", "[\"\\{[\"\\{[\"\\{"),
    C("n_structure_single_eacute", "\xe9"),
    C("n_structure_single_star", "*"),
    C("n_structure_trailing_#", "{\"k\":1}#[]"),
    C("n_structure_uescaped_LF_before_string", "[\\u000a\"v\"]"),
    C("n_structure_unclosed_array", "[7"),
    C("n_structure_unclosed_array_partial_null", "[ 1, nu"),
    C("n_structure_unclosed_array_unfinished_false", "[ 1, fal"),
    C("n_structure_unclosed_array_unfinished_true", "[ 1, tr"),
    C("n_structure_unclosed_object", "{\"k\":1"),
    C("n_structure_unicode-identifier", "\xc3\xa4"),
    C("n_structure_whitespace_U+2060_word_joiner", "[7,\xe2\x81\xa0 8]"),
    C("n_structure_whitespace_formfeed", "[\f]"),

    /* Our choices. Text must be valid UTF-8 in the end: surrogates that stand alone are refused, as
     * raw bytes and as escapes, and so is every other encoding and a byte order mark. */
    C("i_object_key_lone_2nd_surrogate", "{\"\\udf0a\":1}"),
    C("i_string_1st_surrogate_but_2nd_missing", "[\"\\ud83c\"]"),
    C("i_string_1st_valid_surrogate_2nd_invalid", "[\"\\ud83c\\u0041\"]"),
    C("i_string_UTF-16LE_with_BOM", "\xff\xfe[\0\"\0\xe4\0\"\0]\0"),
    C("i_string_UTF-8_invalid_sequence", "[\"\xe6\xb0\xb4\xfb\"]"),
    C("i_string_UTF8_surrogate_U+D800", "[\"\xed\xa0\x80\"]"),
    C("i_string_incomplete_surrogate_and_escape_valid", "[\"\\ud83c\\t\"]"),
    C("i_string_incomplete_surrogate_pair", "[\"\\udf0ab\"]"),
    C("i_string_incomplete_surrogates_escape_valid", "[\"\\ud83c\\ud83c\\t\"]"),
    C("i_string_invalid_lonely_surrogate", "[\"\\ud83c\"]"),
    C("i_string_invalid_surrogate", "[\"\\ud83cxyz\"]"),
    C("i_string_invalid_utf-8", "[\"\xfe\"]"),
    C("i_string_inverted_surrogates_U+1D11E", "[\"\\udd1e\\ud834\"]"),
    C("i_string_iso_latin_1", "[\"\xe4\"]"),
    C("i_string_lone_second_surrogate", "[\"\\udf0a\"]"),
    C("i_string_lone_utf8_continuation_byte", "[\"\x8a\"]"),
    C("i_string_not_in_unicode_range", "[\"\xf4\x90\x80\x80\"]"),
    C("i_string_overlong_sequence_2_bytes", "[\"\xc1\x81\"]"),
    C("i_string_overlong_sequence_6_bytes", "[\"\xfc\x84\x80\x80\x80\x80\"]"),
    C("i_string_overlong_sequence_6_bytes_null", "[\"\xfc\x80\x80\x80\x80\x80\"]"),
    C("i_string_truncated-utf-8", "[\"\xe6\xb0\"]"),
    C("i_string_utf16BE_no_BOM", "\0[\0\"\0\xe4\0\"\0]"),
    C("i_string_utf16LE_no_BOM", "[\0\"\0\xe4\0\"\0]\0"),
    C("i_structure_UTF-8_BOM_empty_object", "\xef\xbb\xbf{}"),
};

/* Numbers stay text, so that none is too large or too small to be read; that json_to_double() and
 * json_to_i64() refuse what they cannot hold is tested beside them. */
static const struct example accepted_numbers[] = {
    C("i_number_double_huge_neg_exp", "[7.5e-888]"),
    C("i_number_huge_exp",
      "[0.7e8888888888888888888888888888888888888888888888888888888888888888]"),
    C("i_number_neg_int_huge_exp", "[-7e+8888]"),
    C("i_number_pos_double_huge_exp", "[7.5e+8888]"),
    C("i_number_real_neg_overflow", "[-7.5e88888]"),
    C("i_number_real_pos_overflow", "[7.5e88888]"),
    C("i_number_real_underflow", "[7e-88888888]"),
    C("i_number_too_big_neg_int", "[-88888888888888888888888888888]"),
    C("i_number_too_big_pos_int", "[88888888888888888888]"),
    C("i_number_very_big_negative_int", "[-8888888888888888888888888888888888888888888888888]"),
};

/* The input is put at the very end of an allocation, so that reading past it is seen. */
static enum status parse(struct str text, struct error *err)
{
    struct arena arena;
    struct json *root = NULL;
    char *copy = malloc(text.n ? text.n : 1);
    enum status status;

    assert_non_null(copy);
    memcpy(copy, text.p, text.n);
    arena_init(&arena);
    status = json_parse(&arena, str_make(copy, text.n), NULL, &root, err);
    assert_true((status == STATUS_OK) == (root != NULL));
    arena_deinit(&arena);
    free(copy);
    return status;
}

static void check_accepted(const struct example *e, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct error err = { 0 };

        if (parse(e[i].text, &err) != STATUS_OK)
            fail_msg("%s: %s", e[i].name, err.text);
    }
}

static void valid_text_is_accepted(void **state)
{
    (void)state;
    check_accepted(accepted, ARRAY_SIZE(accepted));
    check_accepted(accepted_numbers, ARRAY_SIZE(accepted_numbers));
}

static void invalid_text_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
        struct error err = { 0 };

        if (parse(refused[i].text, &err) != STATUS_INVALID)
            fail_msg("%s was accepted", refused[i].name);
        if (strncmp(err.text, "line ", 5) != 0)
            fail_msg("%s: no position in '%s'", refused[i].name, err.text);
    }
}

static void every_prefix_of_valid_text_is_safe(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(accepted); i++)
        for (size_t n = 0; n < accepted[i].text.n; n++)
            (void)parse(str_make(accepted[i].text.p, n), NULL);
}

static void deep_nesting_is_too_large(void **state)
{
    enum { DEEP = 100000 };
    char *text = malloc((size_t)DEEP * 6);
    struct error err;

    (void)state;
    assert_non_null(text);
    /* n_structure_100000_opening_arrays; i_structure_500_nested_arrays is beyond our limit as well.
     */
    memset(text, '[', DEEP);
    assert_int_equal(parse(str_make(text, DEEP), &err), STATUS_TOO_LARGE);
    memset(text + 500, ']', 500);
    assert_int_equal(parse(str_make(text, 1000), &err), STATUS_TOO_LARGE);
    assert_string_equal(err.text, "line 1, column 129: nested deeper than 128 levels");
    /* n_structure_open_array_object */
    for (size_t i = 0; i < DEEP; i++)
        memcpy(text + i * 6, "[{\"k\":", 6);
    assert_int_equal(parse(str_make(text, (size_t)DEEP * 6), &err), STATUS_TOO_LARGE);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(valid_text_is_accepted),
        cmocka_unit_test(invalid_text_is_refused),
        cmocka_unit_test(every_prefix_of_valid_text_is_safe),
        cmocka_unit_test(deep_nesting_is_too_large),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

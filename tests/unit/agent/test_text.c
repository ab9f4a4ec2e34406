/* Goal: text from outside cannot harm a terminal, and what resembles a name is found. */
#include "tests/harness/test.h"

#include "agent/text.h"
#include "base/buf.h"

#include <string.h>

static void keeps_what_is_readable_and_escapes_the_rest(void **state)
{
    static const struct {
        const char *text, *wanted;
    } rows[] = {
        { "before 2.0", "before 2.0" },
        { "Grüße, 世界 🎉", "Grüße, 世界 🎉" },
        { "a\nb\tc", "a\\nb\\tc" },
        { "\x1b[31mred\x7f", "\\x1b[31mred\\x7f" },
        { "\xc2\x9b", "\\u009b" },                   /* the C1 form of ESC [ */
        { "\xe2\x80\xaegnp.exe", "\\u202egnp.exe" }, /* right-to-left override */
        { "\xff\xc3(", "\\xff\\xc3(" },
        { "\xed\xa0\x80", "\\xed\\xa0\\x80" }, /* a surrogate */
        { "\xc0\x80", "\\xc0\\x80" },          /* an overlong NUL */
        { "", "" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct buf out = BUF_INIT(256);

        text_escape(&out, rows[i].text);
        assert_string_equal(out.ptr, rows[i].wanted);
        buf_dispose(&out);
    }
}

static void knows_utf8_from_other_bytes(void **state)
{
    static const char *const bad[] = { "\x80",
                                       "\xc3",
                                       "\xc0\xaf",
                                       "\xe0\x80\x80",
                                       "\xed\xbf\xbf",
                                       "\xf0\x80\x80\x80",
                                       "\xf5\x80\x80\x80",
                                       "\xf4\x90\x80\x80",
                                       "\xe4\xb8" };
    static const char *const good[] = { "", "plain", "\xc2\x80", "\xed\x9f\xbf",
                                        "\xf4\x8f\xbf\xbf" };

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(text_is_utf8(bad[i]));
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        assert_true(text_is_utf8(good[i]));
}

static void counts_characters_and_not_bytes(void **state)
{
    (void)state;
    assert_int_equal(text_width("Grüße"), 5);
    assert_int_equal(text_width(""), 0);
}

static void quotes_for_the_shell_only_where_needed(void **state)
{
    static const struct {
        const char *text, *wanted;
    } rows[] = {
        { "/data/app.db", "/data/app.db" },
        { "s3://b/p?endpoint=http://h&region=r", "'s3://b/p?endpoint=http://h&region=r'" },
        { "it's", "'it'\\''s'" },
        { "", "''" },
        { "$(rm x)", "'$(rm x)'" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct buf out = BUF_INIT(256);

        text_shell_quote(&out, rows[i].text);
        assert_string_equal(out.ptr, rows[i].wanted);
        buf_dispose(&out);
    }
}

static const char *find(const char *text)
{
    static const char *const names[] = { "create", "list", "download", "restore", "db" };
    struct nearest nearest;

    nearest_init(&nearest, text);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        nearest_offer(&nearest, names[i]);
    return nearest.best;
}

static void finds_the_name_that_was_meant(void **state)
{
    static const struct {
        const char *text, *wanted;
    } rows[] = {
        { "craete", "create" }, /* two neighbours swapped */
        { "creat", "create" },    { "ls", "list" },   { "lst", "list" }, { "donwlaod", "download" },
        { "resotre", "restore" }, { "backup", NULL }, { "xy", NULL },    { "", NULL },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *got = find(rows[i].text);

        if (rows[i].wanted == NULL) {
            assert_null(got);
        } else {
            assert_string_equal(got, rows[i].wanted);
        }
    }
}

static void takes_long_names_for_unlike_anything(void **state)
{
    char text[200];

    (void)state;
    memset(text, 'a', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    assert_null(find(text));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_what_is_readable_and_escapes_the_rest),
        cmocka_unit_test(knows_utf8_from_other_bytes),
        cmocka_unit_test(counts_characters_and_not_bytes),
        cmocka_unit_test(quotes_for_the_shell_only_where_needed),
        cmocka_unit_test(finds_the_name_that_was_meant),
        cmocka_unit_test(takes_long_names_for_unlike_anything),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

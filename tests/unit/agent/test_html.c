/* Goal: text stays text, and times are for people and for programs. */
#include "agent/html.h"

#include "base/buf.h"
#include "tests/harness/test.h"

#include <stdlib.h>
#include <time.h>

#define NOW_MS (INT64_C(1795417200) * 1000) /* 2026-11-23T07:00:00Z */

static void markup_is_escaped(void **state)
{
    static const struct {
        const char *text, *wanted;
    } cases[] = {
        { "", "" },
        { "app ü", "app ü" },
        { "<b a='x' c=\"y\">&amp;", "&lt;b a=&#39;x&#39; c=&quot;y&quot;&gt;&amp;amp;" },
        { "a\nb\x1b\xff", "a\\nb\\x1b\\xff" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct buf out = BUF_INIT(1024);

        html_add_text(&out, cases[i].text);
        assert_string_equal(out.ptr, cases[i].wanted);
        buf_dispose(&out);
    }
}

static void a_time_is_an_age_and_a_moment(void **state)
{
    struct buf out = BUF_INIT(1024);

    (void)state;
    (void)setenv("TZ", "UTC", 1);
    tzset();
    html_add_age(&out, NOW_MS - 300000, NOW_MS);
    assert_string_equal(out.ptr, "<time datetime=\"2026-11-23T06:55:00Z\" "
                                 "title=\"2026-11-23 06:55:00 UTC\">5 minutes ago</time>");
    buf_dispose(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(markup_is_escaped),
        cmocka_unit_test(a_time_is_an_age_and_a_moment),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Goal: 200 means that every database has a good backup that is new enough; else it is said which
 * has not, and why. */
#include "agent/health_report.h"

#include "base/buf.h"
#include "tests/harness/test.h"
#include "tests/harness/watch_fixture.h"

#include <string.h>

#define DAY INT64_C(86400000)

static void expect(const struct watch_view *view, int status, const char *text)
{
    struct buf out = BUF_INIT(4096);

    assert_int_equal(health_report_render(view, &out), status);
    assert_string_equal(out.ptr, text);
    buf_dispose(&out);
}

static void all_is_well(void **state)
{
    struct watch_view view = { 0 };

    (void)state;
    watch_fixture_add(&view, "shop");
    expect(&view, 200, "ok: 1 database\n");
    watch_fixture_add(&view, "crm");
    watch_fixture_fail(watch_fixture_last(&view), DAY / 24, "no route");
    expect(&view, 200, "ok: 2 databases\n"); /* failing, and still new enough */
    watch_fixture_dispose(&view);
}

static void what_is_wrong_is_named_with_its_reason(void **state)
{
    struct watch_view view = { 0 };
    struct buf out = BUF_INIT(4096);

    (void)state;
    watch_fixture_add(&view, "shop");
    watch_fixture_add(&view, "crm");
    watch_fixture_fail(watch_fixture_last(&view), DAY, "no\nroute");
    watch_fixture_add(&view, "new");
    watch_fixture_fail(watch_fixture_last(&view), 0, "locked");
    assert_int_equal(health_report_render(&view, &out), 503);
    assert_non_null(strstr(out.ptr, "2 of 3 databases are not backed up as they should be\ncrm: "));
    assert_non_null(strstr(out.ptr, "(1 day ago), failed 3 times since: no\\nroute\n"));
    assert_non_null(
        strstr(out.ptr, "\nnew: last good backup: never, failed 3 times since: locked\n"));
    assert_null(strstr(out.ptr, "shop"));
    buf_dispose(&out);
    watch_fixture_dispose(&view);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_is_well),
        cmocka_unit_test(what_is_wrong_is_named_with_its_reason),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Goal: the page says of every database how it is, the worst first, is nothing but text whatever
 * names hold, and may load nothing.
 *
 * With HOLDFAST_TEST_PAGES set, the pages are written to that directory, to be looked at. */
#include "agent/status_page.h"

#include "agent/status_style.h"
#include "agent/watch.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "tests/harness/test.h"
#include "tests/harness/watch_fixture.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HOUR    INT64_C(3600000)
#define LEN_MAX (64u << 20)

static void render(const struct watch_view *view, const char *name, struct buf *out)
{
    const char *dir = getenv("HOLDFAST_TEST_PAGES");
    char path[512];

    assert_int_equal(status_page_render(view, out), 200);
    assert_int_equal(buf_check(out, NULL), 0);
    if (dir == NULL)
        return;
    (void)snprintf(path, sizeof(path), "%s/%s.html", dir, name);
    assert_int_equal(file_write_atomic(path, out->ptr, out->len, 0600, NULL), 0);
}

static size_t position(const struct buf *page, const char *text)
{
    const char *at = strstr(page->ptr, text);

    if (at == NULL)
        fail_msg("'%s' is not on the page", text);
    return (size_t)(at - page->ptr);
}

static size_t count(const struct buf *page, const char *text)
{
    size_t found = 0;

    for (const char *at = page->ptr; (at = strstr(at, text)) != NULL; at++)
        found++;
    return found;
}

static void what_is_wrong_comes_first(void **state)
{
    struct watch_view view = { .is_agent = true, .host = "web-1.example" };
    struct buf page = BUF_INIT(LEN_MAX);

    (void)state;
    watch_fixture_add(&view, "shop");
    watch_fixture_add(&view, "sessions");
    watch_fixture_last(&view)->status.unchanged = true;
    watch_fixture_add(&view, "crm");
    watch_fixture_fail(watch_fixture_last(&view), HOUR,
                       "cannot connect to 'minio:9000': connection refused");
    watch_fixture_add(&view, "analytics");
    watch_fixture_fail(watch_fixture_last(&view), 26 * HOUR,
                       "'/data/analytics.db': No space left on device");
    watch_fixture_add(&view, "ledger");
    watch_fixture_last(&view)->drill.failures = 1;
    (void)snprintf(watch_fixture_last(&view)->drill.message, ERR_MSG_SIZE,
                   "backup 2329a87e: pack 6ba7b810: frame 12 is damaged");
    watch_fixture_last(&view)->history.catalog.damaged_count = 1;
    watch_fixture_last(&view)->history.catalog.points[30].is_damaged = true;
    watch_fixture_add(&view, "wiki");
    watch_fixture_last(&view)->status.shrunk = true;
    watch_fixture_last(&view)->status.shrunk_fails = true;
    (void)snprintf(watch_fixture_last(&view)->status.shrunk_reason, GUARD_REASON_SIZE,
                   "12.0 MiB of 96.0 MiB are left; tables lost: drafts");
    (void)snprintf(watch_fixture_last(&view)->status.kept_id, UUID_TEXT_SIZE, "0badcafe");
    watch_fixture_add(&view, "new");
    watch_fixture_fail(watch_fixture_last(&view), 0,
                       "'/data/new.db' is not a SQLite database, or it is encrypted");
    watch_fixture_add(&view, "mail");
    watch_fixture_last(&view)->began_ms = WATCH_NOW_MS - 90000;
    render(&view, "mixed", &page);
    assert_true(position(&page, "<title>4 of 8 databases need attention · Holdfast") > 0);
    assert_true(position(&page, ">new<") < position(&page, ">analytics<"));
    assert_true(position(&page, ">analytics<") < position(&page, ">ledger<"));
    assert_true(position(&page, ">ledger<") < position(&page, ">wiki<"));
    assert_true(position(&page, ">wiki<") < position(&page, ">crm<"));
    assert_true(position(&page, "tables lost: drafts; backup 0badcafe is kept") > 0);
    assert_true(position(&page, ">crm<") < position(&page, ">shop<"));
    assert_true(position(&page, ">shop<") < position(&page, ">sessions<"));
    assert_true(position(&page, "frame 12 is damaged") > 0);
    assert_true(position(&page, "connection refused") > 0);
    assert_true(position(&page, "web-1.example") > 0);
    assert_int_equal(count(&page, "Backing up"), 1);
    buf_dispose(&page);
    watch_fixture_dispose(&view);
}

static void all_is_well(void **state)
{
    static const char *const names[] = { "shop", "sessions", "crm" };
    struct watch_view view = { .is_agent = true, .host = "web-1.example" };
    struct buf page = BUF_INIT(LEN_MAX);

    (void)state;
    for (size_t i = 0; i < 3; i++)
        watch_fixture_add(&view, names[i]);
    watch_fixture_last(&view)->drill = (struct drill_status){ .verdict_ms = WATCH_NOW_MS - HOUR,
                                                              .verified_ms = WATCH_NOW_MS - HOUR,
                                                              .restore_ms = 2345 };
    render(&view, "well", &page);
    assert_true(position(&page, "All 3 databases are backed up") > 0);
    assert_true(position(&page, "26.8 MiB") > 0);
    assert_true(position(&page, "12 tables, 120,345 rows") > 0);
    assert_true(position(&page, "restored in 2.3 s") > 0);
    assert_int_equal(count(&page, "Needs attention"), 0);
    assert_int_equal(count(&page, "class=\"why"), 0);
    buf_dispose(&page);
    watch_fixture_dispose(&view);
}

static void there_may_be_none_and_one_that_never_ran(void **state)
{
    struct watch_view view = { .now_ms = WATCH_NOW_MS, .started_ms = WATCH_NOW_MS };
    struct buf page = BUF_INIT(LEN_MAX);

    (void)state;
    render(&view, "none", &page);
    assert_true(position(&page, "No databases") > 0);
    watch_fixture_add(&view, "fresh");
    history_dispose(&watch_fixture_last(&view)->history);
    watch_fixture_last(&view)->status = (struct job_status){ 0 };
    watch_fixture_last(&view)->deadline_ms = 0;
    watch_fixture_last(&view)->began_ms = WATCH_NOW_MS - 2000;
    buf_clear(&page);
    render(&view, "fresh", &page);
    assert_true(position(&page, "The database needs attention") > 0);
    assert_int_equal(count(&page, "<svg class=\"runs\""), 0);
    buf_dispose(&page);
    watch_fixture_dispose(&view);
}

static void hostile_names_stay_text(void **state)
{
    static const char hostile[] = "<script>alert(1)</script>\"'&\xff\x1b[31m\u202e";
    struct watch_view view = { .is_agent = true, .host = hostile };
    struct buf page = BUF_INIT(LEN_MAX);

    (void)state;
    watch_fixture_add(&view, hostile);
    watch_fixture_fail(watch_fixture_last(&view), 26 * HOUR, hostile);
    render(&view, "hostile", &page);
    assert_int_equal(count(&page, "<script"), 0);
    assert_int_equal(count(&page, "\x1b"), 0);
    assert_int_equal(count(&page, "\xff"), 0);
    assert_int_equal(count(&page, "\u202e"), 0);
    assert_true(count(&page, "&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39;&amp;\\xff") >= 4);
    buf_dispose(&page);
    watch_fixture_dispose(&view);
}

static void a_thousand_databases_are_folded_and_the_page_stays_small(void **state)
{
    struct watch_view view = { .is_agent = true, .host = "fleet-7.example" };
    struct buf page = BUF_INIT(LEN_MAX);

    (void)state;
    for (int i = 0; i < 1000; i++) {
        char name[32];

        (void)snprintf(name, sizeof(name), "tenant-%04d", i);
        watch_fixture_add(&view, name);
        if (i % 400 == 7)
            watch_fixture_fail(watch_fixture_last(&view), 26 * HOUR, "disk I/O error");
    }
    render(&view, "thousand", &page);
    assert_int_equal(count(&page, "<details"), 997);
    assert_int_equal(count(&page, "<article"), 3);
    assert_in_range(page.len, 1000, 10u << 20);
    buf_dispose(&page);
    watch_fixture_dispose(&view);
}

/* With names that have hardly room on a telephone. */
static void what_is_folded_still_has_room(void **state)
{
    struct watch_view view = { .is_agent = true, .host = "fleet-7.example" };
    struct buf page = BUF_INIT(LEN_MAX);

    (void)state;
    for (int i = 0; i < 24; i++) {
        char name[64];

        (void)snprintf(name, sizeof(name), "tenant-%04d-%s", i / 2,
                       i % 3 == 0 ? "orders-and-invoices-of-europe" : "customers");
        watch_fixture_add(&view, name);
        watch_fixture_last(&view)->store = strdup(i % 2 == 0 ? "s3-frankfurt" : "offsite");
        if (i % 7 == 5)
            watch_fixture_last(&view)->began_ms = WATCH_NOW_MS - 90000;
    }
    render(&view, "folded", &page);
    assert_int_equal(count(&page, "<details"), 24);
    buf_dispose(&page);
    watch_fixture_dispose(&view);
}

static void the_policy_allows_its_own_style_alone(void **state)
{
    struct watch_view view = { .is_agent = true };
    struct buf page = BUF_INIT(LEN_MAX);
    char policy[STATUS_PAGE_POLICY_SIZE], wanted[128];
    unsigned char digest[32], text[64];
    size_t begin, len;

    (void)state;
    watch_fixture_add(&view, "shop");
    render(&view, "style", &page);
    status_page_policy(policy);
    begin = position(&page, "<style>") + strlen("<style>");
    len = position(&page, "</style>") - begin;
    assert_int_equal(EVP_Digest(page.ptr + begin, len, digest, NULL, EVP_sha256(), NULL), 1);
    (void)EVP_EncodeBlock(text, digest, sizeof(digest));
    (void)snprintf(wanted, sizeof(wanted), "style-src 'sha256-%s';", (const char *)text);
    assert_non_null(strstr(policy, wanted));
    assert_non_null(strstr(policy, "default-src 'none'"));
    assert_true(strlen(policy) < sizeof(policy) - 1);
    assert_int_equal(count(&page, " style="), 0);
    assert_int_equal(count(&page, "http://"), 1); /* the name space of the icon */
    assert_int_equal(count(&page, "https://"), 0);
    assert_null(strstr(status_style, "url("));
    assert_null(strstr(status_style, "@import"));
    buf_dispose(&page);
    watch_fixture_dispose(&view);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_wrong_comes_first),
        cmocka_unit_test(all_is_well),
        cmocka_unit_test(there_may_be_none_and_one_that_never_ran),
        cmocka_unit_test(hostile_names_stay_text),
        cmocka_unit_test(a_thousand_databases_are_folded_and_the_page_stays_small),
        cmocka_unit_test(what_is_folded_still_has_room),
        cmocka_unit_test(the_policy_allows_its_own_style_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

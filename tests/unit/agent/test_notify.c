/* Goal: pings go to the right address, and what is told is right, whether a person or a program
 * reads it. */
#include "agent/notify.h"

#include "agent/options.h"
#include "base/buf.h"
#include "base/err.h"
#include "tests/harness/test.h"

#include <jansson.h>
#include <string.h>

static void pings_go_to_the_end_of_the_path(void **state)
{
    static const struct {
        const char *url, *suffix, *wanted;
    } cases[] = {
        { "https://hc/ping/id", "/start", "https://hc/ping/id/start" },
        { "https://hc/ping/id", "", "https://hc/ping/id" },
        { "https://hc/ping/key/{database}", "/fail", "https://hc/ping/key/app-1/fail" },
        { "https://hc/{database}?create=1", "/log", "https://hc/app-1/log?create=1" },
        { "https://hc/p?name={database}&x=1", "/fail", "https://hc/p/fail?name=app-1&x=1" },
        { "https://hc/{database}-{store}", "", "https://hc/app-1-cloud" },
        { "https://hc/{database", "", "https://hc/{database" },
        { "https://hc/{database}{database}", "", "https://hc/app-1app-1" },
    };

    const struct notify_subject subject = { "app-1", "cloud" };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct buf out = BUF_INIT(1024);

        notify_ping_url(cases[i].url, &subject, cases[i].suffix, &out);
        assert_string_equal(out.ptr, cases[i].wanted);
        buf_dispose(&out);
    }
}

static const struct notify_facts made = { .event = NOTIFY_SUCCESS,
                                          .subject = { "app", NULL },
                                          .at_ms = 1772323200000,
                                          .duration_ms = 2400,
                                          .backup_id = "2329a87e-d75f-4c81-8732-5dadab22c8cf",
                                          .size = 4096,
                                          .stored_bytes = 2048 };

static void check_text(const struct notify_facts *facts, const char *wanted)
{
    struct buf out = BUF_INIT(4096);

    notify_text(facts, &out);
    assert_string_equal(out.ptr, wanted);
    buf_dispose(&out);
}

static void people_read_what_happened(void **state)
{
    struct notify_facts facts = made;

    (void)state;
    check_text(&facts, "'app': backup 2329a87e, 2.0 KiB stored, took 2.4 s\n");
    facts.shrunk_reason = "tables lost: a";
    facts.not_well_reason = "the last restore drill failed";
    check_text(&facts, "'app': backup 2329a87e, 2.0 KiB stored, took 2.4 s\n"
                       "it has lost much: tables lost: a\nthe last restore drill failed\n");
    facts = made;
    facts.unchanged = true;
    check_text(&facts, "'app': nothing has changed since backup 2329a87e\n");
    facts = made;
    facts.event = NOTIFY_FAILURE;
    facts.error = "no such file";
    facts.hint = "is it mounted?";
    check_text(&facts, "backup of 'app' failed: no such file\nhint: is it mounted?\n");
    facts.event = NOTIFY_DRILL_FAILURE;
    facts.hint = "";
    check_text(&facts, "restore drill of 'app' failed: no such file\n");
    facts.event = NOTIFY_DRILL_RECOVERY;
    check_text(&facts,
               "restore drill of 'app': backup 2329a87e is whole, and restoring it took 2.4 s\n");
}

static json_t *document_of(const struct notify_facts *facts)
{
    struct buf out = BUF_INIT(8192);
    json_t *root;

    assert_int_equal(notify_json(facts, &out, NULL), 0);
    root = json_loads(out.ptr, 0, NULL);
    assert_non_null(root);
    buf_dispose(&out);
    return root;
}

static const char *text_of(const json_t *root, const char *key)
{
    return json_string_value(json_object_get(root, key));
}

static void programs_read_the_facts(void **state)
{
    struct notify_facts facts = made;
    json_t *root = document_of(&facts);

    (void)state;
    assert_string_equal(text_of(root, "event"), "success");
    assert_string_equal(text_of(root, "database"), "app");
    assert_string_equal(text_of(root, "at"), "2026-03-01T00:00:00.000Z");
    assert_string_equal(text_of(root, "backup"), made.backup_id);
    assert_string_equal(text_of(root, "text"),
                        "'app': backup 2329a87e, 2.0 KiB stored, took 2.4 s");
    assert_int_equal(json_integer_value(json_object_get(root, "stored_bytes")), 2048);
    assert_true(json_is_null(json_object_get(root, "error")));
    assert_non_null(text_of(root, "host"));
    json_decref(root);
    facts.event = NOTIFY_FAILURE;
    facts.error = "not UTF-8: \xff\x01";
    facts.backup_id = NULL;
    facts.failures = 3;
    root = document_of(&facts);
    assert_string_equal(text_of(root, "event"), "failure");
    assert_string_equal(text_of(root, "error"), "not UTF-8: \\xff\\x01");
    assert_true(json_is_null(json_object_get(root, "backup")));
    assert_int_equal(json_integer_value(json_object_get(root, "failures")), 3);
    json_decref(root);
}

static void settings_that_are_no_addresses_are_refused_by_name(void **state)
{
    static const struct option_name ping = { OPTION_PING_URL, false };
    static const struct option_name hook = { OPTION_WEBHOOK_URL, false };
    struct option_set set = OPTION_SET_INIT;
    const struct settings settings = { .layers = { &set } };
    struct err err = { 0 };

    (void)state;
    assert_int_equal(notify_check(&settings, NULL), 0);
    assert_int_equal(option_set_put(&set, ping, "https://hc/ping/secret", "x", NULL), 0);
    assert_int_equal(notify_check(&settings, NULL), 0);
    assert_int_equal(option_set_put(&set, hook, "chat/secret", "x", NULL), 0);
    assert_int_equal(notify_check(&settings, &err), ERR_CONFIG);
    assert_non_null(strstr(err.msg, "webhook_url"));
    assert_null(strstr(err.msg, "secret"));
    option_set_dispose(&set);
}

static void without_addresses_nothing_is_sent(void **state)
{
    struct option_set set = OPTION_SET_INIT;
    const struct settings settings = { .layers = { &set } };
    struct notify notify;

    (void)state;
    notify_begin(&notify, &settings, &(struct notify_subject){ "app", NULL }, NULL);
    assert_null(notify.start);
    assert_false(notify_end(&notify, &made, true));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pings_go_to_the_end_of_the_path),
        cmocka_unit_test(people_read_what_happened),
        cmocka_unit_test(programs_read_the_facts),
        cmocka_unit_test(settings_that_are_no_addresses_are_refused_by_name),
        cmocka_unit_test(without_addresses_nothing_is_sent),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Goal: the report of the checks is this, to the letter, and a failure among them is not lost. */
#include "tests/harness/test.h"

#include "agent/doctor_report.h"
#include "base/err.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void fill(struct doctor_report *report, bool fails)
{
    struct err err = { 0 };

    doctor_subject(report, "store %s", "file:///\x1b");
    doctor_ok(report, "put", "%d objects", 1);
    doctor_warn(report, "clock", "set it", "a minute ahead");
    (void)err_set(&err, ERR_DENIED, "no");
    err_hint(&err, "ask");
    if (fails)
        doctor_fail(report, "get", &err);
    doctor_subject(report, "this machine");
    doctor_skip(report, "space", "there is none");
    doctor_doubt(report, "lock", &err);
}

static int make(bool json, bool fails, char **ret_text, struct err *err)
{
    struct doctor_report report;
    size_t len = 0;
    FILE *out;
    int r;

    *ret_text = NULL;
    out = open_memstream(ret_text, &len);
    doctor_report_init(&report, out, json);
    fill(&report, fails);
    r = doctor_report_end(&report, err);
    doctor_report_dispose(&report);
    (void)fclose(out);
    return r;
}

static void prints_one_line_a_check_and_a_count(void **state)
{
    static const char wanted[] = "store file:///\\x1b\n"
                                 "  ok       put                  1 objects\n"
                                 "  warning  clock                a minute ahead\n"
                                 "                                hint: set it\n"
                                 "  failure  get                  no\n"
                                 "                                hint: ask\n"
                                 "\n"
                                 "this machine\n"
                                 "  skipped  space                because there is none\n"
                                 "  warning  lock                 no\n"
                                 "                                hint: ask\n"
                                 "\n"
                                 "1 ok, 2 warnings, 1 failure, 1 skipped\n";
    struct err err = { 0 };
    char *text;

    (void)state;
    assert_int_equal(make(false, true, &text, &err), ERR_PARTIAL);
    assert_string_equal(text, wanted);
    assert_string_equal(err.msg, "1 check failed");
    assert_int_equal(err_exit_status(ERR_PARTIAL), 3);
    free(text);
}

static void json_is_one_document_with_the_same(void **state)
{
    static const char wanted[] =
        "{\"checks\":["
        "{\"subject\":\"store file:///\\u001B\",\"check\":\"put\",\"result\":\"ok\","
        "\"message\":\"1 objects\",\"hint\":null},"
        "{\"subject\":\"store file:///\\u001B\",\"check\":\"clock\",\"result\":\"warning\","
        "\"message\":\"a minute ahead\",\"hint\":\"set it\"},"
        "{\"subject\":\"this machine\",\"check\":\"space\",\"result\":\"skipped\","
        "\"message\":\"because there is none\",\"hint\":null},"
        "{\"subject\":\"this machine\",\"check\":\"lock\",\"result\":\"warning\","
        "\"message\":\"no\",\"hint\":\"ask\"}],"
        "\"ok\":1,\"warnings\":2,\"failures\":0,\"skipped\":1}\n";
    char *text;

    (void)state;
    assert_int_equal(make(true, false, &text, NULL), 0); /* warnings are no failure */
    assert_string_equal(text, wanted);
    free(text);
}

static void a_failure_without_advice_gets_some(void **state)
{
    struct doctor_report report;
    struct err err = { 0 };
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);

    (void)state;
    doctor_report_init(&report, out, false);
    (void)err_set(&err, ERR_DENIED, "no");
    doctor_subject(&report, "x");
    doctor_fail(&report, "get", &err);
    doctor_report_dispose(&report);
    (void)fclose(out);
    assert_non_null(strstr(text, "hint: are the key"));
    free(text);
}

static void an_output_that_is_full_is_a_failure(void **state)
{
    struct doctor_report report;
    FILE *out = fopen("/dev/full", "we");

    (void)state;
    doctor_report_init(&report, out, false);
    fill(&report, false);
    assert_int_equal(doctor_report_end(&report, NULL), ERR_IO);
    doctor_report_dispose(&report);
    (void)fclose(out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prints_one_line_a_check_and_a_count),
        cmocka_unit_test(json_is_one_document_with_the_same),
        cmocka_unit_test(a_failure_without_advice_gets_some),
        cmocka_unit_test(an_output_that_is_full_is_a_failure),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

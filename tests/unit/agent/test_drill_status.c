/* Goal: how a drill went is read back as it was written, and shown with what is not known as null.
 */
#include "agent/drill_status.h"

#include "base/file.h"
#include "tests/harness/temp_dir.h"
#include "tests/harness/test.h"

#include <stdio.h>
#include <string.h>

static void is_read_back_as_it_was_written(void **state)
{
    const struct drill_status status = { .verdict_ms = 1772323200000,
                                         .verified_ms = 1772319600000,
                                         .restore_ms = 812,
                                         .failures = 2,
                                         .backup_id = "2329a87e-d75f-4c81-8732-5dadab22c8cf",
                                         .message = "pack 'x': a frame is damaged" };
    struct drill_status back = { 0 };
    char *dir = temp_dir_new();

    (void)state;
    assert_int_equal(drill_status_save(dir, "app", &status, NULL), 0);
    assert_int_equal(drill_status_load(dir, "app", &back, NULL), 0);
    assert_int_equal(back.verdict_ms, status.verdict_ms);
    assert_int_equal(back.verified_ms, status.verified_ms);
    assert_int_equal(back.restore_ms, status.restore_ms);
    assert_int_equal(back.failures, status.failures);
    assert_string_equal(back.backup_id, status.backup_id);
    assert_string_equal(back.message, status.message);
    assert_int_equal(drill_status_load(dir, "web", &back, NULL), 0);
    assert_int_equal(back.verdict_ms, 0);
    temp_dir_free(dir);
}

static void says_when_the_file_is_something_else(void **state)
{
    static const char negative[] =
        "{\"verdict_ms\":1,\"verified_ms\":1,\"restore_ms\":1,\"failures\":-1,\"backup_id\":\"\","
        "\"message\":\"\"}";
    static const char *const texts[] = { "{}", "[1]", negative };
    struct drill_status status = { .failures = 7 };
    char *dir = temp_dir_new(), path[256];

    (void)state;
    (void)snprintf(path, sizeof(path), "%s/app", dir);
    assert_int_equal(file_mkdirs(path, 0700, NULL), 0);
    (void)snprintf(path, sizeof(path), "%s/app/drill.json", dir);
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        assert_int_equal(file_write_atomic(path, texts[i], strlen(texts[i]), 0600, NULL), 0);
        assert_int_equal(drill_status_load(dir, "app", &status, NULL), ERR_CORRUPT);
        assert_int_equal(status.failures, 7);
    }
    temp_dir_free(dir);
}

static void what_is_not_known_is_null(void **state)
{
    struct drill_status status = { 0 };
    json_t *document = json_object();

    (void)state;
    drill_status_json(&status, document);
    assert_true(json_is_null(json_object_get(document, "verified_at")));
    assert_true(json_is_null(json_object_get(document, "restore_ms")));
    assert_true(json_is_null(json_object_get(document, "drill_error")));
    status = (struct drill_status){ .verified_ms = 1772319600000, .restore_ms = 9, .message = "x" };
    drill_status_json(&status, document);
    assert_string_equal(json_string_value(json_object_get(document, "verified_at")),
                        "2026-02-28T23:00:00.000Z");
    assert_int_equal(json_integer_value(json_object_get(document, "restore_ms")), 9);
    assert_string_equal(json_string_value(json_object_get(document, "drill_error")), "x");
    json_decref(document);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_read_back_as_it_was_written),
        cmocka_unit_test(says_when_the_file_is_something_else),
        cmocka_unit_test(what_is_not_known_is_null),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Goal: how a backup went is read back as it was written, and a file that is something else is said
 * to be. */
#include "agent/job_status.h"

#include "base/file.h"
#include "tests/harness/temp_dir.h"
#include "tests/harness/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void is_read_back_as_it_was_written(void **state)
{
    const struct job_status status = { .attempt_ms = 1772323200000,
                                       .success_ms = 1772319600000,
                                       .duration_ms = 12,
                                       .failures = 3,
                                       .backup_id = "2329a87e-d75f-4c81-8732-5dadab22c8cf",
                                       .unchanged = true,
                                       .notified_ms = 1772323000000,
                                       .shrunk = true,
                                       .kept_id = "1b4e28ba-2fa1-41d2-883f-0016d3cca427",
                                       .shrunk_reason = "tables lost: a",
                                       .message = "open 'a \"b\"': no such file" };
    struct job_status back = { 0 };
    char *dir = temp_dir_new();

    (void)state;
    assert_int_equal(job_status_save(dir, "app", &status, NULL), 0);
    assert_int_equal(job_status_load(dir, "app", &back, NULL), 0);
    assert_int_equal(back.attempt_ms, status.attempt_ms);
    assert_int_equal(back.success_ms, status.success_ms);
    assert_int_equal(back.duration_ms, status.duration_ms);
    assert_int_equal(back.failures, status.failures);
    assert_string_equal(back.backup_id, status.backup_id);
    assert_true(back.unchanged);
    assert_int_equal(back.notified_ms, status.notified_ms);
    assert_true(back.shrunk);
    assert_string_equal(back.kept_id, status.kept_id);
    assert_string_equal(back.shrunk_reason, status.shrunk_reason);
    job_status_acknowledge(&back);
    assert_int_equal(job_status_save(dir, "app", &back, NULL), 0);
    assert_int_equal(job_status_load(dir, "app", &back, NULL), 0);
    assert_false(back.shrunk);
    assert_string_equal(back.kept_id, "");
    assert_string_equal(back.message, status.message);
    temp_dir_free(dir);
}

static void is_empty_when_there_is_none(void **state)
{
    struct job_status status = { .failures = 7 };
    char *dir = temp_dir_new();

    (void)state;
    assert_int_equal(job_status_load(dir, "app", &status, NULL), 0);
    assert_int_equal(status.failures, 0);
    temp_dir_free(dir);
}

static void says_when_the_file_is_something_else(void **state)
{
    static const char *const texts[] = { "", "{}", "[1]", "{\"attempt_ms\":\"x\"}" };
    struct job_status status = { .failures = 7 };
    char *dir = temp_dir_new(), path[256];

    (void)state;
    (void)snprintf(path, sizeof(path), "%s/app", dir);
    assert_int_equal(file_mkdirs(path, 0700, NULL), 0);
    (void)snprintf(path, sizeof(path), "%s/app/status.json", dir);
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        assert_int_equal(file_write_atomic(path, texts[i], strlen(texts[i]), 0600, NULL), 0);
        assert_int_equal(job_status_load(dir, "app", &status, NULL), ERR_CORRUPT);
        assert_int_equal(status.failures, 7);
    }
    temp_dir_free(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_read_back_as_it_was_written),
        cmocka_unit_test(is_empty_when_there_is_none),
        cmocka_unit_test(says_when_the_file_is_something_else),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Goal: a document is read back as it was saved, none is no failure, and what is not JSON is said
 * to be damaged. */
#include "agent/state_file.h"

#include "base/err.h"
#include "base/file.h"
#include "tests/harness/temp_dir.h"
#include "tests/harness/test.h"

#include <stdio.h>
#include <string.h>

static void is_read_back_as_it_was_saved(void **state)
{
    char *dir = temp_dir_new();
    json_t *root = NULL;

    (void)state;
    assert_int_equal(state_file_save(dir, "app", "x.json", json_pack("{si}", "a", 7), NULL), 0);
    assert_int_equal(state_file_load(dir, "app", "x.json", &root, NULL), 0);
    assert_int_equal(json_integer_value(json_object_get(root, "a")), 7);
    json_decref(root);
    temp_dir_free(dir);
}

static void none_is_no_failure(void **state)
{
    char *dir = temp_dir_new();
    json_t *root = json_null();

    (void)state;
    assert_int_equal(state_file_load(dir, "app", "x.json", &root, NULL), 0);
    assert_null(root);
    temp_dir_free(dir);
}

static void what_is_not_json_is_damaged(void **state)
{
    char *dir = temp_dir_new(), path[256];
    json_t *root = NULL;
    struct err err = { 0 };

    (void)state;
    (void)snprintf(path, sizeof(path), "%s/app", dir);
    assert_int_equal(file_mkdirs(path, 0700, NULL), 0);
    (void)snprintf(path, sizeof(path), "%s/app/x.json", dir);
    assert_int_equal(file_write_atomic(path, "{\"a\":", 5, 0600, NULL), 0);
    assert_int_equal(state_file_load(dir, "app", "x.json", &root, &err), ERR_CORRUPT);
    assert_non_null(strstr(err.msg, "app/x.json"));
    assert_null(root);
    temp_dir_free(dir);
}

static void a_document_that_could_not_be_made_is_not_saved(void **state)
{
    char *dir = temp_dir_new();

    (void)state;
    assert_int_equal(state_file_save(dir, "app", "x.json", NULL, NULL), ERR_NOMEM);
    assert_int_equal(temp_dir_count(dir), 0);
    temp_dir_free(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_read_back_as_it_was_saved),
        cmocka_unit_test(none_is_no_failure),
        cmocka_unit_test(what_is_not_json_is_damaged),
        cmocka_unit_test(a_document_that_could_not_be_made_is_not_saved),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

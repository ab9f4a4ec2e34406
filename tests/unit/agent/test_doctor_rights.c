/* Goal: what a store lets us do is found out by doing it; whichever request fails, the others are
 * made all the same, and nothing is left behind that could be removed. */
#include "tests/harness/test.h"

#include "agent/doctor.h"
#include "agent/doctor_report.h"
#include "base/err.h"
#include "store/dir_store.h"
#include "store/object_store.h"
#include "tests/harness/fault_store.h"
#include "tests/harness/temp_dir.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK_COUNT 8

struct found {
    json_t *checks;
    size_t failures, warnings, skipped;
};

static void look(struct object_store *store, struct found *found)
{
    struct doctor_report report;
    FILE *out = fopen("/dev/null", "we");

    doctor_report_init(&report, out, true);
    doctor_subject(&report, "store");
    doctor_check_rights(&report, store, NULL, "app");
    found->checks = json_incref(report.checks);
    found->failures = report.counts[DOCTOR_FAILURE];
    found->warnings = report.counts[DOCTOR_WARNING];
    found->skipped = report.counts[DOCTOR_SKIPPED];
    doctor_report_dispose(&report);
    (void)fclose(out);
}

static const char *field_of(const struct found *found, const char *check, const char *field)
{
    json_t *entry;
    size_t i;

    json_array_foreach(found->checks, i, entry)
    {
        if (strcmp(json_string_value(json_object_get(entry, "check")), check) == 0)
            return json_string_value(json_object_get(entry, field));
    }
    fail_msg("there is no check '%s'", check);
    return NULL;
}

static const char *result_of(const struct found *found, const char *check)
{
    return field_of(found, check, "result");
}

static int count(void *context, const char *key, const struct object_info *info, struct err *err)
{
    (void)key;
    (void)info;
    (void)err;
    ++*(size_t *)context;
    return 0;
}

static size_t left_in(struct object_store *store)
{
    size_t n = 0;

    assert_int_equal(object_list(store, "", NULL, count, &n, NULL), 0);
    return n;
}

static struct object_store *store_in(const char *dir, const struct fault_store_options *options,
                                     struct fault_store_counters *counters)
{
    struct object_store *inner = NULL, *store = NULL;

    assert_int_equal(dir_store_new(dir, &inner, NULL), 0);
    assert_int_equal(fault_store_new(inner, options, counters, &store, NULL), 0);
    return store;
}

static void a_directory_can_do_everything(void **state)
{
    char *dir = temp_dir_new();
    struct fault_store_counters counters = { 0 };
    const struct fault_store_options options = { 0 };
    struct object_store *store = store_in(dir, &options, &counters);
    struct found found;

    (void)state;
    look(store, &found);
    assert_int_equal(found.failures + found.warnings, 0);
    assert_int_equal(found.skipped, 1); /* it has no region */
    assert_int_equal(json_array_size(found.checks), CHECK_COUNT);
    assert_int_equal(left_in(store), 0);
    json_decref(found.checks);
    object_store_free(store);
    temp_dir_free(dir);
}

static void whichever_request_fails_every_check_has_its_line(void **state)
{
    struct fault_store_counters counters = { 0 };
    const struct fault_store_options options = { .code = ERR_DENIED, .no_direct_fd = true };
    unsigned fail_at = 0;
    bool done = false;

    (void)state;
    do {
        char *dir = temp_dir_new();
        struct object_store *store = store_in(dir, &options, &counters);
        struct found found;

        atomic_store(&counters.calls, 0);
        atomic_store(&counters.fail_at, ++fail_at);
        look(store, &found);
        done = atomic_load(&counters.calls) < fail_at;
        atomic_store(&counters.fail_at, 0);
        assert_int_equal(json_array_size(found.checks), CHECK_COUNT);
        if (strcmp(result_of(&found, "delete"), "ok") == 0)
            assert_true(left_in(store) <= 1); /* that of conditional writes, when its own fails */
        json_decref(found.checks);
        object_store_free(store);
        temp_dir_free(dir);
    } while (!done);
    assert_true(fail_at > 10);
}

static const char *denied_kind;
static struct fault_store_counters *denied_counters;

static void deny(void *context, const char *operation, const char *key)
{
    (void)context;
    (void)key;
    if (denied_kind != NULL && strcmp(operation, denied_kind) == 0)
        atomic_store(&denied_counters->fail_at, atomic_load(&denied_counters->calls) + 1);
}

static void what_is_denied_is_told_of_that_check_alone(void **state)
{
    static const struct {
        const char *operation, *check, *result;
        size_t failures, warnings, skipped; /* in all; the region is one that is skipped */
    } rows[] = {
        { "list", "list", "failure", 1, 0, 1 },
        { "upload", "multipart", "failure", 1, 0, 1 },
        { "finish", "multipart", "failure", 1, 0, 1 },
        { "get", "get", "failure", 2, 0, 1 }, /* and the range */
        { "delete", "delete", "warning", 0, 1, 1 },
        { "put", "put", "failure", 1, 0, 4 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char *dir = temp_dir_new();
        struct fault_store_counters counters = { 0 };
        const struct fault_store_options options = { .code = ERR_DENIED,
                                                     .no_direct_fd = true,
                                                     .before = deny };
        struct object_store *store = store_in(dir, &options, &counters);
        struct found found;

        denied_kind = rows[i].operation;
        denied_counters = &counters;
        look(store, &found);
        denied_kind = NULL;
        assert_string_equal(result_of(&found, rows[i].check), rows[i].result);
        assert_int_equal(found.failures, rows[i].failures);
        assert_int_equal(found.warnings, rows[i].warnings);
        assert_int_equal(found.skipped, rows[i].skipped);
        json_decref(found.checks);
        object_store_free(store);
        temp_dir_free(dir);
    }
}

static int (*plain_put)(struct object_store *store, const char *key, struct io_source *body,
                        enum object_put_mode mode, struct err *err);
static int conditional_code; /* of every conditional put */

static int odd_put(struct object_store *store, const char *key, struct io_source *body,
                   enum object_put_mode mode, struct err *err)
{
    if (mode == OBJECT_PUT_IF_ABSENT && conditional_code < 0)
        return err_set(err, conditional_code, "not by this store");
    return mode == OBJECT_PUT_IF_ABSENT ? 0 : plain_put(store, key, body, mode, err);
}

static void says_what_becomes_of_conditional_writes(void **state)
{
    static const struct {
        int code;
        const char *result, *message;
    } rows[] = {
        { ERR_UNSUPPORTED, "warning", "If-None-Match is not supported" },
        { 0, "warning", "If-None-Match is ignored" },
        { ERR_DENIED, "failure", "not by this store" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char *dir = temp_dir_new();
        struct object_store *store = NULL;
        struct object_store_ops ops;
        struct found found;

        assert_int_equal(dir_store_new(dir, &store, NULL), 0);
        ops = *store->ops;
        plain_put = ops.put;
        ops.put = odd_put;
        store->ops = &ops;
        conditional_code = rows[i].code;
        look(store, &found);
        assert_string_equal(result_of(&found, "conditional writes"), rows[i].result);
        assert_string_equal(field_of(&found, "conditional writes", "message"), rows[i].message);
        json_decref(found.checks);
        object_store_free(store);
        temp_dir_free(dir);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_directory_can_do_everything),
        cmocka_unit_test(whichever_request_fails_every_check_has_its_line),
        cmocka_unit_test(what_is_denied_is_told_of_that_check_alone),
        cmocka_unit_test(says_what_becomes_of_conditional_writes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

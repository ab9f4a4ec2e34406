/* Goal: every number is that of its database, in Prometheus's format, whatever names hold. */
#include "agent/metrics.h"

#include "agent/watch.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "tests/harness/temp_dir.h"
#include "tests/harness/test.h"
#include "tests/harness/watch_fixture.h"

#include <stdio.h>
#include <string.h>

#define LEN_MAX (16u << 20)

static void render(const struct watch_view *view, struct buf *out)
{
    assert_int_equal(metrics_render(view, out), 200);
    assert_int_equal(buf_check(out, NULL), 0);
}

static void expect_line(const struct buf *out, const char *wanted)
{
    char line[512];

    (void)snprintf(line, sizeof(line), "\n%s\n", wanted);
    if (strstr(out->ptr, line) == NULL)
        fail_msg("no line '%s' in\n%s", wanted, out->ptr);
}

static void every_number_is_that_of_its_database(void **state)
{
    static const char *const wanted[] = {
        "holdfast_databases 2",
        "holdfast_healthy{database=\"shop\"} 1",
        "holdfast_healthy{database=\"crm\"} 0",
        "holdfast_last_success_timestamp_seconds{database=\"shop\"} 1795415400",
        "holdfast_last_success_timestamp_seconds{database=\"crm\"} 1795330800",
        "holdfast_last_attempt_timestamp_seconds{database=\"shop\"} 1795415400",
        "holdfast_last_attempt_duration_seconds{database=\"shop\"} 1.234",
        "holdfast_success_expires_timestamp_seconds{database=\"shop\"} 1795420800",
        "holdfast_next_attempt_timestamp_seconds{database=\"shop\"} 1795419000",
        "holdfast_consecutive_failures{database=\"shop\"} 0",
        "holdfast_consecutive_failures{database=\"crm\"} 3",
        "holdfast_running{database=\"shop\"} 0",
        "holdfast_database_size_bytes{database=\"shop\"} 28086272",
        "holdfast_database_tables{database=\"shop\"} 12",
        "holdfast_newest_backup_stored_bytes{database=\"shop\"} 40000",
        "holdfast_backups{database=\"shop\"} 40",
        "holdfast_damaged_backups{database=\"shop\"} 0",
        "holdfast_stored_bytes{database=\"shop\"} 7345678",
        "holdfast_last_verified_timestamp_seconds{database=\"shop\"} 1795399200",
        "holdfast_attempts_total{database=\"shop\",outcome=\"made\"} 48",
        "holdfast_attempts_total{database=\"shop\",outcome=\"unchanged\"} 12",
        "holdfast_attempts_total{database=\"crm\",outcome=\"failed\"} 3",
    };
    struct watch_view view = { .is_agent = true };
    struct buf out = BUF_INIT(LEN_MAX);

    (void)state;
    watch_fixture_add(&view, "shop");
    watch_fixture_add(&view, "crm");
    watch_fixture_fail(watch_fixture_last(&view), INT64_C(86400000), "disk full");
    render(&view, &out);
    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
        expect_line(&out, wanted[i]);
    buf_dispose(&out);
    watch_fixture_dispose(&view);
}

static void what_is_not_known_is_left_out_or_never(void **state)
{
    struct watch_view view = { 0 };
    struct buf out = BUF_INIT(LEN_MAX);

    (void)state;
    watch_fixture_add(&view, "new");
    watch_fixture_fail(watch_fixture_last(&view), 0, "no");
    watch_fixture_last(&view)->next_ms = 0;
    render(&view, &out);
    expect_line(&out, "holdfast_last_success_timestamp_seconds{database=\"new\"} 0");
    assert_null(strstr(out.ptr, "holdfast_backups{"));
    assert_null(strstr(out.ptr, "holdfast_database_size_bytes{"));
    assert_null(strstr(out.ptr, "holdfast_next_attempt_timestamp_seconds{"));
    assert_null(strstr(out.ptr, "holdfast_success_expires_timestamp_seconds{"));
    buf_dispose(&out);
    watch_fixture_dispose(&view);
}

static void requests_are_told_by_operation_and_code(void **state)
{
    static char url[] = "s3://b/x?endpoint=http://h";
    struct watch_store store = {
        .name = url, .counters = { .retries = 4, .sent_bytes = 5, .received_bytes = 6 }
    };
    struct watch_view view = { .stores = &store, .store_count = 1 };
    struct buf out = BUF_INIT(LEN_MAX);

    (void)state;
    store.counters.requests[S3_OPERATION_PUT_OBJECT][s3_status_index(200)] = 7;
    store.counters.requests[S3_OPERATION_GET_OBJECT][s3_status_index(0)] = 1;
    render(&view, &out);
    expect_line(&out, "holdfast_store_requests_total{store=\"s3://b/x?endpoint=http://h\","
                      "operation=\"PutObject\",code=\"200\"} 7");
    expect_line(&out, "holdfast_store_requests_total{store=\"s3://b/x?endpoint=http://h\","
                      "operation=\"GetObject\",code=\"none\"} 1");
    expect_line(&out, "holdfast_store_retries_total{store=\"s3://b/x?endpoint=http://h\"} 4");
    expect_line(&out, "holdfast_store_sent_bytes_total{store=\"s3://b/x?endpoint=http://h\"} 5");
    expect_line(&out,
                "holdfast_store_received_bytes_total{store=\"s3://b/x?endpoint=http://h\"} 6");
    buf_dispose(&out);
}

static void hostile_names_stay_labels(void **state)
{
    struct watch_view view = { 0 };
    struct buf out = BUF_INIT(LEN_MAX);

    (void)state;
    watch_fixture_add(&view, "a\"} 1\nb\\ \xff{");
    render(&view, &out);
    expect_line(&out, "holdfast_healthy{database=\"a\\\"} 1\\\\nb\\\\ \\\\xff{\"} 1");
    buf_dispose(&out);
    watch_fixture_dispose(&view);
}

static void a_thousand_databases_and_none_are_told(void **state)
{
    struct watch_view view = { .is_agent = true };
    struct buf out = BUF_INIT(LEN_MAX);

    (void)state;
    render(&view, &out);
    expect_line(&out, "holdfast_databases 0");
    buf_clear(&out);
    for (int i = 0; i < 1000; i++) {
        char name[16];

        (void)snprintf(name, sizeof(name), "db%d", i);
        watch_fixture_add(&view, name);
    }
    render(&view, &out);
    expect_line(&out, "holdfast_healthy{database=\"db999\"} 1");
    assert_in_range(out.len, 1000, 4u << 20);
    buf_dispose(&out);
    watch_fixture_dispose(&view);
}

static void only_an_agent_tells_of_its_process(void **state)
{
    struct watch_view view = { .is_agent = true };
    struct buf out = BUF_INIT(LEN_MAX);

    (void)state;
    render(&view, &out);
    assert_non_null(strstr(out.ptr, "\nprocess_resident_memory_bytes "));
    view.is_agent = false;
    buf_clear(&out);
    render(&view, &out);
    assert_null(strstr(out.ptr, "process_"));
    buf_dispose(&out);
}

static void a_file_has_no_process_and_replaces_the_one_before(void **state)
{
    struct watch *watch = watch_new(clock_system(), true);
    struct buf out = BUF_INIT(LEN_MAX);
    char *dir = temp_dir_new(), path[256];

    (void)state;
    (void)snprintf(path, sizeof(path), "%s/holdfast.prom", dir);
    assert_int_equal(metrics_write_file(watch, path, NULL), 0);
    assert_int_equal(metrics_write_file(watch, path, NULL), 0);
    assert_int_equal(temp_dir_count(dir), 1);
    assert_int_equal(file_read(path, &out, NULL), 0);
    expect_line(&out, "holdfast_databases 0");
    assert_null(strstr(out.ptr, "process_"));
    (void)snprintf(path, sizeof(path), "%s/none/holdfast.prom", dir);
    assert_int_equal(metrics_write_file(watch, path, NULL), ERR_NOT_FOUND);
    buf_dispose(&out);
    watch_free(watch);
    temp_dir_free(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_number_is_that_of_its_database),
        cmocka_unit_test(what_is_not_known_is_left_out_or_never),
        cmocka_unit_test(requests_are_told_by_operation_and_code),
        cmocka_unit_test(hostile_names_stay_labels),
        cmocka_unit_test(a_thousand_databases_and_none_are_told),
        cmocka_unit_test(only_an_agent_tells_of_its_process),
        cmocka_unit_test(a_file_has_no_process_and_replaces_the_one_before),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

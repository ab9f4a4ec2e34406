/* Goal: what jobs tell is seen by whoever looks, survives another configuration and a restart, and
 * may come from many threads. */
#include "agent/watch.h"

#include "agent/jobs.h"
#include "base/buf.h"
#include "base/err.h"
#include "tests/harness/fake_clock.h"
#include "tests/harness/temp_dir.h"
#include "tests/harness/test.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HOUR  INT64_C(3600000)
#define START INT64_C(1772323200000) /* 2026-03-01 00:00 UTC */

static char title_a[] = "'a'", title_b[] = "'b'", name_a[] = "a", name_b[] = "b",
            path_a[] = "/a.db", path_b[] = "/b.db";

struct fixture {
    struct fake_clock clock;
    struct job items[2];
    struct jobs jobs;
    struct watch *watch;
};

/* NOLINTNEXTLINE(readability-non-const-parameter): it becomes the jobs' own */
static void begin(struct fixture *fixture, char *state_dir)
{
    char *const names[] = { name_a, name_b }, *const paths[] = { path_a, path_b };
    char *const titles[] = { title_a, title_b };

    memset(fixture, 0, sizeof(*fixture));
    fake_clock_init(&fixture->clock, START);
    for (size_t i = 0; i < 2; i++) {
        fixture->items[i].database.name = names[i];
        fixture->items[i].title = titles[i];
        fixture->items[i].state_dir = state_dir;
        fixture->items[i].database.path = paths[i];
        assert_int_equal(schedule_parse("@hourly", NULL, &fixture->items[i].schedule, NULL), 0);
    }
    fixture->jobs = (struct jobs){ .items = fixture->items, .count = 2, .state_dir = state_dir };
    fixture->watch = watch_new(&fixture->clock.clock, true);
    assert_non_null(fixture->watch);
    assert_int_equal(watch_set_jobs(fixture->watch, &fixture->jobs, NULL), 0);
    assert_ptr_equal(fixture->jobs.watch, fixture->watch);
}

/* A good one that made something. */
static void run(struct fixture *fixture, size_t index, int64_t at_ms)
{
    struct job *job = &fixture->items[index];
    struct watch_report report = {
        .run = { .at_ms = at_ms, .stored_bytes = 100, .outcome = HISTORY_MADE },
        .newest = { .created_at_ms = at_ms, .size = 4096 },
        .store = strdup("s3://bucket"),
        .counters = { .retries = 1 },
    };

    watch_began(fixture->watch, job);
    job->status = (struct job_status){ .attempt_ms = at_ms, .success_ms = at_ms };
    watch_ended(fixture->watch, job, &report, fixture->jobs.state_dir);
    watch_report_dispose(&report);
}

/* "name runs began next deadline" a line. */
static int show(const struct watch_view *view, struct buf *out)
{
    for (size_t i = 0; i < view->database_count; i++) {
        const struct watch_database *database = &view->databases[i];

        buf_addf(out, "%s %zu %d %lld %lld\n", database->name, database->history.run_count,
                 database->began_ms != 0,
                 database->next_ms == 0 ? -1 : (long long)((database->next_ms - START) / HOUR),
                 (long long)((database->deadline_ms - START) / HOUR));
    }
    for (size_t i = 0; i < view->store_count; i++) {
        buf_addf(out, "%s %llu\n", view->stores[i].name,
                 (unsigned long long)view->stores[i].counters.retries);
    }
    return 207;
}

/* "verified of a, of b, retries" */
static int show_verified(const struct watch_view *view, struct buf *out)
{
    buf_addf(out, "%lld %lld %llu\n", (long long)watch_verified_ms(&view->databases[0]),
             (long long)watch_verified_ms(&view->databases[1]),
             (unsigned long long)view->stores[0].counters.retries);
    return 200;
}

static void expect(struct watch *watch, const char *wanted)
{
    struct buf out = BUF_INIT(4096);

    assert_int_equal(watch_render(watch, show, &out), 207);
    assert_string_equal(out.ptr, wanted);
    buf_dispose(&out);
}

static void what_jobs_tell_is_seen(void **state)
{
    static char title[] = "'another'";
    const struct job another = { .title = title };
    struct fixture fixture;
    unsigned version;

    (void)state;
    begin(&fixture, NULL);
    fixture.items[0].status.success_ms = START;
    assert_int_equal(watch_set_jobs(fixture.watch, &fixture.jobs, NULL), 0);
    expect(fixture.watch, "a 0 0 1 2\nb 0 0 1 -492312\n");
    version = watch_version(fixture.watch);
    watch_began(fixture.watch, &fixture.items[0]);
    expect(fixture.watch, "a 0 1 1 2\nb 0 0 1 -492312\n");
    run(&fixture, 0, START + HOUR);
    watch_next(fixture.watch, &fixture.items[0], START + 5 * HOUR);
    watch_next(fixture.watch, &fixture.items[1], SCHEDULE_NEVER);
    watch_next(fixture.watch, &another, START);
    expect(fixture.watch, "a 1 0 5 3\nb 0 0 -1 -492312\ns3://bucket 1\n");
    assert_true(watch_version(fixture.watch) != version);
    watch_free(fixture.watch);
}

static void requests_of_all_databases_add_up_by_store(void **state)
{
    struct fixture fixture;

    (void)state;
    begin(&fixture, NULL);
    run(&fixture, 0, START);
    run(&fixture, 1, START);
    run(&fixture, 1, START);
    expect(fixture.watch, "a 1 0 1 2\nb 2 0 1 2\ns3://bucket 3\n");
    watch_free(fixture.watch);
}

static void another_configuration_keeps_what_is_known_of_the_same_databases(void **state)
{
    static char title_c[] = "'c'", name_c[] = "c";
    struct fixture fixture;

    (void)state;
    begin(&fixture, NULL);
    run(&fixture, 0, START);
    run(&fixture, 1, START);
    watch_began(fixture.watch, &fixture.items[1]);
    fixture.items[0].database.name = name_c;
    fixture.items[0].title = title_c;
    fixture.items[0].status = (struct job_status){ 0 };
    assert_int_equal(watch_set_jobs(fixture.watch, &fixture.jobs, NULL), 0);
    expect(fixture.watch, "c 0 0 1 -492312\nb 1 1 1 2\ns3://bucket 2\n");
    fixture.items[0].title = title_a;
    fixture.items[0].database.name = name_a; /* one that it is not about any more */
    run(&fixture, 0, START);
    expect(fixture.watch, "c 0 0 1 -492312\nb 1 1 1 2\ns3://bucket 3\n");
    watch_free(fixture.watch);
}

static void a_restart_remembers(void **state)
{
    struct fixture fixture;
    char *dir = temp_dir_new();

    (void)state;
    begin(&fixture, dir);
    run(&fixture, 0, START);
    run(&fixture, 0, START + HOUR);
    watch_free(fixture.watch);
    begin(&fixture, dir);
    fixture.items[0].status.success_ms = START;
    expect(fixture.watch, "a 2 0 1 -492312\nb 0 0 1 -492312\n");
    watch_free(fixture.watch);
    temp_dir_free(dir);
}

static void a_drill_is_seen_and_its_requests_are_counted(void **state)
{
    struct fixture fixture;
    struct watch_report report = { .store = strdup("s3://bucket"),
                                   .counters = { .retries = 2 },
                                   .catalog = { .is_known = true, .verified_ms = 5 } };
    struct buf out = BUF_INIT(4096);

    (void)state;
    begin(&fixture, NULL);
    run(&fixture, 0, START);
    fixture.items[0].drill.verified_ms = START;
    watch_drilled(fixture.watch, &fixture.items[0], &report, NULL);
    assert_int_equal(watch_render(fixture.watch, show_verified, &out), 200);
    assert_string_equal(out.ptr, "1772323200000 0 3\n");
    fixture.items[0].drill.verified_ms = 3;
    report.catalog = (struct history_catalog){ .is_known = true, .verified_ms = 5 };
    watch_drilled(fixture.watch, &fixture.items[0], &report, NULL);
    buf_clear(&out);
    assert_int_equal(watch_render(fixture.watch, show_verified, &out), 200);
    assert_string_equal(out.ptr, "5 0 5\n");
    watch_report_dispose(&report);
    buf_dispose(&out);
    watch_free(fixture.watch);
}

static void nobody_has_to_watch(void **state)
{
    struct job job = { 0 };
    struct watch_report report = { 0 };

    (void)state;
    watch_next(NULL, NULL, 1);
    watch_began(NULL, &job);
    watch_ended(NULL, &job, &report, NULL);
    watch_drilled(NULL, &job, &report, NULL);
    watch_free(NULL);
}

static void *run_often(void *context)
{
    struct fixture *fixture = context;

    for (int i = 0; i < 200; i++) {
        run(fixture, 0, START);
        watch_next(fixture->watch, &fixture->items[0], START + i);
    }
    return NULL;
}

static void is_looked_at_while_it_changes(void **state)
{
    struct fixture fixture;
    pthread_t thread;

    (void)state;
    begin(&fixture, NULL);
    assert_int_equal(pthread_create(&thread, NULL, run_often, &fixture), 0);
    for (int i = 0; i < 200; i++) {
        struct buf out = BUF_INIT(4096);

        assert_int_equal(watch_render(fixture.watch, show, &out), 207);
        buf_dispose(&out);
        if (i % 50 == 0) {
            struct job items[] = { { .database = { .name = name_a, .path = path_a },
                                     .title = title_a } };
            struct jobs jobs = { .items = items, .count = 1 };

            items[0].schedule = fixture.items[1].schedule;
            assert_int_equal(watch_set_jobs(fixture.watch, &jobs, NULL), 0);
        }
    }
    assert_int_equal(pthread_join(thread, NULL), 0);
    watch_free(fixture.watch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_jobs_tell_is_seen),
        cmocka_unit_test(requests_of_all_databases_add_up_by_store),
        cmocka_unit_test(another_configuration_keeps_what_is_known_of_the_same_databases),
        cmocka_unit_test(a_restart_remembers),
        cmocka_unit_test(a_drill_is_seen_and_its_requests_are_counted),
        cmocka_unit_test(nobody_has_to_watch),
        cmocka_unit_test(is_looked_at_while_it_changes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

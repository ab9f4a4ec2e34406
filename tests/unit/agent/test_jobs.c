/* Goal: a job is a database in a store: each has what it remembers to itself, and those of one
 * store share a lane. */
#include "agent/jobs.h"

#include "agent/console.h"
#include "base/clock.h"
#include "base/err.h"
#include "tests/harness/temp_dir.h"
#include "tests/harness/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct fixture {
    char *dir;
    struct args args;
    struct session_sources sources;
    struct session session;
    struct jobs jobs;
};

static void begin(struct fixture *fixture, const char *sections)
{
    char text[1024];
    struct err err = { 0 };

    memset(fixture, 0, sizeof(*fixture));
    fixture->session.sources = &fixture->sources;
    fixture->dir = temp_dir_new();
    (void)snprintf(text, sizeof(text), "[agent]\nstate_dir = %s\n%s", fixture->dir, sections);
    if (config_parse(text, strlen(text), "x.ini", &fixture->sources.config, &err) < 0)
        fail_msg("%s", err.msg);
    fixture->session.args = &fixture->args;
    fixture->session.clock = clock_system();
    fixture->session.settings.layers[SETTINGS_FILE] = &fixture->sources.config.options;
    if (jobs_load(&fixture->session, NULL, &fixture->jobs, &err) < 0)
        fail_msg("%s", err.msg);
}

static void end(struct fixture *fixture)
{
    jobs_dispose(&fixture->jobs);
    config_dispose(&fixture->sources.config);
    temp_dir_free(fixture->dir);
}

#define STORES "[store]\nurl = file:///one\n[store:cloud]\nurl = s3://c\nschedule = @daily\n"
#define TWO    "[database:app]\npath = /app.db\n[database:web]\npath = /web.db\nstores = cloud\n"

static void makes_one_for_each_store_of_a_database(void **state)
{
    struct fixture fixture;
    const struct job *jobs;
    char own[512];

    (void)state;
    begin(&fixture, STORES TWO);
    jobs = fixture.jobs.items;
    assert_int_equal(fixture.jobs.count, 3);
    assert_int_equal(fixture.jobs.lane_count, 2);
    assert_string_equal(jobs[0].title, "'app' in 'default'");
    assert_string_equal(jobs[1].title, "'app' in 'cloud'");
    assert_string_equal(jobs[2].title, "'web' in 'cloud'");
    assert_int_equal(jobs[0].lane, 0);
    assert_int_equal(jobs[1].lane, 1);
    assert_int_equal(jobs[2].lane, 1);
    assert_string_equal(jobs[1].database.path, "/app.db");
    assert_string_equal(settings_text(&jobs[1].session.settings, OPTION_SCHEDULE), "@daily");
    assert_null(settings_text(&jobs[0].session.settings, OPTION_SCHEDULE));
    assert_string_equal(jobs[0].state_dir, fixture.dir); /* what was there before there were more */
    (void)snprintf(own, sizeof(own), "%s/.stores/cloud", fixture.dir);
    assert_string_equal(jobs[1].state_dir, own);
    assert_true(job_is(&jobs[1], &jobs[1]));
    assert_false(job_is(&jobs[1], &jobs[0]));
    assert_false(job_is(&jobs[1], &jobs[2]));
    end(&fixture);
}

static void has_no_name_and_one_lane_without_several_stores(void **state)
{
    struct fixture fixture;

    (void)state;
    begin(&fixture, "[store]\nurl = file:///one\n[database:app]\npath = /app.db\n"
                    "[database:web]\npath = /web.db\nurl = s3://own\n");
    assert_int_equal(fixture.jobs.count, 2);
    assert_int_equal(fixture.jobs.lane_count, 1);
    assert_string_equal(fixture.jobs.items[1].title, "'web'");
    assert_string_equal(jobs_counted(&fixture.jobs), "");
    end(&fixture);
}

static void remembers_each_store_by_itself(void **state)
{
    const struct job_status good = { .attempt_ms = 5, .success_ms = 5 };
    struct fixture fixture;
    struct job *jobs;

    (void)state;
    begin(&fixture, STORES TWO);
    jobs = fixture.jobs.items;
    assert_int_equal(job_status_save(jobs[1].state_dir, "app", &good, NULL), 0);
    jobs_read_status(&fixture.jobs, jobs[0].lane);
    assert_int_equal(jobs[1].status.success_ms, 0); /* of the other lane */
    jobs_read_status(&fixture.jobs, jobs[1].lane);
    assert_int_equal(jobs[0].status.success_ms, 0);
    assert_int_equal(jobs[1].status.success_ms, 5);
    assert_int_equal(jobs[2].status.success_ms, 0);
    end(&fixture);
}

static void knows_when_other_databases_are_meant(void **state)
{
    struct fixture fixture;
    char *name;

    (void)state;
    begin(&fixture, STORES TWO);
    assert_false(jobs_have_changed(&fixture.jobs, &fixture.session, NULL));
    name = fixture.jobs.items[2].database.name;
    name[0] = 'x';
    assert_true(jobs_have_changed(&fixture.jobs, &fixture.session, NULL));
    name[0] = 'w';
    fixture.sources.config.database_count--;
    assert_true(jobs_have_changed(&fixture.jobs, &fixture.session, NULL));
    fixture.sources.config.database_count++;
    end(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(makes_one_for_each_store_of_a_database),
        cmocka_unit_test(has_no_name_and_one_lane_without_several_stores),
        cmocka_unit_test(remembers_each_store_by_itself),
        cmocka_unit_test(knows_when_other_databases_are_meant),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

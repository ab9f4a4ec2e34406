/* Goal: flag over environment over the database's section over the file over AWS's variables. */
#include "tests/harness/test.h"

#include "agent/console.h"
#include "agent/session.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "store/object_store.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct fixture {
    char path[64]; /* of the configuration */
    char *argv[8];
    struct args args;
    struct console console;
    struct session session;
};

static void start(struct fixture *fixture, const char *config, int argc)
{
    struct err err;
    FILE *file;
    int fd;

    (void)snprintf(fixture->path, sizeof(fixture->path), "/tmp/holdfast-test-XXXXXX");
    fd = mkostemp(fixture->path, O_CLOEXEC);
    assert_true(fd >= 0);
    file = fdopen(fd, "we");
    assert_non_null(file);
    assert_true(fputs(config, file) >= 0);
    assert_int_equal(fclose(file), 0);
    (void)setenv("HOLDFAST_CONFIG", fixture->path, 1);
    assert_int_equal(args_parse(argc, fixture->argv, &fixture->args, &err), 0);
    console_init(&fixture->console, STDERR_FILENO, false);
    fixture->session = (struct session){ .args = &fixture->args,
                                         .console = &fixture->console,
                                         .clock = clock_system() };
    if (session_load(&fixture->session, &err) < 0)
        fail_msg("%s", err.msg);
}

static void end(struct fixture *fixture)
{
    session_dispose(&fixture->session);
    session_dispose(&fixture->session);
    args_dispose(&fixture->args);
    console_dispose(&fixture->console);
    log_set_sink(NULL, NULL, LOG_LEVEL_ERROR);
    assert_int_equal(unlink(fixture->path), 0);
    (void)unsetenv("HOLDFAST_CONFIG");
}

static char program[] = "holdfast", list[] = "list", app[] = "app", region[] = "--region=flag";
static const char config[] = "[store]\nregion = file\n[agent]\nlog_level = debug\n"
                             "[database:app]\npath = /data/app.db\nregion = database\n";

static const char *region_of(const struct fixture *fixture)
{
    return settings_text(&fixture->session.settings, OPTION_REGION);
}

static void lets_each_source_override_the_next(void **state)
{
    struct fixture fixture = { .argv = { program, list, app } };
    struct database database = { 0 };

    (void)state;
    (void)setenv("AWS_REGION", "aws", 1);
    start(&fixture, "", 3);
    assert_string_equal(region_of(&fixture), "aws");
    end(&fixture);

    start(&fixture, config, 3);
    assert_string_equal(region_of(&fixture), "file");
    assert_int_equal(session_find_database(&fixture.session, DATABASE_NEED_FILE, &database, NULL),
                     0);
    assert_string_equal(region_of(&fixture), "database");
    database_dispose(&database);
    end(&fixture);

    (void)setenv("HOLDFAST_REGION", "env", 1);
    start(&fixture, config, 3);
    assert_int_equal(session_find_database(&fixture.session, DATABASE_NEED_FILE, &database, NULL),
                     0);
    assert_string_equal(region_of(&fixture), "env");
    database_dispose(&database);
    end(&fixture);

    fixture.argv[3] = region;
    start(&fixture, config, 4);
    assert_string_equal(region_of(&fixture), "flag");
    end(&fixture);
    (void)unsetenv("HOLDFAST_REGION");
    (void)unsetenv("AWS_REGION");
}

static void sets_the_level_of_the_log(void **state)
{
    struct fixture fixture = { .argv = { program, list, app } };

    (void)state;
    start(&fixture, config, 3);
    assert_true(log_enabled(LOG_LEVEL_DEBUG));
    assert_false(log_enabled(LOG_LEVEL_TRACE));
    end(&fixture);
    start(&fixture, "", 3);
    assert_true(log_enabled(LOG_LEVEL_WARN));
    assert_false(log_enabled(LOG_LEVEL_INFO));
    end(&fixture);
}

static void asks_for_a_store(void **state)
{
    struct fixture fixture = { .argv = { program, list, app } };
    struct object_store *store = NULL;
    struct err err;

    (void)state;
    start(&fixture, config, 3);
    assert_int_equal(session_open_store(&fixture.session, &store, &err), ERR_CONFIG);
    assert_non_null(strstr(err.hint, "HOLDFAST_STORE"));
    assert_null(store);
    end(&fixture);
}

/* Half of what a lock needs is a mistake, and never no lock at all. */
static void a_lock_has_a_mode_and_a_time(void **state)
{
    static const struct {
        const char *config;
        int code;
        const char *words;
    } rows[] = {
        { "[store]\nurl = file:///none\nobject_lock = compliance\n", ERR_CONFIG,
          "object_lock_days is not" },
        { "[store]\nurl = file:///none\nobject_lock_days = 3\n", ERR_CONFIG, "object_lock is not" },
        { "[store]\nurl = file:///none\nobject_lock = none\nobject_lock_days = 3\n", 0, "" },
        { "[store]\nurl = file:///none\nsse = AES256\n", ERR_CONFIG, "sse: a directory" },
        { "[store]\nurl = file:///none\nsse_customer_key = k\n", ERR_CONFIG,
          "sse_customer_key: a directory" },
        { "[store]\nurl = file:///none\nsse = none\ntags = a=b\n", 0, "" },
        { "[store]\nurl = file:///none\nobject_lock = governance\nobject_lock_days = 3\n",
          ERR_CONFIG, "a directory locks nothing" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct fixture fixture = { .argv = { program, list, app } };
        struct object_store *store = NULL;
        struct err err = { 0 };

        start(&fixture, rows[i].config, 3);
        assert_int_equal(session_open_store(&fixture.session, &store, &err), rows[i].code);
        assert_non_null(strstr(err.msg, rows[i].words));
        object_store_free(store);
        end(&fixture);
    }
}

static void the_past_needs_a_time_and_versions(void **state)
{
    static char then[] = "--as-of=yesterday-ish", now[] = "--as-of=now";
    static char *const flags[] = { then, now };
    static const int codes[] = { ERR_CONFIG, ERR_UNSUPPORTED };

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct fixture fixture = { .argv = { program, list, app, flags[i] } };
        struct object_store *store = NULL;
        struct err err = { 0 };

        start(&fixture, "[store]\nurl = file:///none\n", 4);
        assert_int_equal(session_open_store(&fixture.session, &store, &err), codes[i]);
        assert_non_null(strstr(err.msg, "--as-of"));
        assert_null(store);
        end(&fixture);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lets_each_source_override_the_next),
        cmocka_unit_test(sets_the_level_of_the_log),
        cmocka_unit_test(asks_for_a_store),
        cmocka_unit_test(a_lock_has_a_mode_and_a_time),
        cmocka_unit_test(the_past_needs_a_time_and_versions),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

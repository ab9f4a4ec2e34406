/* Goal: which stores a database's backups go to is what the strongest setting says, and what makes
 * no sense is refused with its reason. */
#include "agent/store_choice.h"

#include "agent/console.h"
#include "agent/session.h"
#include "base/err.h"
#include "tests/harness/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define STORES                                                                                     \
    "[store]\nurl = file:///one\nregion = r1\naccess_key_id = k1\n"                                \
    "[store:cloud]\nurl = s3://cloud\nkeep_daily = 90\nthreads = 2\n"                              \
    "[store:local]\nurl = file:///local\n"

struct fixture {
    struct option_set args;
    struct session_sources sources;
    struct session session;
};

/* store: of the command line; NULL: none is given.  database: the first one's section counts. */
static void begin(struct fixture *fixture, const char *text, const char *store)
{
    struct err err = { 0 };

    memset(fixture, 0, sizeof(*fixture));
    fixture->session.sources = &fixture->sources;
    if (config_parse(text, strlen(text), "x.ini", &fixture->sources.config, &err) < 0)
        fail_msg("%s", err.msg);
    if (store != NULL) {
        assert_int_equal(option_set_put(&fixture->args, (struct option_name){ OPTION_URL, false },
                                        store, "--store", NULL),
                         0);
    }
    fixture->session.settings.layers[SETTINGS_ARGS] = &fixture->args;
    fixture->session.settings.layers[SETTINGS_FILE] = &fixture->sources.config.options;
    if (fixture->sources.config.database_count > 0)
        session_use_options(&fixture->session, &fixture->sources.config.databases[0].options);
}

static void end(struct fixture *fixture)
{
    config_dispose(&fixture->sources.config);
    option_set_dispose(&fixture->args);
}

/* "default cloud"; "-" for the one without a name; else the error. */
static const char *choose(const char *text, const char *store)
{
    static char out[2048];
    struct fixture fixture;
    struct store_choice choice;
    struct err err = { 0 };

    begin(&fixture, text, store);
    out[0] = '\0';
    if (store_choice_make(&fixture.session, &choice, &err) < 0) {
        assert_int_equal(err.code, ERR_CONFIG);
        (void)snprintf(out, sizeof(out), "%s; %s", err.msg, err.hint);
    } else {
        for (size_t i = 0; i < choice.count; i++) {
            (void)snprintf(out + strlen(out), sizeof(out) - strlen(out), "%s%s", i > 0 ? " " : "",
                           choice.items[i] != NULL ? choice.items[i]->name : "-");
        }
    }
    end(&fixture);
    return out;
}

static void takes_all_stores_unless_some_are_named(void **state)
{
    (void)state;
    assert_string_equal(choose("", NULL), "-");
    assert_string_equal(choose("[store]\nurl = file:///one\n", NULL), "-");
    assert_string_equal(choose(STORES, NULL), "default cloud local");
    assert_string_equal(choose("[store:b]\nurl = file:///b\n[store:a]\nurl = file:///a\n", NULL),
                        "b a");
    assert_string_equal(choose(STORES "[database:app]\npath = /a\nstores = local, cloud\n", NULL),
                        "local cloud");
    assert_string_equal(choose(STORES "[backup]\nstores = cloud\n", NULL), "cloud");
    assert_string_equal(
        choose(STORES "[backup]\nstores = cloud\n[database:app]\npath = /a\nstores = default",
               NULL),
        "default");
    assert_string_equal(choose(STORES "[database:app]\npath = /a\nurl = s3://own\n", NULL), "-");
}

static void is_told_by_a_name_or_an_address(void **state)
{
    (void)state;
    assert_string_equal(choose(STORES "[database:app]\npath = /a\nstores = local\n", "cloud"),
                        "cloud");
    assert_string_equal(choose(STORES, "default"), "default");
    assert_string_equal(choose(STORES, "s3://elsewhere"), "-");
    assert_string_equal(choose("[store]\nurl = file:///one\n", "s3://elsewhere"), "-");
}

static void refuses_what_makes_no_sense(void **state)
{
    (void)state;
    assert_non_null(strstr(choose(STORES, "clod"), "did you mean 'cloud'?"));
    assert_non_null(
        strstr(choose(STORES "[database:app]\npath = /a\nstores = cloud,tape\n", NULL), "'tape'"));
    assert_non_null(strstr(choose("[backup]\nstores = cloud\n", NULL), "no store 'cloud'"));
    assert_non_null(
        strstr(choose(STORES "[database:app]\npath = /a\nstores = local local\n", NULL), "twice"));
    assert_non_null(strstr(choose(STORES "[database:app]\npath = /a\nstores = ,\n", NULL),
                           "no store is named"));
    assert_non_null(
        strstr(choose(STORES "[database:app]\npath = /a\nurl = s3://own\nstores = local\n", NULL),
               "either url or stores"));
    assert_non_null(
        strstr(choose(STORES "[database:app]\npath = /a\nendpoint = http://x:1\n", NULL),
               "'endpoint' in the database's section does not count for the store 'cloud'"));
    assert_string_equal(
        choose(STORES "[database:app]\npath = /a\nendpoint = http://x:1\nstores = default\n", NULL),
        "default");
}

static void gives_no_store_the_keys_of_another(void **state)
{
    struct fixture fixture;
    struct session *session = &fixture.session;

    (void)state;
    begin(&fixture, STORES "[backup]\nthreads = 4\n[database:app]\npath = /a\nthreads = 3\n", NULL);
    session_use_store(session, config_find_store(&session->sources->config, "cloud"));
    assert_null(settings_text(&session->settings, OPTION_REGION));
    assert_null(settings_text(&session->settings, OPTION_ACCESS_KEY_ID));
    assert_int_equal(settings_number(&session->settings, OPTION_KEEP_DAILY, 0), 90);
    assert_int_equal(settings_number(&session->settings, OPTION_THREADS, 0), 2);
    session_use_store(session, config_find_store(&session->sources->config, "local"));
    assert_int_equal(settings_number(&session->settings, OPTION_KEEP_DAILY, 0), 0);
    assert_int_equal(settings_number(&session->settings, OPTION_THREADS, 0), 3);
    session_use_store(session, config_find_store(&session->sources->config, "default"));
    assert_string_equal(settings_text(&session->settings, OPTION_REGION), "r1");
    end(&fixture);
}

static void uses_the_first_and_says_so(void **state)
{
    struct fixture fixture;
    struct console console;
    char line[256] = "";
    int ends[2];

    (void)state;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    console_init(&console, ends[1], false);
    begin(&fixture, STORES, NULL);
    fixture.session.console = &console;
    assert_int_equal(store_choice_use_first(&fixture.session, NULL), 0);
    assert_string_equal(session_store_name(&fixture.session), "default");
    assert_true(read(ends[0], line, sizeof(line) - 1) > 0);
    assert_non_null(strstr(line, "store 'default', the first of 3"));
    end(&fixture);
    console_dispose(&console);
    (void)close(ends[0]);
    (void)close(ends[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_all_stores_unless_some_are_named),
        cmocka_unit_test(is_told_by_a_name_or_an_address),
        cmocka_unit_test(refuses_what_makes_no_sense),
        cmocka_unit_test(gives_no_store_the_keys_of_another),
        cmocka_unit_test(uses_the_first_and_says_so),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

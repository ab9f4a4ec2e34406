/* Goal: DB means what its user thinks it means, or nothing is done. */
#include "tests/harness/test.h"

#include "agent/config.h"
#include "agent/database.h"
#include "base/err.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct config make_config(const char *path)
{
    struct config config = CONFIG_INIT;
    char text[512];
    struct err err;

    (void)snprintf(text, sizeof(text),
                   "[database:app]\npath = %s\nregion = x\n[database:other]\npath = /o.db\n", path);
    if (config_parse(text, strlen(text), "x.ini", &config, &err) < 0)
        fail_msg("%s", err.msg);
    return config;
}

struct row {
    const char *argument, *name;
    enum database_need need;
    const char *wanted_name, *wanted_path; /* path: NULL when unknown */
};

static void understands_names_paths_and_both(void **state)
{
    static const struct row rows[] = {
        { "app", NULL, DATABASE_NEED_FILE, "app", "/data/app.db" },
        { "app", "prod", DATABASE_NEED_FILE, "prod", "/data/app.db" },
        { "/data/app.db", NULL, DATABASE_NEED_FILE, "app", "/data/app.db" },
        { "/else/app.db", NULL, DATABASE_NEED_FILE, "app", "/else/app.db" },
        { "./x", NULL, DATABASE_NEED_FILE, "x", "./x" },
        { "lost.sqlite3", NULL, DATABASE_NEED_TARGET, "lost", "lost.sqlite3" },
        { "lost.sqlite3", NULL, DATABASE_NEED_NAME, "lost", "lost.sqlite3" },
        { "/data/v1.2.db", NULL, DATABASE_NEED_FILE, "v1.2", "/data/v1.2.db" },
        { "elsewhere", NULL, DATABASE_NEED_NAME, "elsewhere", NULL },
        { "elsewhere", "n", DATABASE_NEED_NAME, "n", NULL },
        { "/my data/my app.db", "app", DATABASE_NEED_FILE, "app", "/my data/my app.db" },
    };
    struct config config = make_config("/data/app.db");

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct row *row = &rows[i];
        struct database database = { 0 };
        struct err err;

        if (database_resolve(&config, row->argument, row->name, row->need, &database, &err) < 0)
            fail_msg("%s: %s", row->argument, err.msg);
        assert_string_equal(database.name, row->wanted_name);
        if (row->wanted_path != NULL) {
            assert_string_equal(database.path, row->wanted_path);
        } else {
            assert_null(database.path);
        }
        database_dispose(&database);
        database_dispose(&database);
    }
    config_dispose(&config);
}

static void finds_the_section_of_a_path(void **state)
{
    char path[] = "/tmp/holdfast-test-XXXXXX";
    int fd = mkostemp(path, O_CLOEXEC);
    struct config config = make_config(path);
    struct database database = { 0 };
    char other[128];

    (void)state;
    assert_true(fd >= 0 && close(fd) == 0);
    (void)snprintf(other, sizeof(other), "/tmp/../%s", path);
    /* By name before the file is there, by the same file under another name. */
    config_dispose(&config);
    config = make_config(path);
    assert_int_equal(database_resolve(&config, other, NULL, DATABASE_NEED_FILE, &database, NULL),
                     0);
    assert_string_equal(database.name, "app");
    assert_string_equal(database.path, other);
    assert_string_equal(database.options->values[OPTION_REGION].text, "x");
    database_dispose(&database);
    assert_int_equal(unlink(path), 0);
    config_dispose(&config);
}

static void refuses_to_guess(void **state)
{
    static const struct {
        const char *argument, *name;
        enum database_need need;
        int code;
        const char *message, *hint;
    } rows[] = {
        { "othr", NULL, DATABASE_NEED_FILE, ERR_NOT_FOUND, "no database 'othr'", "'other'" },
        { "zzz", NULL, DATABASE_NEED_FILE, ERR_NOT_FOUND, "no database 'zzz'", "[database:NAME]" },
        { "zzz", NULL, DATABASE_NEED_TARGET, ERR_NOT_FOUND, "no database 'zzz'", "--output" },
        { "", NULL, DATABASE_NEED_NAME, ERR_CONFIG, "the database's name is empty", "" },
        { "/data/", NULL, DATABASE_NEED_FILE, ERR_REFUSED, "'/data/' is a directory", "file" },
        { "/a/my app.db", NULL, DATABASE_NEED_FILE, ERR_CONFIG, "'my app' cannot", "--name" },
        { "/a/.db", NULL, DATABASE_NEED_FILE, ERR_CONFIG, "'.db' cannot", "--name" },
        { "app", "../x", DATABASE_NEED_FILE, ERR_CONFIG, "'../x' cannot", "" },
        { "no such name", NULL, DATABASE_NEED_NAME, ERR_CONFIG, "'no such name' cannot", "" },
    };
    struct config config = make_config("/data/app.db");

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct database database = { 0 };
        struct err err;

        err_clear(&err);
        assert_int_equal(database_resolve(&config, rows[i].argument, rows[i].name, rows[i].need,
                                          &database, &err),
                         rows[i].code);
        if (strncmp(err.msg, rows[i].message, strlen(rows[i].message)) != 0)
            fail_msg("%s: %s", rows[i].argument, err.msg);
        if (strstr(err.hint, rows[i].hint) == NULL)
            fail_msg("%s: hint: %s", rows[i].argument, err.hint);
        assert_null(database.name);
    }
    config_dispose(&config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(understands_names_paths_and_both),
        cmocka_unit_test(finds_the_section_of_a_path),
        cmocka_unit_test(refuses_to_guess),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

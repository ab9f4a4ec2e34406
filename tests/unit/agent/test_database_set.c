/* Goal: a pattern means the databases among the files that match it, each once and under a name of
 * its own. */
#include "tests/harness/test.h"

#include "agent/config.h"
#include "agent/database_set.h"
#include "base/err.h"
#include "base/file.h"
#include "tests/harness/temp_dir.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TEXT_SIZE 1024

static const char database[] = "SQLite format 3\0and more";

static void write_file(const char *dir, const char *name, const char *content, size_t len)
{
    char *path = path_join(dir, name);
    int fd;

    assert_non_null(path);
    fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, content, len), (ssize_t)len);
    assert_int_equal(close(fd), 0);
    free(path);
}

/* A directory with databases a, b and c, and with what is none. */
static int set_up(void **state)
{
    char *dir = temp_dir_new(), *sub = NULL;

    assert_non_null(dir);
    sub = path_join(dir, "sub.db");
    assert_non_null(sub);
    assert_int_equal(mkdir(sub, 0700), 0);
    write_file(sub, "a.db", database, sizeof(database));
    free(sub);
    write_file(dir, "c.db", database, sizeof(database));
    write_file(dir, "a.db", database, sizeof(database));
    write_file(dir, "b.db", database, sizeof(database));
    write_file(dir, ".hidden.db", database, sizeof(database));
    write_file(dir, "a.db-wal", database, sizeof(database));
    write_file(dir, "empty.db", "", 0);
    write_file(dir, "short.db", database, 15);
    write_file(dir, "text.db", "SQLite format 4 is something else", 33);
    *state = dir;
    return 0;
}

static int tear_down(void **state)
{
    temp_dir_free(*state);
    return 0;
}

static struct config configure(const char *format, const char *dir)
{
    struct config config = CONFIG_INIT;
    char text[TEXT_SIZE];
    char *out = text;
    struct err err;

    for (; *format != '\0'; format++) { /* '$' is the directory */
        if (*format == '$') {
            out += snprintf(out, (size_t)(text + sizeof(text) - out), "%s", dir);
        } else {
            *out++ = *format;
        }
    }
    if (config_parse(text, (size_t)(out - text), "x.ini", &config, &err) < 0)
        fail_msg("%s", err.msg);
    return config;
}

static void assert_names(const struct database_set *set, const char *expected)
{
    char names[TEXT_SIZE] = "";

    for (size_t i = 0; i < set->count; i++) {
        const size_t len = strlen(names);

        (void)snprintf(names + len, sizeof(names) - len, "%s ", set->items[i].name);
    }
    assert_string_equal(names, expected);
}

static void means_the_databases_among_the_files(void **state)
{
    struct config config = configure("[database:all]\npath = $/*.db\nregion = x\n", *state);
    struct database_set set = DATABASE_SET_INIT;
    const char *name = "all";
    struct err err;

    for (size_t count = 0; count < 2; count++) { /* all of the configuration; by its name */
        assert_int_equal(database_set_load(&config, &name, count, &set, &err), 0);
        assert_true(set.has_patterns);
        assert_names(&set, "a b c ");
        for (size_t i = 0; i < set.count; i++)
            assert_ptr_equal(set.items[i].options, &config.databases[0].options);
        database_set_dispose(&set);
        database_set_dispose(&set);
    }
    config_dispose(&config);
}

static void leaves_a_file_to_a_section_of_its_own(void **state)
{
    struct config config =
        configure("[database:all]\npath = $/[ab].db\n[database:mine]\npath = $/b.db\n", *state);
    struct database_set set = DATABASE_SET_INIT;

    assert_int_equal(database_set_load(&config, NULL, 0, &set, NULL), 0);
    assert_names(&set, "a mine ");
    assert_ptr_equal(set.items[1].options, &config.databases[1].options);
    database_set_dispose(&set);
    config_dispose(&config);
}

static void takes_patterns_as_arguments(void **state)
{
    const struct config config = CONFIG_INIT;
    struct database_set set = DATABASE_SET_INIT;
    char *pattern = path_join(*state, "[bc].db"), *none = path_join(*state, "x*.db");
    const char *const both[] = { pattern, none };

    assert_int_equal(database_set_load(&config, both, 2, &set, NULL), 0);
    assert_names(&set, "b c ");
    database_set_dispose(&set);
    assert_int_equal(database_set_load(&config, both + 1, 1, &set, NULL), 0); /* none yet */
    assert_names(&set, "");
    assert_true(set.has_patterns);
    database_set_dispose(&set);
    free(pattern);
    free(none);
}

static void takes_a_file_that_is_called_like_a_pattern_as_what_it_is(void **state)
{
    const struct config config = CONFIG_INIT;
    struct database_set set = DATABASE_SET_INIT;
    char *path = path_join(*state, "[a].db");

    write_file(*state, "[a].db", database, sizeof(database));
    assert_false(database_is_pattern(path));
    assert_int_equal(database_set_load(&config, (const char *const *)&path, 1, &set, NULL),
                     ERR_CONFIG); /* no name in a store */
    free(path);
}

static void refuses_two_of_one_name_and_names_both(void **state)
{
    const struct config config = CONFIG_INIT;
    struct database_set set = DATABASE_SET_INIT;
    char *pattern = path_join(*state, "*.db"), *other = path_join(*state, "s*/a.db");
    const char *const both[] = { pattern, other };
    struct err err;

    assert_int_equal(database_set_load(&config, both, 2, &set, &err), ERR_CONFIG);
    assert_non_null(strstr(err.msg, "/a.db' and '"));
    assert_non_null(strstr(err.msg, "/sub.db/a.db'"));
    assert_int_equal(set.count, 0);
    free(pattern);
    free(other);
}

static void refuses_when_nothing_is_named(void **state)
{
    const struct config config = CONFIG_INIT;
    struct database_set set = DATABASE_SET_INIT;
    const char *const twice[] = { "/x/a.db", "/x/a.db" };
    struct err err;

    (void)state;
    assert_int_equal(database_set_load(&config, NULL, 0, &set, &err), ERR_CONFIG);
    assert_non_null(strstr(err.msg, "no database"));
    assert_int_equal(database_set_load(&config, twice, 2, &set, &err), ERR_CONFIG);
    assert_non_null(strstr(err.msg, "named twice"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(means_the_databases_among_the_files, set_up, tear_down),
        cmocka_unit_test_setup_teardown(leaves_a_file_to_a_section_of_its_own, set_up, tear_down),
        cmocka_unit_test_setup_teardown(takes_patterns_as_arguments, set_up, tear_down),
        cmocka_unit_test_setup_teardown(takes_a_file_that_is_called_like_a_pattern_as_what_it_is,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(refuses_two_of_one_name_and_names_both, set_up, tear_down),
        cmocka_unit_test(refuses_when_nothing_is_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

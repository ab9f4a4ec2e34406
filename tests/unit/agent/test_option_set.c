/* Goal: a setting is checked where it is given, and the right one of several wins. */
#include "tests/harness/test.h"

#include "agent/options.h"
#include "base/err.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct option_name plain(enum option_id id)
{
    return (struct option_name){ id, false };
}

static void put(struct option_set *set, enum option_id id, const char *text)
{
    struct err err;

    if (option_set_put(set, plain(id), text, "here", &err) < 0)
        fail_msg("%s", err.msg);
}

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "we");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void refuses_what_is_no_value_of_its_type(void **state)
{
    static const struct {
        enum option_id id;
        const char *text, *message;
    } rows[] = {
        { OPTION_THREADS, "0", "x.ini:3: " },
        { OPTION_THREADS, "17", "x.ini:3: " },
        { OPTION_THREADS, "two", "x.ini:3: " },
        { OPTION_COMPRESSION, "20", "x.ini:3: " },
        { OPTION_PART_SIZE, "4MiB", "x.ini:3: '4MiB' is not between 5.0 MiB and 5.0 GiB" },
        { OPTION_PART_SIZE, "6GiB", "x.ini:3: '6GiB' is not between" },
        { OPTION_PART_SIZE, "big", "x.ini:3: " },
        { OPTION_BUSY_TIMEOUT, "0s", "x.ini:3: " },
        { OPTION_BUSY_TIMEOUT, "5", "x.ini:3: " },
        { OPTION_BUSY_TIMEOUT, "2h", "x.ini:3: '2h' is not between 1 ms and 1 h 0 min" },
        { OPTION_LOG_LEVEL, "loud", "x.ini:3: 'loud' is none of: error warn info debug trace" },
        { OPTION_LOG_LEVEL, "warn info", "x.ini:3: " },
        { OPTION_ADDRESSING, "pat", "x.ini:3: " },
        { OPTION_REGION, "", "x.ini:3: has no value" },
        { OPTION_SECRET_ACCESS_KEY, "", "x.ini:3: has no value" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct option_set set = OPTION_SET_INIT;
        struct err err;

        assert_int_equal(option_set_put(&set, plain(rows[i].id), rows[i].text, "x.ini:3", &err),
                         ERR_CONFIG);
        if (strncmp(err.msg, rows[i].message, strlen(rows[i].message)) != 0)
            fail_msg("'%s': %s", rows[i].text, err.msg);
        assert_false(set.values[rows[i].id].is_set);
        option_set_dispose(&set);
    }
}

static void turns_values_into_numbers(void **state)
{
    struct option_set set = OPTION_SET_INIT;

    (void)state;
    put(&set, OPTION_THREADS, "16");
    put(&set, OPTION_PART_SIZE, "64MiB");
    put(&set, OPTION_BUSY_TIMEOUT, "1m30s");
    put(&set, OPTION_LOG_LEVEL, "trace");
    assert_int_equal(set.values[OPTION_THREADS].number, 16);
    assert_int_equal(set.values[OPTION_PART_SIZE].number, 64 << 20);
    assert_int_equal(set.values[OPTION_BUSY_TIMEOUT].number, 90000);
    assert_int_equal(set.values[OPTION_LOG_LEVEL].number, 4);
    option_set_dispose(&set);
}

static void refuses_a_second_value(void **state)
{
    struct option_set set = OPTION_SET_INIT;
    struct err err;

    (void)state;
    put(&set, OPTION_REGION, "a");
    assert_int_equal(option_set_put(&set, plain(OPTION_REGION), "b", "here", &err), ERR_CONFIG);
    assert_string_equal(err.msg, "here: given twice");
    assert_string_equal(set.values[OPTION_REGION].text, "a");
    option_set_dispose(&set);
}

static void keeps_secrets_out_of_text(void **state)
{
    struct option_set set = OPTION_SET_INIT;

    (void)state;
    put(&set, OPTION_SECRET_ACCESS_KEY, "hush");
    assert_null(set.values[OPTION_SECRET_ACCESS_KEY].text);
    assert_string_equal(set.values[OPTION_SECRET_ACCESS_KEY].secret.ptr, "hush");
    option_set_dispose(&set);
    assert_null(set.values[OPTION_SECRET_ACCESS_KEY].secret.ptr);
}

static void reads_a_value_from_the_file_that_is_named(void **state)
{
    const struct option_name secret_file = { OPTION_SECRET_ACCESS_KEY, true };
    const struct option_name threads_file = { OPTION_THREADS, true };
    char path[] = "/tmp/holdfast-test-XXXXXX";
    struct option_set set = OPTION_SET_INIT;
    struct err err;
    int fd = mkostemp(path, O_CLOEXEC);

    (void)state;
    assert_true(fd >= 0);
    write_file(path, "hush hush\r\n");
    assert_int_equal(option_set_put(&set, secret_file, path, "k", &err), 0);
    assert_string_equal(set.values[OPTION_SECRET_ACCESS_KEY].secret.ptr, "hush hush");

    write_file(path, "many\n");
    assert_int_equal(option_set_put(&set, threads_file, path, "x.ini:3: threads_file", &err),
                     ERR_CONFIG);
    assert_non_null(strstr(err.msg, path));
    write_file(path, "\n");
    assert_int_equal(option_set_put(&set, threads_file, path, "k", &err), ERR_CONFIG);
    assert_non_null(strstr(err.msg, "has no value"));

    assert_int_equal(unlink(path), 0);
    assert_int_equal(option_set_put(&set, threads_file, path, "k", &err), ERR_CONFIG);
    assert_int_equal(close(fd), 0);
    option_set_dispose(&set);
}

static void loads_the_environment_and_its_files(void **state)
{
    char path[] = "/tmp/holdfast-test-XXXXXX";
    struct option_set set = OPTION_SET_INIT;
    struct err err;
    int fd = mkostemp(path, O_CLOEXEC);

    (void)state;
    assert_true(fd >= 0 && close(fd) == 0);
    write_file(path, "hush\n");
    (void)setenv("HOLDFAST_STORE", "file:///b", 1);
    (void)setenv("HOLDFAST_REGION", "", 1);
    (void)setenv("HOLDFAST_SECRET_ACCESS_KEY_FILE", path, 1);
    assert_int_equal(option_set_load_env(&set, &err), 0);
    assert_string_equal(set.values[OPTION_URL].text, "file:///b");
    assert_false(set.values[OPTION_REGION].is_set);
    assert_string_equal(set.values[OPTION_SECRET_ACCESS_KEY].secret.ptr, "hush");
    option_set_dispose(&set);

    (void)setenv("HOLDFAST_SECRET_ACCESS_KEY", "both", 1);
    assert_int_equal(option_set_load_env(&set, &err), ERR_CONFIG);
    assert_string_equal(err.msg, "HOLDFAST_SECRET_ACCESS_KEY_FILE: given twice");
    option_set_dispose(&set);
    (void)unsetenv("HOLDFAST_SECRET_ACCESS_KEY");
    (void)unsetenv("HOLDFAST_SECRET_ACCESS_KEY_FILE");

    (void)setenv("HOLDFAST_THREADS", "x", 1);
    assert_int_equal(option_set_load_env(&set, &err), ERR_CONFIG);
    assert_int_equal(strncmp(err.msg, "HOLDFAST_THREADS: ", 18), 0);
    option_set_dispose(&set);
    (void)unsetenv("HOLDFAST_THREADS");
    (void)unsetenv("HOLDFAST_STORE");
    assert_int_equal(unlink(path), 0);
}

static void takes_the_first_of_aws_variables(void **state)
{
    struct option_set set = OPTION_SET_INIT;

    (void)state;
    (void)setenv("AWS_DEFAULT_REGION", "eu-west-1", 1);
    (void)setenv("AWS_REGION", "eu-central-1", 1);
    assert_int_equal(option_set_load_aws_env(&set, NULL), 0);
    assert_string_equal(set.values[OPTION_REGION].text, "eu-central-1");
    option_set_dispose(&set);
    (void)unsetenv("AWS_REGION");
    (void)unsetenv("AWS_DEFAULT_REGION");
}

static void lets_the_strongest_layer_win(void **state)
{
    struct option_set sets[SETTINGS_LAYER_COUNT] = { OPTION_SET_INIT };
    struct settings settings = { { 0 } };

    (void)state;
    assert_null(settings_text(&settings, OPTION_REGION));
    assert_int_equal(settings_number(&settings, OPTION_THREADS, 7), 7);
    for (size_t i = SETTINGS_LAYER_COUNT; i > 0; i--) { /* from the weakest up */
        char text[] = { (char)('a' + i), '\0' };

        if (i == 3)
            continue; /* a layer that is not there */
        put(&sets[i - 1], OPTION_REGION, text);
        settings.layers[i - 1] = &sets[i - 1];
        assert_string_equal(settings_text(&settings, OPTION_REGION), text);
    }
    put(&sets[4], OPTION_SECRET_ACCESS_KEY, "s");
    assert_string_equal(settings_secret(&settings, OPTION_SECRET_ACCESS_KEY)->ptr, "s");
    assert_null(settings_secret(&settings, OPTION_SESSION_TOKEN));
    for (size_t i = 0; i < SETTINGS_LAYER_COUNT; i++)
        option_set_dispose(&sets[i]);
}

static void yes_and_no_have_other_names(void **state)
{
    static const struct {
        const char *text;
        uint64_t number;
    } rows[] = { { "yes", 1 }, { "true", 1 },  { "on", 1 },  { "1", 1 }, { "True", 1 },
                 { "no", 0 },  { "false", 0 }, { "off", 0 }, { "0", 0 } };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct option_set set = OPTION_SET_INIT;

        assert_int_equal(
            option_set_put(&set, plain(OPTION_REQUESTER_PAYS), rows[i].text, "x.ini:3", NULL), 0);
        assert_int_equal(set.values[OPTION_REQUESTER_PAYS].number, rows[i].number);
        assert_int_equal(option_set_put(&set, plain(OPTION_LOG_LEVEL), rows[i].text, "x", NULL),
                         ERR_CONFIG);
        option_set_dispose(&set);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(yes_and_no_have_other_names),
        cmocka_unit_test(refuses_what_is_no_value_of_its_type),
        cmocka_unit_test(turns_values_into_numbers),
        cmocka_unit_test(refuses_a_second_value),
        cmocka_unit_test(keeps_secrets_out_of_text),
        cmocka_unit_test(reads_a_value_from_the_file_that_is_named),
        cmocka_unit_test(loads_the_environment_and_its_files),
        cmocka_unit_test(takes_the_first_of_aws_variables),
        cmocka_unit_test(lets_the_strongest_layer_win),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

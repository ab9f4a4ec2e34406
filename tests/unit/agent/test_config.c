/* Goal: a configuration file is understood, or refused with its line and what was meant. */
#include "tests/harness/test.h"

#include "agent/config.h"
#include "base/err.h"
#include "base/log.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int parse(const char *text, struct config *config, struct err *err)
{
    return config_parse(text, strlen(text), "x.ini", config, err);
}

static const char *text_of(const struct option_set *set, enum option_id id)
{
    return set->values[id].text;
}

static void reads_sections_databases_and_overrides(void **state)
{
    static const char text[] = "\xef\xbb\xbf; a comment\n"
                               "[store]\r\n"
                               "url = s3://backups/prod ; where\n"
                               "  endpoint: http://minio:9000\n"
                               "\tregion=eu-central-1\n"
                               "\n"
                               "[backup]\n"
                               "threads = 2\n"
                               "# another\n"
                               "[database:app]\n"
                               "path = /data/app.db\n"
                               "[database:other]\n"
                               "url  = file:///backups\n"
                               "path = /data/o.db\n"
                               "[agent]\n"
                               "log_level = debug";
    struct config config = CONFIG_INIT;
    const struct config_database *other;
    struct err err;

    (void)state;
    if (parse(text, &config, &err) < 0)
        fail_msg("%s", err.msg);
    assert_string_equal(config.file, "x.ini");
    assert_string_equal(text_of(&config.options, OPTION_URL), "s3://backups/prod");
    assert_string_equal(text_of(&config.options, OPTION_ENDPOINT), "http://minio:9000");
    assert_string_equal(text_of(&config.options, OPTION_REGION), "eu-central-1");
    assert_int_equal(config.options.values[OPTION_THREADS].number, 2);
    assert_int_equal(config.options.values[OPTION_LOG_LEVEL].number, LOG_LEVEL_DEBUG);
    assert_int_equal(config.database_count, 2);
    assert_string_equal(config_find_database(&config, "app")->path, "/data/app.db");
    other = config_find_database(&config, "other");
    assert_string_equal(text_of(&other->options, OPTION_URL), "file:///backups");
    assert_int_equal(other->line, 12);
    assert_null(config_find_database(&config, "ap"));
    config_dispose(&config);
    config_dispose(&config);
}

static void accepts_an_empty_file(void **state)
{
    struct config config = CONFIG_INIT;

    (void)state;
    assert_int_equal(parse("", &config, NULL), 0);
    config_dispose(&config);
    assert_int_equal(parse("\n\n;\n", &config, NULL), 0);
    config_dispose(&config);
}

struct mistake {
    const char *text, *message, *hint; /* hint: a part of it; NULL: any */
};

static const struct mistake mistakes[] = {
    { "[store]\nulr = x\n", "x.ini:2: no key 'ulr' in [store]", "did you mean 'url'?" },
    { "[stroe]\n", "x.ini:1: no section [stroe]", "did you mean 'store'?" },
    { "[zebra]\n", "x.ini:1: no section [zebra]", "[database:NAME]" },
    { "[database app]\n", "x.ini:1: no section [database app]", "[database:NAME]" },
    { "[agent]\n\nurl = x\n", "x.ini:3: no key 'url' in [agent]", "belongs to [store]" },
    { "[database:a]\nstate_dir = /x\n", "x.ini:2: no key 'state_dir' in [database:a]",
      "belongs to [agent]" },
    { "[database:a]\npaht = /x\n", "x.ini:2: no key 'paht' in [database:a]",
      "did you mean 'path'?" },
    { "[database:a]\ncron = @daily\n", "x.ini:2: no key 'cron' in [database:a]", "'verify_cron'" },
    { "[store]\nverify_cron = @daily\n", "x.ini:2: no key 'verify_cron' in [store]", NULL },
    { "[store]\nzzzzz = x\n", "x.ini:2: no key 'zzzzz' in [store]", "holdfast.ini(5)" },
    { "url = x\n", "x.ini:1: 'url' stands before the first section", "[store]" },
    { "[store]\nurl\n", "x.ini:2: neither '[section]' nor 'key = value'", NULL },
    { "[store\nurl = x\n", "x.ini:1: neither '[section]' nor 'key = value'", NULL },
    { "[store]\nnonsense\nulr = x\n", "x.ini:2: neither '[section]' nor 'key = value'", NULL },
    { "[store]\nurl = a\nurl = b\n", "x.ini:3: url: given twice", NULL },
    { "[store]\nurl =\n", "x.ini:2: url: has no value", NULL },
    { "[backup]\nthreads = lots\n", "x.ini:2: threads: ", NULL },
    { "[store]\nca_file = rel.pem\n", "x.ini:2: ca_file: 'rel.pem' is not absolute", NULL },
    { "[store]\nsecret_access_key_file = s\n",
      "x.ini:2: secret_access_key_file: 's' is not absolute", NULL },
    { "[store]\nsecret_access_key_file = /nonexistent/s\n",
      "x.ini:2: secret_access_key_file: read the value from '/nonexistent/s'", NULL },
    { "[store]\n\n[database:a]\n", "x.ini:3: database 'a' has no path", NULL },
    { "[database:a]\npath = a.db\n", "x.ini:2: path: 'a.db' is not absolute", NULL },
    { "[database:a]\npath = /a\npath = /b\n", "x.ini:3: path: given twice", NULL },
    { "[database:a]\npath = /a\n[database:a]\n", "x.ini:3: database 'a' has a section already",
      NULL },
    { "[database:]\npath = /a\n", "x.ini:1: ", NULL },
    { "[database:a/b]\npath = /a\n", "x.ini:1: 'a/b' cannot be the name", NULL },
    { "[database:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa]\n",
      "x.ini:1: a section's name has at most 49 characters", NULL },
};

static void names_the_line_and_what_was_meant(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(mistakes) / sizeof(mistakes[0]); i++) {
        const struct mistake *row = &mistakes[i];
        struct config config = CONFIG_INIT;
        struct err err;

        assert_int_equal(parse(row->text, &config, &err), ERR_CONFIG);
        if (strncmp(err.msg, row->message, strlen(row->message)) != 0)
            fail_msg("'%s' gives '%s'", row->text, err.msg);
        if (row->hint != NULL && strstr(err.hint, row->hint) == NULL)
            fail_msg("'%s' hints '%s'", row->text, err.hint);
        assert_null(config.file);
        assert_int_equal(parse(row->text, &config, NULL), ERR_CONFIG); /* without a detail */
    }
}

static void refuses_a_line_that_inih_would_cut(void **state)
{
    struct config config = CONFIG_INIT;
    char text[600] = "[store]\nurl = ";
    struct err err;

    (void)state;
    memset(text + strlen(text), 'x', 300);
    assert_int_equal(parse(text, &config, &err), ERR_CONFIG);
    assert_int_equal(strncmp(err.msg, "x.ini:2: longer than ", 21), 0);
    assert_non_null(strstr(err.hint, "KEY_file"));
}

static void takes_the_longest_line_that_it_allows(void **state)
{
    struct config config = CONFIG_INIT;
    char text[600] = "[store]\nurl = ";

    (void)state;
    memset(text + strlen(text), 'x', 198 - strlen("url = "));
    assert_int_equal(parse(text, &config, NULL), 0);
    assert_int_equal(strlen(text_of(&config.options, OPTION_URL)), 198 - strlen("url = "));
    config_dispose(&config);
    text[strlen(text)] = 'x'; /* and not one more */
    assert_int_equal(parse(text, &config, NULL), ERR_CONFIG);
}

static void refuses_what_is_not_text(void **state)
{
    static const char text[] = "[store]\nurl = a\0b\n";
    struct config config = CONFIG_INIT;
    struct err err;

    (void)state;
    assert_int_equal(config_parse(text, sizeof(text) - 1, "x.ini", &config, &err), ERR_CONFIG);
    assert_string_equal(err.msg, "x.ini:2: this is not text");
}

static void count_warning(void *context, enum log_level level, const char *line)
{
    (void)line;
    if (level == LOG_LEVEL_WARN)
        ++*(int *)context;
}

/* With this content and mode: how many warnings reading it gives. */
static int warnings_of(const char *path, const char *text, mode_t mode)
{
    struct config config = CONFIG_INIT;
    FILE *file = fopen(path, "we");
    int warnings = 0;

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(path, mode), 0);
    log_set_sink(count_warning, &warnings, LOG_LEVEL_WARN);
    assert_int_equal(config_load(path, &config, NULL), 0);
    log_set_sink(NULL, NULL, LOG_LEVEL_ERROR);
    config_dispose(&config);
    return warnings;
}

static void warns_of_a_secret_that_all_can_read(void **state)
{
    static const char secret[] = "[store]\nsecret_access_key = hush\n";
    static const char in_database[] = "[database:a]\npath=/a\nsession_token = hush\n";
    char path[] = "/tmp/holdfast-test-XXXXXX";
    int fd = mkostemp(path, O_CLOEXEC);

    (void)state;
    assert_true(fd >= 0 && close(fd) == 0);
    assert_int_equal(warnings_of(path, secret, 0644), 1);
    assert_int_equal(warnings_of(path, in_database, 0644), 1);
    assert_int_equal(warnings_of(path, secret, 0640), 0);
    assert_int_equal(warnings_of(path, "[store]\nregion = x\n", 0644), 0);
    assert_int_equal(unlink(path), 0);
}

static void looks_where_it_is_told(void **state)
{
    struct config config = CONFIG_INIT;
    struct err err;

    (void)state;
    assert_int_equal(config_load("/nonexistent/a.ini", &config, &err), ERR_CONFIG);
    assert_non_null(strstr(err.msg, "/nonexistent/a.ini"));
    (void)setenv("HOLDFAST_CONFIG", "/nonexistent/b.ini", 1);
    assert_int_equal(config_load(NULL, &config, &err), ERR_CONFIG);
    assert_non_null(strstr(err.msg, "/nonexistent/b.ini"));
    (void)setenv("HOLDFAST_CONFIG", "/dev/null", 1);
    assert_int_equal(config_load(NULL, &config, &err), 0);
    assert_string_equal(config.file, "/dev/null");
    config_dispose(&config);
    (void)unsetenv("HOLDFAST_CONFIG");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_sections_databases_and_overrides),
        cmocka_unit_test(accepts_an_empty_file),
        cmocka_unit_test(names_the_line_and_what_was_meant),
        cmocka_unit_test(refuses_a_line_that_inih_would_cut),
        cmocka_unit_test(takes_the_longest_line_that_it_allows),
        cmocka_unit_test(refuses_what_is_not_text),
        cmocka_unit_test(warns_of_a_secret_that_all_can_read),
        cmocka_unit_test(looks_where_it_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

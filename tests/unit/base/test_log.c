/* Goal: lines reach the sink when their level is wanted, whole and one at a time. */
#include "base/log.h"

#include <stdio.h>
#include <string.h>

#include "tests/harness/test.h"

struct seen {
    int count;
    enum log_level level;
    char line[4096];
};

static void remember(void *context, enum log_level level, const char *line)
{
    struct seen *seen = context;

    seen->count++;
    seen->level = level;
    (void)snprintf(seen->line, sizeof(seen->line), "%s", line);
}

static void levels_below_the_wanted_one_are_dropped(void **state)
{
    struct seen seen = { 0 };

    (void)state;
    log_set_sink(remember, &seen, LOG_LEVEL_INFO);
    log_debug("not seen");
    assert_int_equal(seen.count, 0);
    assert_false(log_enabled(LOG_LEVEL_DEBUG));
    log_warn("%d of %d", 1, 2);
    assert_int_equal(seen.count, 1);
    assert_int_equal(seen.level, LOG_LEVEL_WARN);
    assert_string_equal(seen.line, "1 of 2");
    log_set_sink(NULL, NULL, LOG_LEVEL_TRACE);
    log_warn("to nobody");
    assert_int_equal(seen.count, 1);
}

static void long_lines_are_cut_and_not_lost(void **state)
{
    struct seen seen = { 0 };
    char text[4000];

    (void)state;
    memset(text, 'x', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    log_set_sink(remember, &seen, LOG_LEVEL_ERROR);
    log_printf(LOG_LEVEL_ERROR, "%s", text);
    assert_int_equal(seen.count, 1);
    assert_true(strlen(seen.line) > 1000);
    log_set_sink(NULL, NULL, LOG_LEVEL_ERROR);
}

static void names_and_levels_go_both_ways(void **state)
{
    enum log_level level;

    (void)state;
    for (int i = LOG_LEVEL_ERROR; i <= LOG_LEVEL_TRACE; i++) {
        assert_true(log_level_parse(log_level_name((enum log_level)i), &level));
        assert_int_equal(level, i);
    }
    assert_false(log_level_parse("loud", &level));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(levels_below_the_wanted_one_are_dropped),
        cmocka_unit_test(long_lines_are_cut_and_not_lost),
        cmocka_unit_test(names_and_levels_go_both_ways),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

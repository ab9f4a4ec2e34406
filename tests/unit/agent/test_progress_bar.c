/* Goal: one line tells how far it is, how fast, and for how long still, in the room there is. */
#include "tests/harness/test.h"

#include "agent/console.h"
#include "agent/progress_bar.h"
#include "agent/text.h"
#include "base/err.h"

#include <fcntl.h>
#include <pty.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define MIB (UINT64_C(1) << 20)

static void says_how_far_how_fast_and_how_long(void **state)
{
    static const struct {
        struct progress_view view;
        const char *wanted;
    } rows[] = {
        { { "backup 'app'", PROGRESS_READ, 512 * MIB, 1024 * MIB, 128.0 * (1 << 20), 4000 },
          "backup 'app': reading    [===============>              ]   50%  512.0 MiB of 1.0 GiB"
          "  128.0 MiB/s  4.0 s left" },
        { { "backup 'app'", PROGRESS_UPLOAD, 5 * MIB, 0, 1.0 * (1 << 20), 4000 },
          "backup 'app': uploading  5.0 MiB  1.0 MiB/s" },
        { { "restore 'app'", PROGRESS_CHECK, 0, 0, 0, 7400 }, "restore 'app': checking   7.0 s" },
        { { "restore 'app'", PROGRESS_PUBLISH, 1, 4 * MIB, 0, 0 },
          "restore 'app': writing    [>                             ]    0%  1 B of 4.0 MiB" },
        /* More than was foretold: the database grew. */
        { { "backup 'app'", PROGRESS_READ, 3 * MIB, 2 * MIB, 1.0 * (1 << 20), 4000 },
          "backup 'app': reading    [==============================]  100%  2.0 MiB of 2.0 MiB"
          "  1.0 MiB/s  1 s left" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char line[PROGRESS_LINE_SIZE];

        progress_line_format(&rows[i].view, 160, line);
        assert_string_equal(line, rows[i].wanted);
    }
}

static void fits_into_any_width(void **state)
{
    const struct progress_view view = {
        "backup 'ünïcode'", PROGRESS_READ, 512 * MIB, 1024 * MIB, 128.0 * (1 << 20), 4000,
    };
    char line[PROGRESS_LINE_SIZE];

    (void)state;
    for (size_t width = 1; width < 200; width++) {
        progress_line_format(&view, width, line);
        assert_true(text_width(line) < width);
    }
    progress_line_format(&view, 70, line);
    assert_non_null(strstr(line, "50%")); /* the last thing to go */
}

static void shows_reading_until_all_is_read(void **state)
{
    (void)state;
    assert_int_equal(progress_phase_choose(PROGRESS_READ, PROGRESS_UPLOAD, false), PROGRESS_READ);
    assert_int_equal(progress_phase_choose(PROGRESS_READ, PROGRESS_UPLOAD, true), PROGRESS_UPLOAD);
    assert_int_equal(progress_phase_choose(PROGRESS_UPLOAD, PROGRESS_READ, true), PROGRESS_READ);
    assert_int_equal(progress_phase_choose(PROGRESS_FETCH, PROGRESS_CHECK, true), PROGRESS_CHECK);
}

static void wait_ms(long ms)
{
    const struct timespec time = { ms / 1000, ms % 1000 * 1000000 };

    (void)nanosleep(&time, NULL);
}

/* What a terminal shows of an operation that lasts so long. */
static void run_for(long ms, char shown[8192])
{
    struct console console;
    struct progress_bar *bar = NULL;
    int user, terminal;
    size_t shown_len = 0;
    ssize_t len;

    (void)setenv("TERM", "xterm", 1);
    assert_int_equal(openpty(&user, &terminal, NULL, NULL, NULL), 0);
    assert_int_equal(fcntl(user, F_SETFL, O_NONBLOCK), 0);
    console_init(&console, terminal, false);
    assert_int_equal(progress_bar_start(&console, "backup 'app'", &bar, NULL), 0);
    progress_update(progress_bar_progress(bar), PROGRESS_READ, MIB, 4 * MIB);
    wait_ms(ms);
    progress_bar_stop(bar);
    while ((len = read(user, shown + shown_len, 8191 - shown_len)) > 0)
        shown_len += (size_t)len;
    shown[shown_len] = '\0';
    console_dispose(&console);
    assert_int_equal(close(terminal), 0);
    assert_int_equal(close(user), 0);
}

static void shows_long_operations_and_leaves_nothing_behind(void **state)
{
    static const char erase[] = "\r\x1b[K";
    char shown[8192];

    (void)state;
    run_for(1500, shown);
    assert_non_null(strstr(shown, "backup 'app': reading"));
    assert_non_null(strstr(shown, "25%"));
    assert_string_equal(shown + strlen(shown) - strlen(erase), erase);
}

static void shows_nothing_of_short_ones(void **state)
{
    char shown[8192];

    (void)state;
    run_for(300, shown);
    assert_string_equal(shown, "");
}

static void needs_no_terminal(void **state)
{
    struct console console;
    struct progress_bar *bar = NULL;
    int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);

    (void)state;
    assert_true(fd >= 0);
    console_init(&console, fd, false);
    assert_int_equal(progress_bar_start(&console, "backup 'app'", &bar, NULL), 0);
    assert_null(bar);
    assert_null(progress_bar_progress(bar));
    progress_bar_stop(bar);
    console_dispose(&console);
    assert_int_equal(close(fd), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(says_how_far_how_fast_and_how_long),
        cmocka_unit_test(fits_into_any_width),
        cmocka_unit_test(shows_reading_until_all_is_read),
        cmocka_unit_test(shows_long_operations_and_leaves_nothing_behind),
        cmocka_unit_test(shows_nothing_of_short_ones),
        cmocka_unit_test(needs_no_terminal),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

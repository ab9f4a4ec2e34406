/* Goal: each message is one whole line whatever it holds, and only a terminal sees colour. */
#include "tests/harness/test.h"

#include "agent/console.h"
#include "base/err.h"

#include <fcntl.h>
#include <pty.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define OUTPUT_SIZE 8192

struct pipe_pair {
    int read_fd, write_fd;
};

static struct pipe_pair open_pipe(void)
{
    int fds[2];

    assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
    return (struct pipe_pair){ fds[0], fds[1] };
}

static struct pipe_pair open_terminal(void)
{
    struct pipe_pair pair;
    struct winsize size = { .ws_row = 24, .ws_col = 100 };

    (void)setenv("TERM", "xterm", 1);
    assert_int_equal(openpty(&pair.read_fd, &pair.write_fd, NULL, NULL, &size), 0);
    assert_int_equal(fcntl(pair.read_fd, F_SETFL, O_NONBLOCK), 0);
    return pair;
}

static void close_pair(struct pipe_pair pair)
{
    assert_int_equal(close(pair.read_fd), 0);
    assert_int_equal(close(pair.write_fd), 0);
}

/* What has been written so far. */
static const char *take(struct pipe_pair pair)
{
    static char text[OUTPUT_SIZE];
    ssize_t len = read(pair.read_fd, text, sizeof(text) - 1);

    text[len > 0 ? len : 0] = '\0';
    return text;
}

static void escapes_what_messages_quote(void **state)
{
    struct pipe_pair pair = open_pipe();
    struct console console;
    struct err err;

    (void)state;
    console_init(&console, pair.write_fd, false);
    console_log(&console, LOG_LEVEL_WARN, "odd\nname");
    assert_string_equal(take(pair), "holdfast: warning: odd\\nname\n");
    console_log(&console, LOG_LEVEL_DEBUG, "GET");
    assert_string_equal(take(pair), "holdfast: debug: GET\n");
    (void)err_set(&err, ERR_IO, "open 'a\x1b[2J'");
    console_error(&console, &err);
    assert_string_equal(take(pair), "holdfast: error: open 'a\\x1b[2J'\n");
    err_hint(&err, "look");
    console_error(&console, &err);
    assert_string_equal(take(pair), "holdfast: error: open 'a\\x1b[2J'\nhint: look\n");
    console_dispose(&console);
    close_pair(pair);
}

static void writes_json_lines_when_asked(void **state)
{
    struct pipe_pair pair = open_pipe();
    struct console console;
    struct err err;

    (void)state;
    console_init(&console, pair.write_fd, true);
    console_log(&console, LOG_LEVEL_WARN, "a\n\"b\" \xff");
    assert_string_equal(take(pair),
                        "{\"log\":{\"level\":\"warn\",\"message\":\"a\\\\n\\\"b\\\" \\\\xff\"}}\n");
    (void)err_set(&err, ERR_NOT_FOUND, "no 'x'");
    console_error(&console, &err);
    assert_string_equal(take(pair), "{\"error\":{\"code\":\"not_found\",\"exit_status\":10,"
                                    "\"message\":\"no 'x'\",\"hint\":null}}\n");
    err_hint(&err, "look");
    console_error(&console, &err);
    assert_non_null(strstr(take(pair), "\"hint\":\"look\"}}\n"));
    console_dispose(&console);
    close_pair(pair);
}

static void draws_nothing_on_what_is_no_terminal(void **state)
{
    struct pipe_pair pair = open_pipe();
    struct console console;

    (void)state;
    console_init(&console, pair.write_fd, false);
    console_status(&console, "50%");
    console_status_clear(&console);
    console_dispose(&console);
    assert_string_equal(take(pair), "");
    close_pair(pair);
}

static void colours_on_a_terminal(void **state)
{
    struct pipe_pair pair = open_terminal();
    struct console console;
    struct err err;

    (void)state;
    (void)unsetenv("NO_COLOR");
    console_init(&console, pair.write_fd, false);
    (void)err_set(&err, ERR_IO, "bad");
    console_error(&console, &err);
    assert_string_equal(take(pair), "holdfast: \x1b[1;31merror:\x1b[0m bad\r\n");
    console_dispose(&console);
    close_pair(pair);
}

static void erases_the_status_before_a_message(void **state)
{
    struct pipe_pair pair = open_terminal();
    struct console console;

    (void)state;
    (void)unsetenv("NO_COLOR");
    console_init(&console, pair.write_fd, false);
    console_status(&console, "50%");
    assert_string_equal(take(pair), "\r\x1b[K50%");
    console_log(&console, LOG_LEVEL_INFO, "note");
    assert_string_equal(take(pair), "\r\x1b[Kholdfast: info: note\r\n");
    console_log(&console, LOG_LEVEL_INFO, "note");
    assert_string_equal(take(pair), "holdfast: info: note\r\n");
    console_status(&console, "60%");
    (void)take(pair);
    console_dispose(&console);
    assert_string_equal(take(pair), "\r\x1b[K");
    close_pair(pair);
}

static void is_plain_when_asked_to_be(void **state)
{
    struct pipe_pair pair = open_terminal();
    struct console console;

    (void)state;
    (void)setenv("NO_COLOR", "1", 1);
    console_init(&console, pair.write_fd, false);
    assert_false(console.live);
    console_dispose(&console);
    (void)setenv("NO_COLOR", "", 1); /* no-color.org: when present and not empty */
    console_init(&console, pair.write_fd, false);
    assert_true(console.live);
    console_dispose(&console);
    (void)unsetenv("NO_COLOR");
    console_init(&console, pair.write_fd, true);
    assert_false(console.live);
    console_dispose(&console);
    (void)setenv("TERM", "dumb", 1);
    console_init(&console, pair.write_fd, false);
    assert_false(console.live);
    console_dispose(&console);
    close_pair(pair);
}

static void measures_a_terminal_and_nothing_else(void **state)
{
    struct pipe_pair terminal = open_terminal(), other = open_pipe();

    (void)state;
    assert_int_equal(terminal_width(terminal.write_fd, 7), 100);
    assert_int_equal(terminal_width(other.write_fd, 7), 7);
    close_pair(terminal);
    close_pair(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(escapes_what_messages_quote),
        cmocka_unit_test(writes_json_lines_when_asked),
        cmocka_unit_test(draws_nothing_on_what_is_no_terminal),
        cmocka_unit_test(colours_on_a_terminal),
        cmocka_unit_test(erases_the_status_before_a_message),
        cmocka_unit_test(is_plain_when_asked_to_be),
        cmocka_unit_test(measures_a_terminal_and_nothing_else),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Goal: only a yes on a terminal is a yes. */
#include "tests/harness/test.h"

#include "agent/console.h"
#include "agent/prompt.h"
#include "base/cancel.h"
#include "base/err.h"

#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void knows_a_yes(void **state)
{
    static const char *const yes[] = { "y\n", "Y\n", "yes\n", "YES\r\n", " y \n", "y" };
    static const char *const no[] = { "",     "\n",     "n\n",   "no\n", "yep\n",
                                      "ye\n", "yess\n", "y n\n", "ja\n", "1\n" };

    (void)state;
    for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++)
        assert_true(prompt_is_yes(yes[i]));
    for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++)
        assert_false(prompt_is_yes(no[i]));
}

/* A terminal on which `typed` has been typed already: what the answer was, and what was shown. */
static int ask(const char *typed, const struct cancel *cancel, char shown[512], struct err *err)
{
    struct console console;
    int user, terminal, r;
    size_t shown_len = 0;
    ssize_t len;

    assert_int_equal(openpty(&user, &terminal, NULL, NULL, NULL), 0);
    assert_true(write(user, typed, strlen(typed)) == (ssize_t)strlen(typed));
    console_init(&console, terminal, false);
    r = prompt_confirm(&console, terminal, "Overwrite 'a\nb'?", cancel, err);
    /* The kernel hands it over in pieces and in its own time: up to the answer's place, or until
     * nothing more comes. */
    do {
        struct pollfd ready = { .fd = user, .events = POLLIN };

        len = poll(&ready, 1, 2000) > 0 ? read(user, shown + shown_len, 511 - shown_len) : 0;
        shown_len += len > 0 ? (size_t)len : 0;
        shown[shown_len] = '\0';
    } while (len > 0 && strstr(shown, "[y/N] ") == NULL);
    console_dispose(&console);
    assert_int_equal(close(terminal), 0);
    assert_int_equal(close(user), 0);
    return r;
}

static void goes_on_after_a_yes_only(void **state)
{
    char shown[512];
    struct err err;

    (void)state;
    assert_int_equal(ask("yes\n", NULL, shown, &err), 0);
    assert_non_null(strstr(shown, "Overwrite 'a\\nb'? [y/N] "));
    assert_int_equal(ask("\n", NULL, shown, &err), ERR_REFUSED);
    assert_string_equal(err.msg, "not confirmed: nothing was done");
    assert_int_equal(ask("n\n", NULL, shown, &err), ERR_REFUSED);
    assert_int_equal(ask("\004", NULL, shown, &err), ERR_REFUSED); /* Ctrl-D */
}

static void does_not_ask_where_nobody_is(void **state)
{
    struct console console;
    int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    struct err err;

    (void)state;
    assert_true(fd >= 0);
    console_init(&console, fd, false);
    assert_int_equal(prompt_confirm(&console, fd, "Sure?", NULL, &err), ERR_REFUSED);
    assert_non_null(strstr(err.hint, "--yes"));
    console_dispose(&console);
    assert_int_equal(close(fd), 0);
}

static void ends_when_it_is_canceled(void **state)
{
    struct cancel cancel = CANCEL_INIT;
    char shown[512];
    struct err err;

    (void)state;
    cancel_set(&cancel, SIGINT);
    assert_int_equal(ask("", &cancel, shown, &err), ERR_CANCELED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(knows_a_yes),
        cmocka_unit_test(goes_on_after_a_yes_only),
        cmocka_unit_test(does_not_ask_where_nobody_is),
        cmocka_unit_test(ends_when_it_is_canceled),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

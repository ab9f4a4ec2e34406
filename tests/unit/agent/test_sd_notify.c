/* Goal: systemd is told in its own words, as often as it wants to hear; without it nothing happens.
 */
#include "tests/harness/test.h"

#include "agent/sd_notify.h"
#include "tests/harness/fake_clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct fake_clock fake;
static int service_manager = -1; /* what it hears */

static void listen_as(const char *name, size_t len)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };

    memcpy(address.sun_path, name, len);
    service_manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_true(service_manager >= 0);
    assert_int_equal(bind(service_manager, (struct sockaddr *)&address,
                          (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)),
                     0);
}

static void hear(const char *expected)
{
    char text[512];
    ssize_t len = recv(service_manager, text, sizeof(text) - 1, 0);

    text[len > 0 ? len : 0] = '\0';
    assert_string_equal(text, expected);
}

static int set_up(void **state)
{
    char name[64];

    (void)state;
    fake_clock_init(&fake, 1000);
    /* An abstract name: no file, and gone with the socket. */
    (void)snprintf(name, sizeof(name), "@holdfast-test-%ld", (long)getpid());
    (void)setenv("NOTIFY_SOCKET", name, 1);
    (void)unsetenv("WATCHDOG_USEC");
    (void)unsetenv("WATCHDOG_PID");
    name[0] = '\0';
    listen_as(name, 1 + strlen(name + 1));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    (void)unsetenv("NOTIFY_SOCKET");
    return close(service_manager);
}

static void says_what_is_happening(void **state)
{
    struct sd_notify notify;
    char expected[64];

    (void)state;
    sd_notify_open(&notify, &fake.clock);
    sd_notify_ready(&notify, "3 databases");
    hear("READY=1\nSTATUS=3 databases");
    (void)snprintf(expected, sizeof(expected), "RELOADING=1\nMONOTONIC_USEC=%lld",
                   (long long)clock_mono_ms(&fake.clock) * 1000);
    sd_notify_reloading(&notify);
    hear(expected);
    sd_notify_status(&notify, "4 databases");
    hear("STATUS=4 databases");
    sd_notify_stopping(&notify, "stopping");
    hear("STOPPING=1\nSTATUS=stopping");
    sd_notify_alive(&notify); /* nobody waits for it */
    hear("");
    assert_int_equal(sd_notify_wait_ms(&notify, 30000), 30000);
    sd_notify_close(&notify);
    sd_notify_ready(&notify, "closed");
    hear("");
}

static void gives_signs_of_life_twice_as_often_as_they_are_waited_for(void **state)
{
    struct sd_notify notify;

    (void)state;
    (void)setenv("WATCHDOG_USEC", "20000000", 1);
    sd_notify_open(&notify, &fake.clock);
    sd_notify_alive(&notify);
    hear("WATCHDOG=1");
    assert_int_equal(sd_notify_wait_ms(&notify, 30000), 10000);
    assert_int_equal(sd_notify_wait_ms(&notify, 200), 200);
    fake.now_ms += 9999;
    sd_notify_alive(&notify);
    hear("");
    fake.now_ms += 1;
    assert_int_equal(sd_notify_wait_ms(&notify, 30000), 1);
    sd_notify_alive(&notify);
    hear("WATCHDOG=1");
    sd_notify_close(&notify);
}

static void leaves_a_watchdog_of_another_process_alone(void **state)
{
    static const char *const rows[][2] = {
        { "20000000", "1" }, { "0", NULL }, { "soon", NULL }, { "20000000", "x" }
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct sd_notify notify;

        (void)setenv("WATCHDOG_USEC", rows[i][0], 1);
        if (rows[i][1] != NULL) {
            (void)setenv("WATCHDOG_PID", rows[i][1], 1);
        } else {
            (void)unsetenv("WATCHDOG_PID");
        }
        sd_notify_open(&notify, &fake.clock);
        assert_int_equal(notify.watchdog_ms, 0);
        sd_notify_close(&notify);
    }
}

static void does_nothing_where_nobody_listens(void **state)
{
    static const char *const addresses[] = {
        "", "relative", "/", "@", "/nonexistent/socket", "vsock:2:1234"
    };

    (void)state;
    for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
        struct sd_notify notify;

        (void)setenv("NOTIFY_SOCKET", addresses[i], 1);
        sd_notify_open(&notify, &fake.clock);
        sd_notify_ready(&notify, "x");
        sd_notify_alive(&notify);
        sd_notify_close(&notify);
        hear("");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(says_what_is_happening, set_up, tear_down),
        cmocka_unit_test_setup_teardown(gives_signs_of_life_twice_as_often_as_they_are_waited_for,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(leaves_a_watchdog_of_another_process_alone, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(does_nothing_where_nobody_listens, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

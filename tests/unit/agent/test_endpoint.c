/* Goal: it answers GET and HEAD and nothing else, says why it cannot begin, and ends with requests
 * open.  What it answers is tested with the real agent. */
#include "agent/endpoint.h"

#include "agent/watch.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/parse.h"
#include "tests/harness/test.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static char logged[1024];
static unsigned warnings;

static void keep_line(void *context, enum log_level level, const char *line)
{
    (void)context;
    warnings += level == LOG_LEVEL_WARN;
    if (level == LOG_LEVEL_INFO)
        (void)snprintf(logged, sizeof(logged), "%s", line);
}

struct fixture {
    struct watch *watch;
    struct endpoint *endpoint;
    char port[8];
};

static void begin(struct fixture *fixture, const char *where)
{
    const char *colon;

    warnings = 0;
    log_set_sink(keep_line, NULL, LOG_LEVEL_INFO);
    fixture->watch = watch_new(clock_system(), true);
    assert_non_null(fixture->watch);
    assert_int_equal(endpoint_start(where, fixture->watch, &fixture->endpoint, NULL), 0);
    colon = strrchr(logged, ':');
    assert_non_null(colon);
    (void)snprintf(fixture->port, sizeof(fixture->port), "%.*s", (int)strcspn(colon + 1, "/"),
                   colon + 1);
}

static void end(struct fixture *fixture)
{
    endpoint_stop(fixture->endpoint);
    watch_free(fixture->watch);
    log_set_sink(NULL, NULL, LOG_LEVEL_ERROR);
}

static int dial(const struct fixture *fixture)
{
    uint64_t port = 0;
    const int r = parse_u64(fixture->port, 1, 65535, &port, NULL);
    const struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)port),
        .sin_addr = { htonl(INADDR_LOOPBACK) },
    };
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(r, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

/* The whole answer: it ends with the connection. */
static void ask(const struct fixture *fixture, const char *request, char *answer, size_t size)
{
    const int fd = dial(fixture);
    size_t len = 0;
    ssize_t got;

    assert_int_equal(write(fd, request, strlen(request)), (ssize_t)strlen(request));
    while ((got = read(fd, answer + len, size - 1 - len)) > 0)
        len += (size_t)got;
    answer[len] = '\0';
    (void)close(fd);
}

static void answers_what_it_is_asked(void **state)
{
    static const struct {
        const char *request, *wanted;
    } cases[] = {
        { "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n", "HTTP/1.1 200 " },
        { "GET /livez HTTP/1.0\r\n\r\n", "200 " },
        { "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", "HTTP/1.1 200 " },
        { "GET /metrics?x=y HTTP/1.1\r\nHost: localhost\r\n\r\n", "HTTP/1.1 200 " },
        { "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", "HTTP/1.1 200 " },
        { "GET /etc/passwd HTTP/1.1\r\nHost: localhost\r\n\r\n", "HTTP/1.1 404 " },
        { "GET /../metrics HTTP/1.1\r\nHost: localhost\r\n\r\n", "HTTP/1.1 404 " },
        { "GET /metrics HTTP/1.1\r\nHost: evil.example\r\n\r\n", "HTTP/1.1 421 " },
        { "POST /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\nx",
          "HTTP/1.1 405 " },
        { "DELETE / HTTP/1.1\r\nHost: localhost\r\n\r\n", "HTTP/1.1 405 " },
        { "nonsense\r\n\r\n", "" },
    };
    struct fixture fixture;
    char answer[65536];

    (void)state;
    begin(&fixture, "0");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        print_message("%s", cases[i].request);
        ask(&fixture, cases[i].request, answer, sizeof(answer));
        assert_non_null(strstr(answer, cases[i].wanted));
    }
    assert_int_equal(warnings, 0);
    end(&fixture);
}

static void a_head_has_no_body_and_all_answers_forbid_everything(void **state)
{
    struct fixture fixture;
    char answer[65536];

    (void)state;
    begin(&fixture, "0");
    ask(&fixture, "HEAD /livez HTTP/1.1\r\nHost: localhost\r\n\r\n", answer, sizeof(answer));
    assert_non_null(strstr(answer, "Content-Length: 3\r\n"));
    assert_non_null(strstr(answer, "Content-Security-Policy: default-src 'none'"));
    assert_non_null(strstr(answer, "X-Content-Type-Options: nosniff\r\n"));
    assert_string_equal(answer + strlen(answer) - 4, "\r\n\r\n");
    end(&fixture);
}

static void ends_with_requests_open(void **state)
{
    struct fixture fixture;
    int fds[24]; /* more than it serves at a time, no more than may wait */

    (void)state;
    begin(&fixture, "0");
    for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
        fds[i] = dial(&fixture);
        (void)!write(fds[i], "GET /", 5);
    }
    end(&fixture);
    for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
        (void)close(fds[i]);
}

static void a_port_that_is_in_use_is_said_to_be(void **state)
{
    struct endpoint *second = NULL;
    struct fixture fixture;
    struct err err = { 0 };

    (void)state;
    begin(&fixture, "0");
    assert_int_equal(endpoint_start(fixture.port, fixture.watch, &second, &err), ERR_IO);
    assert_non_null(strstr(err.msg, fixture.port));
    assert_non_null(strstr(err.msg, "in use"));
    assert_non_null(strstr(err.hint, "--listen"));
    assert_null(second);
    assert_int_equal(endpoint_start("nowhere", fixture.watch, &second, &err), ERR_CONFIG);
    end(&fixture);
}

static void more_than_this_machine_is_warned_of(void **state)
{
    struct fixture fixture;
    char answer[65536];

    (void)state;
    begin(&fixture, "0.0.0.0:0");
    assert_int_equal(warnings, 1);
    ask(&fixture, "GET /livez HTTP/1.1\r\nHost: backup.example\r\n\r\n", answer, sizeof(answer));
    assert_non_null(strstr(answer, "HTTP/1.1 200 "));
    end(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_what_it_is_asked),
        cmocka_unit_test(a_head_has_no_body_and_all_answers_forbid_everything),
        cmocka_unit_test(ends_with_requests_open),
        cmocka_unit_test(a_port_that_is_in_use_is_said_to_be),
        cmocka_unit_test(more_than_this_machine_is_warned_of),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Goal: what is to be told arrives when it can, is tried again when that may help, takes no longer
 * than it may, and its address is in no message. */
#include "agent/delivery.h"

#include "base/cancel.h"
#include "base/clock.h"
#include "base/err.h"
#include "tests/harness/fake_transport.h"
#include "tests/harness/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define URL "https://user:word@hc.example:8443/ping/token-1?x=token-2"

static int deliver(struct fake_transport *fake, struct err *err)
{
    const struct delivery_options options = { .url = URL,
                                              .content_type = "text/plain",
                                              .body = "it failed",
                                              .body_len = 9,
                                              .transport = &fake->transport };
    struct delivery *delivery = NULL;

    assert_int_equal(delivery_begin(&options, &delivery, err), 0);
    return delivery_end(delivery, 10000, NULL, err);
}

static void posts_what_it_is_given(void **state)
{
    static const struct fake_reply replies[] = { FAKE_REPLY(200, NULL, "OK") };
    struct fake_transport fake;

    (void)state;
    fake_transport_init(&fake, replies, 1);
    assert_int_equal(deliver(&fake, NULL), 0);
    assert_int_equal(fake.request_count, 1);
    assert_int_equal(fake.requests[0].method, HTTP_POST);
    assert_string_equal(fake.requests[0].url.ptr, URL);
    assert_string_equal(fake.requests[0].body.ptr, "it failed");
    assert_string_equal(fake_request_header(&fake, 0, "Content-Type"), "text/plain");
    fake_transport_dispose(&fake);
}

struct outcome {
    const char *name;
    struct fake_reply replies[DELIVERY_ATTEMPTS_MAX];
    size_t requests;
    int code;
    const char *message;
};

static const struct outcome outcomes[] = {
    { "created", { FAKE_REPLY(201, NULL, NULL) }, 1, 0, NULL },
    { "a server that comes round",
      { FAKE_REPLY(503, NULL, NULL), FAKE_REPLY(429, NULL, NULL), FAKE_REPLY(200, NULL, NULL) },
      3,
      0,
      NULL },
    { "a connection that breaks",
      { { .code = ERR_NET }, { .status = 200, .code = ERR_NET }, FAKE_REPLY(200, NULL, NULL) },
      3,
      0,
      NULL },
    { "a server that stays down",
      { FAKE_REPLY(500, NULL, NULL), FAKE_REPLY(502, NULL, NULL), FAKE_REPLY(504, NULL, NULL) },
      3,
      ERR_SERVER,
      "'hc.example:8443': HTTP 504" },
    { "an address that nobody knows",
      { FAKE_REPLY(404, NULL, NULL) },
      1,
      ERR_DENIED,
      "'hc.example:8443': HTTP 404" },
    { "another place",
      { FAKE_REPLY(301, NULL, NULL) },
      1,
      ERR_DENIED,
      "'hc.example:8443': HTTP 301" },
};

static void tries_again_what_may_help(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(outcomes) / sizeof(outcomes[0]); i++) {
        const struct outcome *row = &outcomes[i];
        struct fake_transport fake;
        struct err err = { 0 };

        print_message("%s\n", row->name);
        fake_transport_init(&fake, row->replies, row->requests);
        assert_int_equal(deliver(&fake, &err), row->code);
        assert_int_equal(fake.request_count, row->requests);
        if (row->message != NULL)
            assert_string_equal(err.msg, row->message);
        assert_null(strstr(err.msg, "token"));
        assert_null(strstr(err.msg, "word"));
        fake_transport_dispose(&fake);
    }
}

static void an_answer_without_end_is_an_answer(void **state)
{
    char *body = malloc(200001);
    struct fake_reply reply = { .status = 200, .body = body };
    struct fake_transport fake;

    (void)state;
    assert_non_null(body);
    memset(body, 'x', 200000);
    body[200000] = '\0';
    fake_transport_init(&fake, &reply, 1);
    assert_int_equal(deliver(&fake, NULL), 0);
    fake_transport_dispose(&fake);
    free(body);
}

/* Of a server that says nothing for as long as anybody wants to listen. */
static int never_answer(struct http_transport *transport, const struct http_request *request,
                        struct http_response *response, struct err *err)
{
    (void)transport;
    (void)response;
    while (!cancel_is_set(request->cancel))
        clock_sleep_ms(clock_system(), 5, NULL);
    return cancel_check(request->cancel, err);
}

static void stops_when_nobody_waits_any_longer(void **state)
{
    static const struct http_transport_ops ops = { never_answer, NULL };
    struct http_transport silent = { &ops };
    const struct delivery_options options = { .url = URL, .transport = &silent };
    const int64_t begin_ms = clock_mono_ms(clock_system());
    struct delivery *delivery = NULL;
    struct err err = { 0 };

    (void)state;
    assert_int_equal(delivery_begin(&options, &delivery, NULL), 0);
    assert_int_equal(delivery_end(delivery, 200, NULL, &err), ERR_TIMEOUT);
    assert_true(clock_mono_ms(clock_system()) - begin_ms < 3000);
    assert_string_equal(err.msg, "'hc.example:8443': no answer in time");
    assert_int_equal(delivery_end(NULL, 200, NULL, &err), 0);
}

static void hurries_when_the_program_is_to_stop(void **state)
{
    static const struct http_transport_ops ops = { never_answer, NULL };
    struct http_transport silent = { &ops };
    const struct delivery_options options = { .url = URL, .transport = &silent };
    const int64_t begin_ms = clock_mono_ms(clock_system());
    struct cancel stop = CANCEL_INIT;
    struct delivery *delivery = NULL;

    (void)state;
    cancel_set(&stop, 0);
    assert_int_equal(delivery_begin(&options, &delivery, NULL), 0);
    assert_int_equal(delivery_end(delivery, 60000, &stop, NULL), ERR_TIMEOUT);
    assert_true(clock_mono_ms(clock_system()) - begin_ms < 20000);
}

static void refuses_what_is_no_address_and_does_not_quote_it(void **state)
{
    static const char *const good[] = { "https://hc-ping.com/token", "http://127.0.0.1:1/x?y=z#a",
                                        "https://u:p@host" };
    static const char *const bad[] = {
        "hc-ping.com/token",         "ftp://host/token",     "https:///token",
        "https://u:token@/x",        "https://host/a token", "https://host/token\n",
        "https://host/token\xc3\xa4"
    };
    char *longer = malloc(DELIVERY_ADDRESS_LEN_MAX + 100);
    struct err err = { 0 };

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        assert_int_equal(delivery_check_url(good[i], NULL), 0);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        print_message("%s\n", bad[i]);
        assert_int_equal(delivery_check_url(bad[i], &err), ERR_CONFIG);
        assert_null(strstr(err.msg, "token"));
    }
    assert_non_null(longer);
    memset(longer, 'x', DELIVERY_ADDRESS_LEN_MAX + 99);
    longer[DELIVERY_ADDRESS_LEN_MAX + 99] = '\0';
    memcpy(longer, "http://", 7);
    assert_int_equal(delivery_check_url(longer, &err), ERR_CONFIG);
    free(longer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(posts_what_it_is_given),
        cmocka_unit_test(tries_again_what_may_help),
        cmocka_unit_test(an_answer_without_end_is_an_answer),
        cmocka_unit_test(stops_when_nobody_waits_any_longer),
        cmocka_unit_test(hurries_when_the_program_is_to_stop),
        cmocka_unit_test(refuses_what_is_no_address_and_does_not_quote_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

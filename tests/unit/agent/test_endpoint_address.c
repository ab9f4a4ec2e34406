/* Goal: where to listen is read as it is meant, and only this machine's own names pass for it. */
#include "agent/endpoint_address.h"

#include "base/err.h"
#include "tests/harness/test.h"

static void is_read_as_it_is_meant(void **state)
{
    static const struct {
        const char *text, *wanted;
        bool is_loopback;
    } cases[] = {
        { "9187", "127.0.0.1:9187", true },
        { "0", "127.0.0.1:0", true },
        { "localhost:9187", "127.0.0.1:9187", true },
        { "127.0.0.1:80", "127.0.0.1:80", true },
        { "127.8.9.10:80", "127.8.9.10:80", true },
        { "[::1]:65535", "[::1]:65535", true },
        { "0.0.0.0:9187", "0.0.0.0:9187", false },
        { "[::]:9187", "[::]:9187", false },
        { "192.0.2.7:9187", "192.0.2.7:9187", false },
        { "[2001:db8::1]:9187", "[2001:db8::1]:9187", false },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[ENDPOINT_ADDRESS_SIZE];
        struct endpoint_address address;

        print_message("%s\n", cases[i].text);
        assert_int_equal(endpoint_address_parse(cases[i].text, &address, NULL), 0);
        endpoint_address_format(&address.address, text);
        assert_string_equal(text, cases[i].wanted);
        assert_int_equal(address.is_loopback, cases[i].is_loopback);
    }
}

static void what_is_none_is_refused_with_examples(void **state)
{
    static const char *const cases[] = {
        "",
        "x",
        "65536",
        "-1",
        "127.0.0.1",
        ":9187",
        "127.0.0.1:",
        "127.0.0.1:x",
        "::1:9187",
        "[::1]",
        "[::1]9",
        "[::1:9187",
        "[127.0.0.1]:1",
        "[]:9187",
        "example.com:9187",
        "1.2.3:4",
        "localhost",
        "127.0.0.1:1:2",
        "*:9187",
        "9187 ",
        "111111111111111111111111111111111111111111111111111111111111111111111:1",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct endpoint_address address;
        struct err err = { 0 };

        print_message("'%s'\n", cases[i]);
        assert_int_equal(endpoint_address_parse(cases[i], &address, &err), ERR_CONFIG);
        assert_true(err.hint[0] != '\0');
    }
}

static void only_the_machines_own_names_are_local(void **state)
{
    static const char *const local[] = { "localhost",      "localhost:9187", "LocalHost:1",
                                         "127.0.0.1:9187", "127.0.0.1",      "127.3.4.5:1",
                                         "[::1]:9187",     "[::1]" };
    static const char *const strange[] = {
        "",
        "example.com",
        "example.com:9187",
        "localhost.example.com",
        "192.0.2.1:9187",
        "[2001:db8::1]:9187",
        "127.0.0.1.example.com",
        "[::1",
        "111111111111111111111111111111111111111111111111111111111111111111111",
        "111111111111111111111111111111111111111111111111111111111111111111111:1",
    };

    (void)state;
    assert_true(endpoint_host_is_local(NULL));
    for (size_t i = 0; i < sizeof(local) / sizeof(local[0]); i++) {
        print_message("%s\n", local[i]);
        assert_true(endpoint_host_is_local(local[i]));
    }
    for (size_t i = 0; i < sizeof(strange) / sizeof(strange[0]); i++) {
        print_message("'%s'\n", strange[i]);
        assert_false(endpoint_host_is_local(strange[i]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_read_as_it_is_meant),
        cmocka_unit_test(what_is_none_is_refused_with_examples),
        cmocka_unit_test(only_the_machines_own_names_are_local),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

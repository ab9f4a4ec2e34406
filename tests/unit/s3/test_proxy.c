/* Goal: a request goes through the proxy that is meant for it, and through none where none is
 * meant; a proxy's password is never shown. */
#include "tests/harness/test.h"

#include "s3/proxy.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"

static const char *const variables[] = {
    "https_proxy", "HTTPS_PROXY", "http_proxy", "HTTP_PROXY",     "all_proxy",
    "ALL_PROXY",   "no_proxy",    "NO_PROXY",   "REQUEST_METHOD",
};

static int no_variables(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++)
        (void)unsetenv(variables[i]); /* NOLINT(concurrency-mt-unsafe): one thread */
    return 0;
}

static void set(const char *name, const char *value)
{
    assert_int_equal(setenv(name, value, 1), 0); /* NOLINT(concurrency-mt-unsafe): one thread */
}

static void check(const char *setting, const char *url, const char *proxy, const char *from)
{
    const struct http_proxy found = http_proxy_choose(setting, url);

    assert_string_equal(found.url != NULL ? found.url : "", proxy);
    assert_string_equal(found.from != NULL ? found.from : "", from);
}

static void the_setting_counts_before_the_variables_of_the_scheme(void **state)
{
    (void)state;
    check(NULL, "https://s3.test", "", "");
    set("ALL_PROXY", "all:1");
    check(NULL, "https://s3.test", "all:1", "ALL_PROXY");
    set("all_proxy", "all:2");
    check(NULL, "http://s3.test", "all:2", "all_proxy");
    set("HTTP_PROXY", "plain:1");
    set("HTTPS_PROXY", "tls:1");
    check(NULL, "http://s3.test", "plain:1", "HTTP_PROXY");
    check(NULL, "HTTPS://s3.test", "tls:1", "HTTPS_PROXY");
    set("http_proxy", "plain:2");
    set("https_proxy", "tls:2");
    check("", "http://s3.test", "plain:2", "http_proxy");
    check("", "https://s3.test", "tls:2", "https_proxy");
    check("mine:3", "https://s3.test", "mine:3", "the setting");
    check("none", "https://s3.test", "", "the setting");
}

/* There "Proxy: evil" of a client's becomes HTTP_PROXY. */
static void capitals_do_not_count_in_a_cgi_program(void **state)
{
    (void)state;
    set("HTTP_PROXY", "plain:1");
    set("REQUEST_METHOD", "GET");
    check(NULL, "http://s3.test", "", "");
    set("http_proxy", "plain:2");
    check(NULL, "http://s3.test", "plain:2", "http_proxy");
}

static void exempt_hosts_are_reached_without_whoever_names_the_proxy(void **state)
{
    (void)state;
    set("https_proxy", "tls:2");
    set("NO_PROXY", "other.test,s3.test");
    check(NULL, "https://s3.test:9000/bucket", "", "NO_PROXY");
    check("mine:3", "https://a.s3.test", "", "NO_PROXY");
    check(NULL, "https://as3.test", "tls:2", "https_proxy");
    set("no_proxy", "::1");
    check(NULL, "https://s3.test", "tls:2", "https_proxy");
    check(NULL, "https://[::1]:9000/", "", "no_proxy");
}

static const struct {
    const char *list, *host;
    bool is_exempt;
} exempt[] = {
    { "", "a.test", false },
    { "*", "a.test", true },
    { "b.test, \ta.test", "a.test", true },
    { "A.Test", "a.tESt", true },
    { ".a.test", "a.test", true },
    { ".a.test", "x.y.a.test", true },
    { "*.a.test", "x.a.test", true },
    { "a.test", "xa.test", false },
    { "a.test", "test", false },
    { ".", "a.test", false },
    { ",,", "a.test", false },
    { "10.0.0.0/8", "10.255.0.1", true },
    { "10.0.0.0/8", "11.0.0.1", false },
    { "10.1.2.0/23", "10.1.3.9", true },
    { "10.1.2.0/23", "10.1.4.9", false },
    { "10.1.2.3/32", "10.1.2.3", true },
    { "10.1.2.3/33", "10.1.2.3", false },
    { "0.0.0.0/0", "8.8.8.8", true },
    { "0.0.0.0/0", "a.test", false },
    { "127.0.0.1", "127.0.0.1", true },
    { "127.0.0.1", "127.0.0.10", false },
    { "fd00::/8", "fd12::1", true },
    { "fd00::/8", "fe80::1", false },
    { "[::1]", "::1", true },
    { "0:0:0::1", "::1", true },
    { "::/0", "10.0.0.1", false },
};

static void a_list_names_hosts_domains_addresses_and_networks(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(exempt) / sizeof(exempt[0]); i++) {
        if (http_proxy_is_exempt(exempt[i].list, exempt[i].host) != exempt[i].is_exempt)
            fail_msg("'%s' in '%s'", exempt[i].host, exempt[i].list);
    }
}

static void shows_neither_user_nor_password(void **state)
{
    static const char *const urls[] = {
        "http://me:hunter2@proxy:3128",  "me:hunter2@proxy:3128/",
        "http://proxy:3128/path?q",      "http://me:a@hunter2@proxy:3128",
        "http://me:hunter2/@proxy:3128",
    };
    char shown[HTTP_PROXY_TEXT_SIZE];

    (void)state;
    for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
        http_proxy_show(urls[i], shown);
        assert_string_equal(shown, "proxy:3128");
    }
}

static void what_can_be_no_proxy_is_refused_and_not_repeated(void **state)
{
    static const char *const good[] = { "http://proxy:3128", "proxy", "HTTPS://u:p@proxy",
                                        "socks5h://[::1]:1080", "socks4a://proxy" };
    static const char *const bad[] = { "ftp://u:hunter2@proxy", "http://", "http://u:hunter2@",
                                       "http:///hunter2", "http://proxy:1 hunter2" };
    struct err err = { 0 };

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        assert_int_equal(http_proxy_check(good[i], NULL), 0);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        err_clear(&err);
        assert_int_equal(http_proxy_check(bad[i], &err), ERR_CONFIG);
        assert_null(strstr(err.msg, "hunter2"));
        assert_non_null(strstr(err.hint, "http://host:3128"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(the_setting_counts_before_the_variables_of_the_scheme, no_variables),
        cmocka_unit_test_setup(capitals_do_not_count_in_a_cgi_program, no_variables),
        cmocka_unit_test_setup(exempt_hosts_are_reached_without_whoever_names_the_proxy,
                               no_variables),
        cmocka_unit_test(a_list_names_hosts_domains_addresses_and_networks),
        cmocka_unit_test(shows_neither_user_nor_password),
        cmocka_unit_test(what_can_be_no_proxy_is_refused_and_not_repeated),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

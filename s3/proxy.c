#include "s3/proxy.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <arpa/inet.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/parse.h"
#include "s3/credentials.h"

#define HOST_SIZE 256

/* "[::1]:9000" and "host:9000" of a URL, without the port and the brackets. */
static void host_of(const char *url, char host[HOST_SIZE])
{
    const char *begin = strstr(url, "://");
    size_t len;

    begin = begin != NULL ? begin + 3 : url;
    len = strcspn(begin, "/?#");
    if (begin[0] == '[') {
        begin++;
        len = strcspn(begin, "]");
    } else {
        const char *colon = memchr(begin, ':', len);

        if (colon != NULL)
            len = (size_t)(colon - begin);
    }
    (void)snprintf(host, HOST_SIZE, "%.*s", (int)len, begin);
}

static bool same_bits(const unsigned char *a, const unsigned char *b, uint64_t count)
{
    const size_t whole = (size_t)(count / 8);
    const unsigned rest = (unsigned)(count % 8);

    if (memcmp(a, b, whole) != 0)
        return false;
    return rest == 0 || (a[whole] ^ b[whole]) >> (8 - rest) == 0;
}

/* entry is an address or a network ("10.0.0.0/8"), host an address. */
static bool is_in_network(const char *entry, const char *host)
{
    static const int families[] = { AF_INET, AF_INET6 };
    const char *slash = strchr(entry, '/');
    char address[HOST_SIZE];

    (void)snprintf(address, sizeof(address), "%.*s",
                   slash != NULL ? (int)(slash - entry) : (int)strlen(entry), entry);
    for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
        const uint64_t bits_max = families[i] == AF_INET ? 32 : 128;
        unsigned char a[16], b[16];
        uint64_t bits = bits_max;

        if (inet_pton(families[i], address, a) != 1 || inet_pton(families[i], host, b) != 1)
            continue;
        if (slash != NULL && parse_u64(slash + 1, 0, bits_max, &bits, NULL) < 0)
            return false;
        return same_bits(a, b, bits);
    }
    return false;
}

/* "b.test", ".b.test" and "*.b.test" are that host and all below it. */
static bool is_in_domain(const char *entry, const char *host)
{
    size_t entry_len, host_len = strlen(host);

    if (entry[0] == '*')
        entry++;
    if (entry[0] == '.')
        entry++;
    entry_len = strlen(entry);
    if (entry_len == 0 || entry_len > host_len ||
        strcasecmp(host + host_len - entry_len, entry) != 0)
        return false;
    return entry_len == host_len || host[host_len - entry_len - 1] == '.';
}

/* "[::1]" is ::1. */
static void strip_brackets(char *entry)
{
    const size_t len = strlen(entry);

    if (len >= 2 && entry[0] == '[' && entry[len - 1] == ']') {
        memmove(entry, entry + 1, len - 2);
        entry[len - 2] = '\0';
    }
}

bool http_proxy_is_exempt(const char *list, const char *host)
{
    static const char between[] = ", \t";

    for (const char *at = list + strspn(list, between); *at != '\0'; at += strspn(at, between)) {
        const size_t len = strcspn(at, between);
        char entry[HOST_SIZE];

        (void)snprintf(entry, sizeof(entry), "%.*s", (int)len, at);
        at += len;
        strip_brackets(entry);
        if (strcmp(entry, "*") == 0 || is_in_network(entry, host) || is_in_domain(entry, host))
            return true;
    }
    return false;
}

/* The first of the variables that is set. */
static const char *first_of(const char *const *names, size_t count, const char **ret_name)
{
    for (size_t i = 0; i < count; i++) {
        const char *value = s3_env(names[i]);

        if (value == NULL || (strcmp(names[i], "HTTP_PROXY") == 0 && s3_env("REQUEST_METHOD")))
            continue;
        *ret_name = names[i];
        return value;
    }
    return NULL;
}

struct http_proxy http_proxy_choose(const char *setting, const char *url)
{
    static const char *const tls[] = { "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY" };
    static const char *const plain[] = { "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY" };
    static const char *const exempt[] = { "no_proxy", "NO_PROXY" };
    struct http_proxy proxy = { NULL, NULL };
    const char *list, *list_from = NULL;
    char host[HOST_SIZE];

    if (setting != NULL && setting[0] != '\0') {
        proxy = (struct http_proxy){ setting, "the setting" };
        if (strcmp(setting, HTTP_PROXY_NONE) == 0)
            proxy.url = NULL;
    } else {
        proxy.url = first_of(strncasecmp(url, "https:", 6) == 0 ? tls : plain, 4, &proxy.from);
    }
    list = first_of(exempt, 2, &list_from);
    if (proxy.url == NULL || list == NULL)
        return proxy;
    host_of(url, host);
    return http_proxy_is_exempt(list, host) ? (struct http_proxy){ NULL, list_from } : proxy;
}

/* What follows "http://user:password@". */
static const char *after_user(const char *url)
{
    const char *begin = strstr(url, "://"), *at;
    size_t len;

    begin = begin != NULL ? begin + 3 : url;
    len = strcspn(begin, "/?#");
    at = memrchr(begin, '@', len);
    if (at == NULL && (at = strrchr(begin, '@')) != NULL)
        return at + 1; /* a slash in the password */
    return at != NULL ? at + 1 : begin;
}

void http_proxy_show(const char *url, char out[HTTP_PROXY_TEXT_SIZE])
{
    const char *host = after_user(url);

    (void)snprintf(out, HTTP_PROXY_TEXT_SIZE, "%.*s", (int)strcspn(host, "/?#"), host);
}

int http_proxy_check(const char *text, struct err *err)
{
    static const char *const schemes[] = { "http://",    "https://",  "socks5://",
                                           "socks5h://", "socks4://", "socks4a://" };
    bool is_known = strstr(text, "://") == NULL;
    const char *host = after_user(text);
    const size_t len = strcspn(host, "/?#");

    for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
        if (strncasecmp(text, schemes[i], strlen(schemes[i])) == 0)
            is_known = true;
    }
    if (is_known && len > 0 && strspn(host, "/?#") == 0 && strcspn(text, " \t\r\n") == strlen(text))
        return 0;
    (void)err_set(err, ERR_CONFIG,
                  is_known ? "proxy: it names no host" : "proxy: no proxy has that scheme");
    err_hint(err, "write it as http://host:3128, or http://user:password@host:3128; or none");
    return ERR_CONFIG;
}

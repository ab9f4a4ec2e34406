/*
 * proxy.h - which proxy a request goes through, if any: a setting, or what the environment says.
 *
 * The setting counts before https_proxy or http_proxy, by the scheme of the URL, and those before
 * all_proxy; in small letters before capitals.  HTTP_PROXY is not looked at in a CGI program, where
 * a client could set it with a header.  no_proxy counts for all of them: hosts, domains, addresses
 * and networks that are reached without.
 *
 * Source: curl.se/docs/manpage.html#ENVIRONMENT; httpoxy.org
 */
#ifndef S3_PROXY_H
#define S3_PROXY_H

#include <stdbool.h>

struct err;

#define HTTP_PROXY_NONE      "none" /* as a setting: whatever the environment says */
#define HTTP_PROXY_TEXT_SIZE 320

struct http_proxy {
    const char *url;  /* NULL: none.  May hold a password: never to be shown */
    const char *from; /* who says so: "the setting", "HTTPS_PROXY", "NO_PROXY"; NULL: nobody */
};

/* For a request to url.  setting may be NULL; borrowed, as the environment is. */
struct http_proxy http_proxy_choose(const char *setting, const char *url);

/* ERR_CONFIG when text can be no proxy; the message does not repeat it. */
int http_proxy_check(const char *text, struct err *err);

/* "host:3128", without a name and a password. */
void http_proxy_show(const char *url, char out[HTTP_PROXY_TEXT_SIZE]);

/* Whether the list, as in no_proxy, has the host: "a.test, .b.test 10.0.0.0/8", or "*". */
bool http_proxy_is_exempt(const char *list, const char *host);

#endif

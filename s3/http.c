#include "s3/http.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <openssl/crypto.h>

#include "base/err.h"

const char *http_method_name(enum http_method method)
{
    static const char *const names[] = { "GET", "HEAD", "PUT", "POST", "DELETE" };

    return names[method];
}

static bool has_control(const char *text)
{
    for (; *text != '\0'; text++) {
        if (((unsigned char)*text < 0x20 && *text != '\t') || *text == 0x7f)
            return true;
    }
    return false;
}

int http_headers_add(struct http_headers *headers, const char *name, const char *value,
                     struct err *err)
{
    struct http_header item = { NULL, NULL }, *items;

    if (has_control(name) || has_control(value))
        return err_set(err, ERR_CONFIG, "header '%s' would hold a control character", name);
    if (headers->count == HTTP_HEADER_COUNT_MAX)
        return err_set(err, ERR_LIMIT, "more than %d headers", HTTP_HEADER_COUNT_MAX);
    items = realloc(headers->items, (headers->count + 1) * sizeof(*items));
    if (items == NULL)
        return err_nomem(err);
    headers->items = items;
    item.name = strdup(name);
    item.value = strdup(value);
    if (item.name == NULL || item.value == NULL) {
        free(item.name);
        free(item.value);
        return err_nomem(err);
    }
    items[headers->count++] = item;
    return 0;
}

const char *http_headers_get(const struct http_headers *headers, const char *name)
{
    for (size_t i = 0; i < headers->count; i++) {
        if (strcasecmp(headers->items[i].name, name) == 0)
            return headers->items[i].value;
    }
    return NULL;
}

void http_headers_dispose(struct http_headers *headers)
{
    for (size_t i = 0; i < headers->count; i++) {
        OPENSSL_cleanse(headers->items[i].value, strlen(headers->items[i].value));
        free(headers->items[i].name);
        free(headers->items[i].value);
    }
    free(headers->items);
    *headers = (struct http_headers)HTTP_HEADERS_INIT;
}

void http_response_dispose(struct http_response *response)
{
    http_headers_dispose(&response->headers);
    response->status = 0;
    response->certificate_ends_ms = 0;
}

void http_transport_free(struct http_transport *transport)
{
    if (transport != NULL)
        transport->ops->free(transport);
}

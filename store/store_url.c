#include "store/store_url.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/parse.h"
#include "store/dir_store.h"
#include "store/object_store.h"
#include "store/s3_store.h"

#define URL_LEN_MAX 4096u

static const char url_examples[] =
    "s3://bucket/prefix?endpoint=http://minio:9000, or /absolute/directory";

/* Parameters are not repeated: somebody may have put a secret there. */
static int refuse(struct err *err, const char *hint, const char *text, const char *why)
{
    const int r =
        err_set(err, ERR_CONFIG, "store URL '%.*s' %s", (int)strcspn(text, "?"), text, why);

    err_hint(err, "%s", hint);
    return r;
}

/* The text itself may hold the secret: none of it is repeated. */
static int refuse_credentials(struct err *err)
{
    const int r = err_set(err, ERR_CONFIG, "the store URL holds credentials");

    err_hint(err, "set access_key_id and secret_access_key in the configuration, or "
                  "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY");
    return r;
}

/* "user:secret@", also with a slash in the secret: no bucket, prefix or host has an '@'.  The path
 * of a directory may. */
static bool holds_credentials(const char *text)
{
    static const char file[] = "file:///";
    const char *at = memchr(text, '@', strcspn(text, "?"));

    return at != NULL && text[0] != '/' && strncmp(text, file, sizeof(file) - 1) != 0;
}

/* RFC 3986 section 2.1; a NUL cannot be meant. */
static char *percent_decode(struct str text)
{
    struct buf out = BUF_INIT(URL_LEN_MAX);

    for (size_t i = 0; i < text.len; i++) {
        char hex[3] = "";
        uint8_t byte;

        if (text.ptr[i] != '%') {
            buf_add_char(&out, text.ptr[i]);
            continue;
        }
        if (text.len - i < 3)
            goto bad;
        memcpy(hex, text.ptr + i + 1, 2);
        if (parse_hex(hex, &byte, 1, NULL) < 0 || byte == 0)
            goto bad;
        buf_add_char(&out, (char)byte);
        i += 2;
    }
    return buf_detach(&out);
bad:
    buf_dispose(&out);
    return NULL;
}

/* Set one parameter.  ERR_NOT_FOUND: no such name. */
static int set_parameter(struct store_url *url, struct str name, const char *value)
{
    char **to = NULL;

    if (str_eq_text(name, "addressing")) {
        if (strcmp(value, "path") == 0) {
            url->addressing = S3_ADDRESSING_PATH;
        } else if (strcmp(value, "virtual") == 0) {
            url->addressing = S3_ADDRESSING_VIRTUAL_HOST;
        } else if (strcmp(value, "auto") == 0) {
            url->addressing = S3_ADDRESSING_AUTO;
        } else {
            return ERR_CONFIG;
        }
        return 0;
    }
    if (str_eq_text(name, "endpoint")) {
        to = &url->endpoint;
    } else if (str_eq_text(name, "region")) {
        to = &url->region;
    }
    if (to == NULL)
        return ERR_NOT_FOUND;
    if (*to != NULL || value[0] == '\0')
        return ERR_CONFIG; /* twice, or empty */
    *to = strdup(value);
    return *to == NULL ? ERR_NOMEM : 0;
}

static int parse_query(struct str query, struct store_url *url, struct err *err)
{
    static const char known[] = "the parameters are endpoint, region and addressing (auto, path or "
                                "virtual); '&' joins them";

    while (query.len > 0) {
        const char *amp = memchr(query.ptr, '&', query.len);
        const size_t len = amp == NULL ? query.len : (size_t)(amp - query.ptr);
        const char *equals = memchr(query.ptr, '=', len);
        struct str name = { query.ptr, equals == NULL ? len : (size_t)(equals - query.ptr) };
        char *value = NULL;
        int r;

        if (equals != NULL)
            value = percent_decode((struct str){ equals + 1, len - name.len - 1 });
        r = value == NULL ? ERR_CONFIG : set_parameter(url, name, value);
        free(value);
        if (r == ERR_NOMEM)
            return err_nomem(err);
        if (r < 0) {
            /* Without a '=' it may be anything, a secret too. */
            r = err_set(err, ERR_CONFIG, "the store URL has %s parameter%s%.*s%s",
                        r == ERR_NOT_FOUND ? "an unknown" : "a bad", equals != NULL ? " '" : "",
                        equals != NULL ? (int)name.len : 0, name.ptr, equals != NULL ? "'" : "");
            err_hint(err, "%s", known);
            return r;
        }
        query.ptr += len + (amp != NULL);
        query.len -= len + (amp != NULL);
    }
    return 0;
}

static int parse_s3(const char *text, struct store_url *url, struct err *err)
{
    const char *rest = text + strlen("s3://");
    const char *query = strchr(rest, '?');
    const size_t len = query == NULL ? strlen(rest) : (size_t)(query - rest);
    const char *slash = memchr(rest, '/', len);
    struct str bucket = { rest, slash == NULL ? len : (size_t)(slash - rest) };
    struct str prefix = STR_LIT("");

    url->kind = STORE_KIND_S3;
    if (bucket.len == 0)
        return refuse(err, url_examples, text, "names no bucket");
    if (slash != NULL) {
        prefix.ptr = slash + 1;
        prefix.len = len - bucket.len - 1;
        while (prefix.len > 0 && prefix.ptr[0] == '/') {
            prefix.ptr++;
            prefix.len--;
        }
        while (prefix.len > 0 && prefix.ptr[prefix.len - 1] == '/')
            prefix.len--;
    }
    url->bucket = str_dup(bucket);
    if (url->bucket == NULL)
        return err_nomem(err);
    url->prefix = percent_decode(prefix);
    if (url->prefix == NULL)
        return refuse(err, url_examples, text, "has a bad '%' in its prefix");
    if (url->prefix[0] != '\0' && object_key_check(url->prefix, NULL) < 0) {
        return refuse(err, "use letters, digits, '.', '_' and '-', joined by single slashes", text,
                      "has a prefix that not every server takes");
    }
    return query == NULL ? 0 : parse_query(str_from(query + 1), url, err);
}

static int parse_file(const char *text, struct store_url *url, struct err *err)
{
    const char *path = text + strlen("file://");

    url->kind = STORE_KIND_FILE;
    if (path[0] != '/')
        return refuse(err, "the path is absolute: file:///backups", text, "names no absolute path");
    if (strchr(path, '?') != NULL)
        return refuse(err, "a '?' in a path is written %3F", text, "has parameters");
    url->path = percent_decode(str_from(path));
    if (url->path == NULL)
        return refuse(err, "a '%' in a path is written %25", text, "has a bad '%'");
    return 0;
}

/* An absolute path, every character of which is meant as it is. */
static int parse_path(const char *text, struct store_url *url, struct err *err)
{
    url->kind = STORE_KIND_FILE;
    url->path = strdup(text);
    return url->path == NULL ? err_nomem(err) : 0;
}

int store_url_parse(const char *text, struct store_url *ret_url, struct err *err)
{
    struct store_url url = { 0 };
    int r;

    if (strlen(text) > URL_LEN_MAX)
        return err_set(err, ERR_CONFIG, "the store URL is longer than %u bytes", URL_LEN_MAX);
    if (holds_credentials(text)) {
        r = refuse_credentials(err);
    } else if (strncmp(text, "s3://", 5) == 0) {
        r = parse_s3(text, &url, err);
    } else if (strncmp(text, "file://", 7) == 0) {
        r = parse_file(text, &url, err);
    } else if (text[0] == '/') {
        r = parse_path(text, &url, err);
    } else {
        r = refuse(err, url_examples, text, "begins with neither s3:// nor file://");
    }
    if (r < 0) {
        store_url_dispose(&url);
        return r;
    }
    *ret_url = url;
    return 0;
}

void store_url_dispose(struct store_url *url)
{
    free(url->path);
    free(url->bucket);
    free(url->prefix);
    free(url->endpoint);
    free(url->region);
    *url = (struct store_url){ 0 };
}

int store_open(const char *url, const struct s3_options *defaults, struct object_store **ret_store,
               struct err *err)
{
    struct s3_options options = defaults == NULL ? (struct s3_options){ 0 } : *defaults;
    struct store_url parsed;
    int r;

    r = store_url_parse(url, &parsed, err);
    if (r < 0)
        return r;
    if (parsed.kind == STORE_KIND_FILE && options.lock.mode != S3_LOCK_NONE) {
        r = err_set(err, ERR_CONFIG, "object_lock: a directory locks nothing");
    } else if (parsed.kind == STORE_KIND_FILE &&
               (options.storage.sse != S3_SSE_NONE || options.storage.customer_key != NULL)) {
        r = err_set(err, ERR_CONFIG, "%s: a directory encrypts nothing",
                    options.storage.sse != S3_SSE_NONE ? "sse" : "sse_customer_key");
        err_hint(err, "encrypt the file system that it is on");
    } else if (parsed.kind == STORE_KIND_FILE) {
        r = dir_store_new(parsed.path, ret_store, err);
    } else {
        options.bucket = parsed.bucket;
        if (parsed.endpoint != NULL)
            options.endpoint = parsed.endpoint;
        if (parsed.region != NULL)
            options.region = parsed.region;
        if (parsed.addressing != S3_ADDRESSING_AUTO)
            options.addressing = parsed.addressing;
        r = s3_store_new(&options, parsed.prefix, ret_store, err);
    }
    store_url_dispose(&parsed);
    return r;
}

#include "s3/sigv4.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>

#include "base/err.h"
#include "base/secret.h"
#include "s3/http.h"

#define ALGORITHM         "AWS4-HMAC-SHA256"
#define DATE_LEN          8           /* the scope's date: the first characters of date_time */
#define CANONICAL_LEN_MAX (64u << 10) /* bytes; servers take 8 KiB of headers */
#define SECRET_LEN_MAX    1024        /* bytes */

static bool is_space(char c)
{
    return c == ' ' || c == '\t';
}

static void add_lower(struct buf *to, const char *text)
{
    for (; *text != '\0'; text++) {
        char c = *text;

        if (c >= 'A' && c <= 'Z')
            c = (char)(c - 'A' + 'a');
        buf_add_char(to, c);
    }
}

/* Without the spaces at the ends, and with one for each run inside. */
static void add_trimmed(struct buf *to, const char *value)
{
    bool pending = false, begun = false;

    for (; *value != '\0'; value++) {
        if (is_space(*value)) {
            pending = begun;
            continue;
        }
        if (pending)
            buf_add_char(to, ' ');
        buf_add_char(to, *value);
        pending = false;
        begun = true;
    }
}

bool sigv4_is_signed(const char *header_name)
{
    static const char *const unsigned_names[] = {
        "accept-encoding", "authorization",
        "connection",      "content-length",
        "expect",          "te",
        "trailer",         "transfer-encoding",
        "upgrade",         "user-agent",
        "x-amzn-trace-id",
    };

    for (size_t i = 0; i < sizeof(unsigned_names) / sizeof(unsigned_names[0]); i++) {
        if (strcasecmp(header_name, unsigned_names[i]) == 0)
            return false;
    }
    return true;
}

/* By name only (a ':' in the comparison would put "x-amz-meta-a-b" before "x-amz-meta-a"), and
 * headers of one name in the order they are sent in. */
static int compare_headers(const void *a, const void *b)
{
    const struct http_header *x = *(const struct http_header *const *)a;
    const struct http_header *y = *(const struct http_header *const *)b;
    const int order = strcasecmp(x->name, y->name);

    return order != 0 ? order : (x > y) - (x < y);
}

static size_t sort_signed(const struct http_headers *headers,
                          const struct http_header *sorted[HTTP_HEADER_COUNT_MAX])
{
    size_t count = 0;

    for (size_t i = 0; i < headers->count; i++) {
        if (sigv4_is_signed(headers->items[i].name))
            sorted[count++] = &headers->items[i];
    }
    if (count > 0)
        qsort(sorted, count, sizeof(const struct http_header *), compare_headers);
    return count;
}

static bool repeats(const struct http_header *const *sorted, size_t i)
{
    return i > 0 && strcasecmp(sorted[i]->name, sorted[i - 1]->name) == 0;
}

int sigv4_signed_headers(const struct http_headers *headers, struct buf *to, struct err *err)
{
    const struct http_header *sorted[HTTP_HEADER_COUNT_MAX];
    const size_t count = sort_signed(headers, sorted);

    for (size_t i = 0; i < count; i++) {
        if (repeats(sorted, i))
            continue;
        if (i > 0)
            buf_add_char(to, ';');
        add_lower(to, sorted[i]->name);
    }
    return buf_check(to, err);
}

static void add_canonical_headers(const struct http_headers *headers, struct buf *to)
{
    const struct http_header *sorted[HTTP_HEADER_COUNT_MAX];
    const size_t count = sort_signed(headers, sorted);

    for (size_t i = 0; i < count; i++) {
        if (repeats(sorted, i)) {
            buf_add_char(to, ',');
        } else {
            if (i > 0)
                buf_add_char(to, '\n');
            add_lower(to, sorted[i]->name);
            buf_add_char(to, ':');
        }
        add_trimmed(to, sorted[i]->value);
    }
    if (count > 0)
        buf_add_char(to, '\n');
}

int sigv4_canonical_request(const struct sigv4_request *request, struct buf *to, struct err *err)
{
    buf_addf(to, "%s\n%s\n%s\n", request->method, request->path, request->query);
    add_canonical_headers(request->headers, to);
    buf_add_char(to, '\n');
    (void)sigv4_signed_headers(request->headers, to, NULL); /* a failure sticks in the buffer */
    buf_addf(to, "\n%s", request->payload_hash);
    return buf_check(to, err);
}

int sigv4_string_to_sign(const struct sigv4_scope *scope, struct str canonical_request,
                         struct buf *to, struct err *err)
{
    uint8_t digest[SHA256_DIGEST_LENGTH];

    assert(strlen(scope->date_time) == SIGV4_DATE_TIME_LEN);
    if (EVP_Digest(canonical_request.ptr, canonical_request.len, digest, NULL, EVP_sha256(),
                   NULL) != 1)
        return err_set(err, ERR_NOMEM, "cannot compute SHA-256");
    buf_addf(to, ALGORITHM "\n%s\n%.*s/%s/%s/aws4_request\n", scope->date_time, DATE_LEN,
             scope->date_time, scope->region, scope->service);
    buf_add_hex(to, digest, sizeof(digest));
    return buf_check(to, err);
}

static int hmac_sha256(const void *key, size_t key_len, struct str text,
                       uint8_t ret_mac[SIGV4_KEY_LEN], struct err *err)
{
    if (HMAC(EVP_sha256(), key, (int)key_len, (const uint8_t *)text.ptr, text.len, ret_mac, NULL) ==
        NULL)
        return err_set(err, ERR_NOMEM, "cannot compute HMAC-SHA256");
    return 0;
}

int sigv4_key_derive(const struct secret *secret_access_key, const struct sigv4_scope *scope,
                     struct sigv4_key *ret_key, struct err *err)
{
    const struct str steps[] = { { scope->date_time, DATE_LEN },
                                 str_from(scope->region),
                                 str_from(scope->service),
                                 STR_LIT("aws4_request") };
    char first[4 + SECRET_LEN_MAX] = "AWS4";
    struct sigv4_key key = { { 0 } };
    const void *from = first;
    size_t from_len = 4 + secret_access_key->len;
    int r = 0;

    if (secret_access_key->len > SECRET_LEN_MAX) {
        return err_set(err, ERR_CONFIG, "secret_access_key is longer than %d bytes",
                       SECRET_LEN_MAX);
    }
    memcpy(first + 4, secret_access_key->ptr, secret_access_key->len);
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]) && r == 0; i++) {
        uint8_t mac[SIGV4_KEY_LEN] = { 0 };

        r = hmac_sha256(from, from_len, steps[i], mac, err);
        memcpy(key.bytes, mac, sizeof(mac));
        OPENSSL_cleanse(mac, sizeof(mac));
        from = key.bytes;
        from_len = sizeof(key.bytes);
    }
    if (r == 0)
        *ret_key = key;
    OPENSSL_cleanse(first, sizeof(first));
    sigv4_key_wipe(&key);
    return r;
}

void sigv4_key_wipe(struct sigv4_key *key)
{
    OPENSSL_cleanse(key, sizeof(*key));
}

int sigv4_sign(const struct sigv4_key *key, struct str string_to_sign,
               char ret_signature[SIGV4_SIGNATURE_SIZE], struct err *err)
{
    struct buf hex = BUF_INIT(SIGV4_SIGNATURE_SIZE);
    uint8_t mac[SIGV4_KEY_LEN];
    int r;

    r = hmac_sha256(key->bytes, sizeof(key->bytes), string_to_sign, mac, err);
    if (r < 0)
        return r;
    buf_add_hex(&hex, mac, sizeof(mac));
    r = buf_check(&hex, err);
    if (r == 0)
        memcpy(ret_signature, hex.ptr, SIGV4_SIGNATURE_SIZE);
    buf_dispose(&hex);
    return r;
}

int sigv4_authorization(const struct sigv4_request *request, const struct sigv4_scope *scope,
                        const char *access_key_id, const struct secret *secret_access_key,
                        struct buf *to, struct err *err)
{
    struct buf canonical = BUF_INIT(CANONICAL_LEN_MAX), string_to_sign = BUF_INIT(1024);
    char signature[SIGV4_SIGNATURE_SIZE];
    struct sigv4_key key = { { 0 } };
    int r;

    r = sigv4_canonical_request(request, &canonical, err);
    if (r < 0)
        goto out;
    r = sigv4_string_to_sign(scope, buf_str(&canonical), &string_to_sign, err);
    if (r < 0)
        goto out;
    /* Five HMACs an attempt cost microseconds: no cache that credentials could outlive. */
    r = sigv4_key_derive(secret_access_key, scope, &key, err);
    if (r < 0)
        goto out;
    r = sigv4_sign(&key, buf_str(&string_to_sign), signature, err);
    if (r < 0)
        goto out;
    buf_addf(to, ALGORITHM " Credential=%s/%.*s/%s/%s/aws4_request, SignedHeaders=", access_key_id,
             DATE_LEN, scope->date_time, scope->region, scope->service);
    (void)sigv4_signed_headers(request->headers, to, NULL);
    buf_addf(to, ", Signature=%s", signature);
    r = buf_check(to, err);
out:
    sigv4_key_wipe(&key);
    buf_wipe(&canonical); /* holds the session token */
    buf_dispose(&string_to_sign);
    return r;
}

#include "s3/storage.h"

#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "base/buf.h"
#include "base/err.h"
#include "s3/endpoint.h"
#include "s3/http.h"
#include "s3/uri.h"

#define KEY_LEN       32
#define KEY_TEXT_LEN  44 /* base64 of it */
#define KMS_ID_MAX    2048
#define CLASS_MAX     64
#define TAG_NAME_MAX  128 /* characters */
#define TAG_VALUE_MAX 256
#define TAGS_MAX      8192
#define SSE           "x-amz-server-side-encryption"

/* --- Settings ----------------------------------------------------------------------------------*/

static bool is_set(const char *text)
{
    return text != NULL && text[0] != '\0';
}

static int copy(const char *text, char **ret, struct err *err)
{
    if (!is_set(text))
        return 0;
    *ret = strdup(text);
    return *ret == NULL ? err_nomem(err) : 0;
}

static int wrong_key(struct err *err)
{
    (void)err_set(err, ERR_CONFIG, "sse_customer_key is not the base64 of 32 bytes");
    err_hint(err, "make one with: openssl rand -base64 32");
    return ERR_CONFIG;
}

/* A key in two ways of writing would be two keys to no server: only the canonical one is taken. */
static int take_customer_key(struct s3_storage *storage, const struct secret *key, struct err *err)
{
    uint8_t raw[KEY_TEXT_LEN / 4 * 3];
    char again[KEY_TEXT_LEN + 1];
    int r = 0;

    if (key->len != KEY_TEXT_LEN)
        return wrong_key(err);
    if (EVP_DecodeBlock(raw, (const uint8_t *)key->ptr, KEY_TEXT_LEN) != (int)sizeof(raw) ||
        EVP_EncodeBlock((uint8_t *)again, raw, KEY_LEN) != KEY_TEXT_LEN ||
        CRYPTO_memcmp(again, key->ptr, KEY_TEXT_LEN) != 0)
        r = wrong_key(err);
    if (r == 0) {
        r = s3_md5_text((struct str){ (const char *)raw, KEY_LEN }, storage->customer_key_md5, err);
    }
    if (r == 0)
        r = secret_copy(&storage->customer_key, key, err);
    OPENSSL_cleanse(raw, sizeof(raw));
    OPENSSL_cleanse(again, sizeof(again));
    return r;
}

static int take_encryption(struct s3_storage *storage, const struct s3_storage_options *options,
                           struct err *err)
{
    const bool has_key = options->customer_key != NULL && secret_is_set(options->customer_key);
    int r;

    storage->sse = options->sse;
    if (is_set(options->kms_key_id) && options->sse != S3_SSE_KMS) {
        (void)err_set(err, ERR_CONFIG, "sse_kms_key_id is set, and sse is not aws:kms");
        err_hint(err, "sse = aws:kms");
        return ERR_CONFIG;
    }
    if (is_set(options->kms_key_id) && strlen(options->kms_key_id) > KMS_ID_MAX)
        return err_set(err, ERR_CONFIG, "sse_kms_key_id is too long");
    if (has_key && options->sse != S3_SSE_NONE) {
        (void)err_set(err, ERR_CONFIG, "sse and sse_customer_key are both set");
        err_hint(err, "a server encrypts with its key, or with yours: sse = none goes with yours");
        return ERR_CONFIG;
    }
    r = copy(options->kms_key_id, &storage->kms_key_id, err);
    if (r == 0 && has_key)
        r = take_customer_key(storage, options->customer_key, err);
    return r;
}

static int take_class(struct s3_storage *storage, const struct s3_storage_options *options,
                      struct err *err)
{
    const char *name = options->storage_class;
    int r;

    if (!is_set(name))
        return 0;
    if (strlen(name) > CLASS_MAX ||
        strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") != strlen(name)) {
        (void)err_set(err, ERR_CONFIG, "storage_class '%.64s' is none", name);
        err_hint(err, "such as STANDARD_IA, ONEZONE_IA, INTELLIGENT_TIERING or GLACIER_IR");
        return ERR_CONFIG;
    }
    if (strcmp(name, "GLACIER") == 0 || strcmp(name, "DEEP_ARCHIVE") == 0) {
        (void)err_set(err, ERR_CONFIG,
                      "storage_class %s keeps objects where they cannot be read at once", name);
        err_hint(err, "the next backup, verify and restore read them; GLACIER_IR can be read at "
                      "once, or have the bucket's rules move what is old");
        return ERR_CONFIG;
    }
    r = copy(name, &storage->storage_class, err);
    return r < 0 ? r : copy(options->storage_class_suffix, &storage->storage_class_suffix, err);
}

static struct str trim(struct str text)
{
    while (text.len > 0 && text.ptr[0] == ' ')
        text = (struct str){ text.ptr + 1, text.len - 1 };
    while (text.len > 0 && text.ptr[text.len - 1] == ' ')
        text.len--;
    return text;
}

/* In characters, which UTF-8 writes in one to four bytes; the first of each is no 10xxxxxx. */
static size_t character_count(struct str text)
{
    size_t count = 0;

    for (size_t i = 0; i < text.len; i++)
        count += ((unsigned char)text.ptr[i] & 0xc0) != 0x80;
    return count;
}

/* Letters, digits, blanks and + - = . _ : / @ are what S3 takes; which letters there are it knows
 * better. */
static bool has_tag_characters(struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        const unsigned char c = (unsigned char)text.ptr[i];

        if (c < 0x80 && !(c >= '0' && c <= '9') && !(c >= 'a' && c <= 'z') &&
            !(c >= 'A' && c <= 'Z') && (c == '\0' || strchr(" +-=._:/@", c) == NULL))
            return false;
    }
    return true;
}

static bool is_same(struct str a, struct str b)
{
    return a.len == b.len && memcmp(a.ptr, b.ptr, a.len) == 0;
}

static int check_tag(const struct str *names, size_t count, struct str value, struct err *err)
{
    const struct str name = names[count];

    if (name.len == 0)
        return err_set(err, ERR_CONFIG, "tags: a tag has no name");
    if (character_count(name) > TAG_NAME_MAX || character_count(value) > TAG_VALUE_MAX) {
        return err_set(err, ERR_CONFIG,
                       "tags: a name has at most %d characters, and a value at most %d",
                       TAG_NAME_MAX, TAG_VALUE_MAX);
    }
    if (!has_tag_characters(name) || !has_tag_characters(value)) {
        return err_set(err, ERR_CONFIG,
                       "tags: '%.*s' has other characters than letters, digits, blanks and "
                       "+ - = . _ : / @",
                       (int)name.len, name.ptr);
    }
    for (size_t i = 0; i < count; i++) {
        if (is_same(names[i], name)) {
            return err_set(err, ERR_CONFIG, "tags: '%.*s' is there twice", (int)name.len, name.ptr);
        }
    }
    return 0;
}

/* One "name=value" of the list. */
static int add_tag(struct str item, struct str *names, size_t count, struct buf *to,
                   struct err *err)
{
    const char *equals = memchr(item.ptr, '=', item.len);
    struct str value;
    int r;

    if (equals == NULL) {
        (void)err_set(err, ERR_CONFIG, "tags: '%.*s' has no value", (int)item.len, item.ptr);
        err_hint(err, "tags = name=value, name=value");
        return ERR_CONFIG;
    }
    names[count] = trim((struct str){ item.ptr, (size_t)(equals - item.ptr) });
    value = trim((struct str){ equals + 1, item.len - (size_t)(equals - item.ptr) - 1 });
    r = check_tag(names, count, value, err);
    if (r < 0)
        return r;
    if (count > 0)
        buf_add_char(to, '&');
    uri_encode(to, names[count], false);
    buf_add_char(to, '=');
    uri_encode(to, value, false);
    return 0;
}

static int take_tags(struct s3_storage *storage, const char *tags, struct err *err)
{
    struct str names[S3_TAG_COUNT_MAX], rest = { tags, tags != NULL ? strlen(tags) : 0 };
    struct buf header = BUF_INIT(TAGS_MAX);
    int r = 0;

    if (trim(rest).len == 0)
        return 0;
    for (size_t count = 0; r == 0 && rest.ptr != NULL; count++) {
        const char *comma = memchr(rest.ptr, ',', rest.len);
        const size_t len = comma != NULL ? (size_t)(comma - rest.ptr) : rest.len;

        if (count == S3_TAG_COUNT_MAX) {
            r = err_set(err, ERR_CONFIG, "tags: an object has at most %d", S3_TAG_COUNT_MAX);
            break;
        }
        r = add_tag(trim((struct str){ rest.ptr, len }), names, count, &header, err);
        rest = comma != NULL ? (struct str){ comma + 1, rest.len - len - 1 } : (struct str){ 0 };
    }
    if (r == 0)
        r = buf_check(&header, err);
    if (r == 0)
        r = copy(header.ptr, &storage->tags, err);
    buf_dispose(&header);
    return r;
}

int s3_storage_init(struct s3_storage *storage, const struct s3_storage_options *options,
                    struct err *err)
{
    int r;

    storage->requester_pays = options->requester_pays;
    r = take_encryption(storage, options, err);
    if (r == 0)
        r = take_class(storage, options, err);
    return r < 0 ? r : take_tags(storage, options->tags, err);
}

void s3_storage_dispose(struct s3_storage *storage)
{
    free(storage->kms_key_id);
    free(storage->storage_class);
    free(storage->storage_class_suffix);
    free(storage->tags);
    secret_dispose(&storage->customer_key);
    *storage = (struct s3_storage){ 0 };
}

/* The host of an endpoint may have a port, and the bucket's name before it. */
static bool is_loopback(const char *host)
{
    static const char local[] = "localhost";
    const size_t local_len = sizeof(local) - 1;
    char name[256];
    struct in_addr address;
    size_t len;

    if (strncmp(host, "[::1]", 5) == 0)
        return true;
    (void)snprintf(name, sizeof(name), "%s", host);
    name[strcspn(name, ":")] = '\0';
    len = strlen(name);
    if (len >= local_len && strcmp(name + len - local_len, local) == 0)
        return len == local_len || name[len - local_len - 1] == '.';
    return inet_pton(AF_INET, name, &address) == 1 && ntohl(address.s_addr) >> 24 == 127;
}

int s3_storage_check_endpoint(const struct s3_storage *storage, const struct s3_endpoint *endpoint,
                              struct err *err)
{
    if (!secret_is_set(&storage->customer_key) || strcmp(endpoint->scheme, "http") != 0 ||
        is_loopback(endpoint->host))
        return 0;
    (void)err_set(err, ERR_CONFIG, "sse_customer_key would be sent to %s in the clear",
                  endpoint->host);
    err_hint(err, "an endpoint with https");
    return ERR_CONFIG;
}

unsigned s3_storage_class_days(const char *storage_class)
{
    static const struct {
        const char *name;
        unsigned days;
    } classes[] = { { "STANDARD_IA", 30 }, { "ONEZONE_IA", 30 }, { "GLACIER_IR", 90 } };

    for (size_t i = 0; storage_class != NULL && i < sizeof(classes) / sizeof(classes[0]); i++) {
        if (strcmp(classes[i].name, storage_class) == 0)
            return classes[i].days;
    }
    return 0;
}

/* --- Requests ----------------------------------------------------------------------------------*/

static bool begins_object(enum s3_operation operation)
{
    return operation == S3_OPERATION_PUT_OBJECT || operation == S3_OPERATION_CREATE_UPLOAD;
}

/* The server needs a customer's key for each of these. */
static bool touches_content(enum s3_operation operation)
{
    return begins_object(operation) || operation == S3_OPERATION_UPLOAD_PART ||
           operation == S3_OPERATION_GET_OBJECT || operation == S3_OPERATION_HEAD_OBJECT;
}

static int add_customer_key(const struct s3_storage *storage, struct http_headers *headers,
                            struct err *err)
{
    int r;

    r = http_headers_add(headers, SSE "-customer-algorithm", "AES256", err);
    if (r == 0)
        r = http_headers_add(headers, SSE "-customer-key", storage->customer_key.ptr, err);
    if (r == 0)
        r = http_headers_add(headers, SSE "-customer-key-MD5", storage->customer_key_md5, err);
    return r;
}

static bool is_in_class(const struct s3_storage *storage, const char *key)
{
    const char *suffix = storage->storage_class_suffix;
    const size_t len = strlen(key);

    return storage->storage_class != NULL &&
           (suffix == NULL ||
            (len >= strlen(suffix) && strcmp(key + len - strlen(suffix), suffix) == 0));
}

static int add_beginning(const struct s3_storage *storage, const char *key,
                         struct http_headers *headers, struct err *err)
{
    static const char *const names[] = { NULL, "AES256", "aws:kms" };
    int r = 0;

    if (storage->sse != S3_SSE_NONE)
        r = http_headers_add(headers, SSE, names[storage->sse], err);
    if (r == 0 && storage->kms_key_id != NULL)
        r = http_headers_add(headers, SSE "-aws-kms-key-id", storage->kms_key_id, err);
    if (r == 0 && is_in_class(storage, key))
        r = http_headers_add(headers, "x-amz-storage-class", storage->storage_class, err);
    if (r == 0 && storage->tags != NULL)
        r = http_headers_add(headers, "x-amz-tagging", storage->tags, err);
    return r;
}

int s3_storage_add_headers(const struct s3_storage *storage, enum s3_operation operation,
                           const char *key, struct http_headers *headers, struct err *err)
{
    int r = 0;

    if (storage->requester_pays)
        r = http_headers_add(headers, "x-amz-request-payer", "requester", err);
    if (r == 0 && secret_is_set(&storage->customer_key) && touches_content(operation))
        r = add_customer_key(storage, headers, err);
    if (r == 0 && key != NULL && begins_object(operation))
        r = add_beginning(storage, key, headers, err);
    return r;
}

int s3_storage_check_answer(const struct s3_storage *storage, enum s3_operation operation,
                            const struct http_headers *headers, struct err *err)
{
    const bool has_key = secret_is_set(&storage->customer_key);
    const char *name = has_key ? SSE "-customer-algorithm" : SSE;

    if (!begins_object(operation) || (!has_key && storage->sse == S3_SSE_NONE) ||
        http_headers_get(headers, name) != NULL)
        return 0;
    (void)err_set(err, ERR_CONFIG, "the server was asked to encrypt, and does not say that it did");
    err_hint(err, "it seems not to know %s", has_key ? "sse_customer_key" : "sse");
    return ERR_CONFIG;
}

static bool is_about_settings(const char *s3_code)
{
    static const char *const codes[] = { "NotImplemented", "InvalidArgument",
                                         "InvalidRequest", "InvalidEncryptionAlgorithmError",
                                         "InvalidTag",     "InvalidStorageClass" };

    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        if (strcmp(s3_code, codes[i]) == 0)
            return true;
    }
    return strncmp(s3_code, "KMS.", 4) == 0;
}

static void explain_beginning(const struct s3_storage *storage, int code, struct err *err)
{
    if (code == ERR_DENIED && storage->sse == S3_SSE_KMS &&
        strcmp(err->s3_code, "AccessDenied") == 0) {
        err->hint[0] = '\0'; /* better than what is said of keys in general */
        err_hint(err, "may the key write there, and use the KMS key (kms:GenerateDataKey to write, "
                      "kms:Decrypt to read)?");
    }
    if (code == ERR_DENIED && storage->tags != NULL && storage->sse != S3_SSE_KMS &&
        strcmp(err->s3_code, "AccessDenied") == 0) {
        err->hint[0] = '\0';
        err_hint(err, "may the key write there, and set tags (s3:PutObjectTagging)?");
    }
    if (strcmp(err->s3_code, "InvalidStorageClass") == 0 && storage->storage_class != NULL) {
        err_hint(err, "the server has no storage_class %s", storage->storage_class);
    } else if (is_about_settings(err->s3_code)) {
        err_hint(err, "does the server know%s%s%s%s%s?", storage->sse != S3_SSE_NONE ? " sse" : "",
                 secret_is_set(&storage->customer_key) ? " sse_customer_key" : "",
                 storage->tags != NULL ? " tags" : "",
                 storage->storage_class != NULL ? " storage_class " : "",
                 storage->storage_class != NULL ? storage->storage_class : "");
    }
}

/* Of a request that has no key, or another, servers say 400 or 403; to a HEAD without a word. */
static void explain_reading(const struct s3_storage *storage, struct err *err)
{
    if (secret_is_set(&storage->customer_key) &&
        (err->http_status == 400 || err->http_status == 403)) {
        err->hint[0] = '\0';
        err_hint(err, "was this written with this sse_customer_key?");
    } else if (err->http_status == 400) {
        err_hint(err, "was this written with a key of yours? Then set sse_customer_key");
    }
}

int s3_storage_explain(const struct s3_storage *storage, enum s3_operation operation, int code,
                       struct err *err)
{
    const bool is_special = storage->sse != S3_SSE_NONE || storage->storage_class != NULL ||
                            storage->tags != NULL || secret_is_set(&storage->customer_key);

    if (code == 0 || err == NULL)
        return code;
    if (begins_object(operation) && is_special)
        explain_beginning(storage, code, err);
    if (operation == S3_OPERATION_GET_OBJECT || operation == S3_OPERATION_HEAD_OBJECT)
        explain_reading(storage, err);
    return code;
}

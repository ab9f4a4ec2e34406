#include "base/buf.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>

#include "base/err.h"

#define BUF_SIZE_FIRST 64u

char buf_empty[1]; /* what an unused buf points to; never written */

struct str str_from(const char *text)
{
    return (struct str){ text, text == NULL ? 0 : strlen(text) };
}

bool str_eq(struct str a, struct str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

bool str_eq_text(struct str a, const char *text)
{
    return str_eq(a, str_from(text));
}

bool str_starts_with(struct str text, struct str prefix)
{
    return text.len >= prefix.len &&
           (prefix.len == 0 || memcmp(text.ptr, prefix.ptr, prefix.len) == 0);
}

bool str_ends_with(struct str text, struct str suffix)
{
    return text.len >= suffix.len && (suffix.len == 0 || memcmp(text.ptr + text.len - suffix.len,
                                                                suffix.ptr, suffix.len) == 0);
}

char *str_dup(struct str text)
{
    char *copy = malloc(text.len + 1);

    if (copy == NULL)
        return NULL;
    if (text.len > 0)
        memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    return copy;
}

void buf_dispose(struct buf *buf)
{
    if (buf->ptr != buf_empty)
        free(buf->ptr);
    *buf = (struct buf)BUF_INIT(buf->max);
}

void buf_wipe(struct buf *buf)
{
    if (buf->size > 0)
        OPENSSL_cleanse(buf->ptr, buf->size);
    buf_dispose(buf);
}

void buf_clear(struct buf *buf)
{
    buf->len = 0;
    buf->failed = 0;
    if (buf->size > 0)
        buf->ptr[0] = '\0';
}

/* Growing copies into new memory and wipes nothing: a buf that holds a secret is sized once. */
static bool grow(struct buf *buf, size_t len)
{
    size_t size = buf->size > 0 ? buf->size : BUF_SIZE_FIRST;
    char *ptr;

    if (buf->failed != 0)
        return false;
    if (len > buf->max || buf->len > buf->max - len) {
        buf->failed = ERR_LIMIT;
        return false;
    }
    if (buf->len + len + 1 <= buf->size)
        return true;
    while (size < buf->len + len + 1)
        size = size > SIZE_MAX / 2 ? buf->len + len + 1 : size * 2;
    ptr = realloc(buf->ptr == buf_empty ? NULL : buf->ptr, size);
    if (ptr == NULL) {
        buf->failed = ERR_NOMEM;
        return false;
    }
    buf->ptr = ptr;
    buf->size = size;
    return true;
}

void *buf_reserve(struct buf *buf, size_t len)
{
    return grow(buf, len) ? buf->ptr + buf->len : NULL;
}

void buf_commit(struct buf *buf, size_t len)
{
    assert(buf->failed != 0 || len == 0 || buf->len + len < buf->size);
    if (buf->failed != 0 || buf->size == 0)
        return;
    buf->len += len;
    buf->ptr[buf->len] = '\0';
}

void buf_add(struct buf *buf, const void *data, size_t len)
{
    void *to;

    if (len == 0)
        return;
    to = buf_reserve(buf, len);
    if (to == NULL)
        return;
    memcpy(to, data, len);
    buf_commit(buf, len);
}

void buf_add_char(struct buf *buf, char c)
{
    buf_add(buf, &c, 1);
}

void buf_add_text(struct buf *buf, const char *text)
{
    buf_add(buf, text, strlen(text));
}

void buf_add_str(struct buf *buf, struct str text)
{
    buf_add(buf, text.ptr, text.len);
}

void buf_addfv(struct buf *buf, const char *format, va_list args)
{
    va_list again;
    char *to;
    int len;

    va_copy(again, args);
    len = vsnprintf(NULL, 0, format, args);
    assert(len >= 0);
    to = buf_reserve(buf, (size_t)len);
    if (to != NULL) {
        (void)vsnprintf(to, (size_t)len + 1, format, again);
        buf_commit(buf, (size_t)len);
    }
    va_end(again);
}

void buf_addf(struct buf *buf, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    buf_addfv(buf, format, args);
    va_end(args);
}

void buf_add_hex(struct buf *buf, const void *data, size_t len)
{
    static const char digits[] = "0123456789abcdef";
    const uint8_t *bytes = data;
    char *to = len > SIZE_MAX / 2 ? NULL : buf_reserve(buf, 2 * len);

    if (to == NULL)
        return;
    for (size_t i = 0; i < len; i++) {
        to[2 * i] = digits[bytes[i] >> 4];
        to[2 * i + 1] = digits[bytes[i] & 15];
    }
    buf_commit(buf, 2 * len);
}

int buf_check(const struct buf *buf, struct err *err)
{
    if (buf->failed == ERR_NOMEM)
        return err_nomem(err);
    if (buf->failed != 0)
        return err_set(err, buf->failed, "longer than the limit of %zu bytes", buf->max);
    return 0;
}

char *buf_detach(struct buf *buf)
{
    char *text = NULL;

    if (buf->failed == 0) {
        text = buf->size > 0 ? buf->ptr : calloc(1, 1);
        if (buf->size > 0)
            *buf = (struct buf)BUF_INIT(buf->max);
    }
    buf_dispose(buf);
    return text;
}

struct str buf_str(const struct buf *buf)
{
    return (struct str){ buf->ptr, buf->len };
}

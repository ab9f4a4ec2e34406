#include "s3/uri.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/parse.h"

/* Not isalnum(): the locale must not change a signature. */
static bool is_unreserved(unsigned char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

void uri_encode(struct buf *to, struct str text, bool keep_slash)
{
    static const char digits[] = "0123456789ABCDEF";

    for (size_t i = 0; i < text.len; i++) {
        const unsigned char c = (unsigned char)text.ptr[i];

        if (is_unreserved(c) || (c == '/' && keep_slash)) {
            buf_add_char(to, (char)c);
        } else {
            const char escape[3] = { '%', digits[c >> 4], digits[c & 15] };

            buf_add(to, escape, sizeof(escape));
        }
    }
}

int uri_decode(struct buf *to, struct str text, bool plus_is_space, struct err *err)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];

        if (c == '%') {
            char digits[3] = "";
            uint8_t byte;

            if (text.len - i > 2)
                memcpy(digits, text.ptr + i + 1, 2);
            if (parse_hex(digits, &byte, 1, NULL) < 0) {
                return err_set(err, ERR_PROTOCOL, "'%.*s' is not percent-encoded", (int)text.len,
                               text.ptr);
            }
            c = (char)byte;
            i += 2;
        } else if (c == '+' && plus_is_space) {
            c = ' ';
        }
        buf_add_char(to, c);
    }
    return buf_check(to, err);
}

/* One encoded parameter. */
struct pair {
    struct str name, value;
};

static int compare_str(struct str a, struct str b)
{
    const size_t len = a.len < b.len ? a.len : b.len;
    const int order = len > 0 ? memcmp(a.ptr, b.ptr, len) : 0;

    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

/* By name alone, then by value: comparing "name=value" would put "a-b=" before "a=". */
static int compare_pairs(const void *a, const void *b)
{
    const struct pair *x = a, *y = b;
    const int order = compare_str(x->name, y->name);

    return order != 0 ? order : compare_str(x->value, y->value);
}

int uri_query(struct buf *to, const struct uri_param *params, size_t param_count, struct err *err)
{
    struct buf encoded = BUF_INIT(to->max);
    struct pair pairs[URI_PARAM_COUNT_MAX];
    const char *at;
    int r;

    if (param_count > URI_PARAM_COUNT_MAX)
        return err_set(err, ERR_LIMIT, "more than %d query parameters", URI_PARAM_COUNT_MAX);
    for (size_t i = 0; i < param_count; i++) {
        const size_t begin = encoded.len;

        uri_encode(&encoded, str_from(params[i].name), false);
        pairs[i].name.len = encoded.len - begin;
        uri_encode(&encoded, str_from(params[i].value), false);
        pairs[i].value.len = encoded.len - begin - pairs[i].name.len;
    }
    r = buf_check(&encoded, err);
    if (r < 0)
        goto out;
    at = encoded.ptr; /* which has stopped moving */
    for (size_t i = 0; i < param_count; i++) {
        pairs[i].name.ptr = at;
        pairs[i].value.ptr = at + pairs[i].name.len;
        at += pairs[i].name.len + pairs[i].value.len;
    }
    if (param_count > 0)
        qsort(pairs, param_count, sizeof(pairs[0]), compare_pairs);
    for (size_t i = 0; i < param_count; i++) {
        if (i > 0)
            buf_add_char(to, '&');
        buf_add_str(to, pairs[i].name);
        buf_add_char(to, '=');
        buf_add_str(to, pairs[i].value);
    }
    r = buf_check(to, err);
out:
    buf_dispose(&encoded);
    return r;
}

#include "agent/text.h"

#include "base/buf.h"

#include <stdint.h>
#include <string.h>

#define NEAREST_LEN_MAX 64 /* characters; longer text resembles nothing */

/* The code point that begins at text, and its length; 0 when the bytes are not UTF-8. */
static size_t utf8_decode(const unsigned char *text, uint32_t *ret_code)
{
    static const uint32_t smallest[] = { 0, 0, 0x80, 0x800, 0x10000 };
    uint32_t code;
    size_t len;

    if (text[0] < 0x80) {
        *ret_code = text[0];
        return 1;
    }
    if (text[0] >= 0xf8 || text[0] < 0xc0)
        return 0;
    len = text[0] >= 0xf0 ? 4 : text[0] >= 0xe0 ? 3 : 2;
    code = text[0] & (0x7fu >> len);
    for (size_t i = 1; i < len; i++) { /* a NUL ends this, too */
        if ((text[i] & 0xc0) != 0x80)
            return 0;
        code = code << 6 | (text[i] & 0x3fu);
    }
    if (code < smallest[len] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
        return 0;
    *ret_code = code;
    return len;
}

bool text_is_utf8(const char *text)
{
    const unsigned char *at = (const unsigned char *)text;
    uint32_t code;

    while (*at != '\0') {
        size_t len = utf8_decode(at, &code);

        if (len == 0)
            return false;
        at += len;
    }
    return true;
}

/* Controls, and the marks with which text could be shown in another order than it is written. */
static bool must_escape(uint32_t code)
{
    return code < 0x20 || (code >= 0x7f && code < 0xa0) || (code >= 0x2028 && code <= 0x202e) ||
           (code >= 0x2066 && code <= 0x2069) || code == 0x200e || code == 0x200f || code == 0xfeff;
}

static void escape_code(struct buf *out, uint32_t code)
{
    if (code == '\n') {
        buf_add_text(out, "\\n");
    } else if (code == '\t') {
        buf_add_text(out, "\\t");
    } else if (code < 0x80) {
        buf_addf(out, "\\x%02x", code);
    } else {
        buf_addf(out, "\\u%04x", code);
    }
}

void text_escape(struct buf *out, const char *text)
{
    const unsigned char *at = (const unsigned char *)text;

    while (*at != '\0') {
        uint32_t code = 0;
        size_t len = utf8_decode(at, &code);

        if (len == 0) {
            buf_addf(out, "\\x%02x", *at);
        } else if (must_escape(code)) {
            escape_code(out, code);
        } else {
            buf_add(out, at, len);
        }
        at += len == 0 ? 1 : len;
    }
}

size_t text_width(const char *text)
{
    size_t count = 0;

    for (; *text != '\0'; text++)
        count += ((unsigned char)*text & 0xc0) != 0x80;
    return count;
}

void text_shell_quote(struct buf *out, const char *text)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "@%_+=:,./-";

    if (*text != '\0' && text[strspn(text, plain)] == '\0') {
        buf_add_text(out, text);
        return;
    }
    buf_add_char(out, '\'');
    for (; *text != '\0'; text++) {
        if (*text == '\'') {
            buf_add_text(out, "'\\''");
        } else {
            buf_add_char(out, *text);
        }
    }
    buf_add_char(out, '\'');
}

static size_t min_size(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Optimal string alignment: Levenshtein's distance where swapping two neighbours is one edit. */
static size_t edit_distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
    size_t rows[3][NEAREST_LEN_MAX + 1];
    size_t *before = rows[0], *above = rows[1], *row = rows[2];

    for (size_t j = 0; j <= b_len; j++)
        above[j] = before[j] = j;
    for (size_t i = 1; i <= a_len; i++) {
        size_t *unused = before;

        row[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            const size_t replace = above[j - 1] + (a[i - 1] != b[j - 1]);

            row[j] = min_size(replace, min_size(above[j], row[j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = min_size(row[j], before[j - 2] + 1);
        }
        before = above;
        above = row;
        row = unused;
    }
    return above[b_len];
}

void nearest_init(struct nearest *nearest, const char *text)
{
    *nearest = (struct nearest){ .text = text };
}

void nearest_offer(struct nearest *nearest, const char *candidate)
{
    const size_t text_len = strlen(nearest->text), len = strlen(candidate);
    size_t near_enough = text_len / 3 > 2 ? text_len / 3 : 2;
    size_t distance;

    if (text_len > NEAREST_LEN_MAX || len > NEAREST_LEN_MAX)
        return;
    if (near_enough >= len) /* "x" is not a misspelt "db" */
        near_enough = len > 0 ? len - 1 : 0;
    distance = edit_distance(nearest->text, text_len, candidate, len);
    if (distance > near_enough || (nearest->best != NULL && distance >= nearest->distance))
        return;
    nearest->best = candidate;
    nearest->distance = distance;
}

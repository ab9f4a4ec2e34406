#include "base/parse.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "base/err.h"

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Digits at *text, advancing it; false when there is none or the value is past UINT64_MAX. */
static bool scan_u64(const char **text, uint64_t *ret)
{
    const char *p = *text;
    uint64_t value = 0;

    if (!is_digit(*p))
        return false;
    for (; is_digit(*p); p++) {
        const uint64_t digit = (uint64_t)(*p - '0');

        if (value > (UINT64_MAX - digit) / 10)
            return false;
        value = value * 10 + digit;
    }
    *text = p;
    *ret = value;
    return true;
}

int parse_u64(const char *text, uint64_t min, uint64_t max, uint64_t *ret, struct err *err)
{
    const char *p = text;
    uint64_t value;

    if (!scan_u64(&p, &value) || *p != '\0')
        return err_set(err, ERR_CONFIG, "'%s' is not a whole number", text);
    if (value < min || value > max) {
        return err_set(err, ERR_CONFIG, "'%s' is not between %llu and %llu", text,
                       (unsigned long long)min, (unsigned long long)max);
    }
    *ret = value;
    return 0;
}

int parse_bool(const char *text, bool *ret, struct err *err)
{
    static const char *const words[] = { "false", "true", "no", "yes", "off", "on", "0", "1" };

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcasecmp(text, words[i]) == 0) {
            *ret = i % 2 == 1;
            return 0;
        }
    }
    return err_set(err, ERR_CONFIG, "'%s' is neither true nor false", text);
}

/* The factor that a size's unit stands for; 0 for an unknown one.  Disks are sold in powers of ten
 * (MB), memory in powers of two (MiB); a letter alone means the latter, as in dd and restic. */
static uint64_t size_unit(const char *unit)
{
    static const char letters[] = "kmgt";
    uint64_t factor = 1;
    const char *letter;

    if (unit[0] == '\0' || strcasecmp(unit, "b") == 0)
        return 1;
    letter = strchr(letters, tolower((unsigned char)unit[0]));
    if (letter == NULL)
        return 0;
    for (const char *p = letters; p <= letter; p++) {
        if (strcasecmp(unit + 1, "b") == 0) {
            factor *= 1000;
        } else if (unit[1] == '\0' || strcasecmp(unit + 1, "ib") == 0) {
            factor *= 1024;
        } else {
            return 0;
        }
    }
    return factor;
}

int parse_size(const char *text, uint64_t *ret_bytes, struct err *err)
{
    uint64_t whole, fraction = 0, scale = 1, factor, part;
    const char *p = text;

    if (!scan_u64(&p, &whole))
        goto bad;
    if (*p == '.') {
        if (!is_digit(*++p))
            goto bad;
        for (; is_digit(*p) && scale < 1000000; p++) {
            fraction = fraction * 10 + (uint64_t)(*p - '0');
            scale *= 10;
        }
    }
    if (*p == ' ')
        p++;
    factor = size_unit(p);
    if (factor == 0 || (scale > 1 && factor == 1))
        goto bad;
    part = fraction * factor / scale; /* below 10^6 * 2^40, which 64 bits hold */
    if (whole > (UINT64_MAX - part) / factor)
        return err_set(err, ERR_CONFIG, "'%s' is too large", text);
    *ret_bytes = whole * factor + part;
    return 0;
bad:
    return err_set(err, ERR_CONFIG, "'%s' is not a size such as 512KiB, 64MiB or 1.5GiB", text);
}

/* Milliseconds of a duration's unit at *text, advancing it; 0 for an unknown one. */
static int64_t scan_duration_unit(const char **text)
{
    /* "ms" before "m", with which it begins. */
    static const struct {
        const char *unit;
        int64_t ms;
    } units[] = { { "ms", 1 },      { "s", 1000 },     { "m", 60000 },
                  { "h", 3600000 }, { "d", 86400000 }, { "w", 604800000 } };

    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        const size_t len = strlen(units[i].unit);

        if (strncmp(*text, units[i].unit, len) == 0) {
            *text += len;
            return units[i].ms;
        }
    }
    return 0;
}

int parse_duration(const char *text, int64_t *ret_ms, struct err *err)
{
    const char *p = text;
    int64_t total = 0;

    do {
        uint64_t value;
        int64_t unit;

        if (!scan_u64(&p, &value) || (unit = scan_duration_unit(&p)) == 0) {
            return err_set(err, ERR_CONFIG,
                           "'%s' is not a duration such as 500ms, 30s, 15m or 1h30m", text);
        }
        if (value > (uint64_t)((INT64_MAX - total) / unit))
            return err_set(err, ERR_CONFIG, "'%s' is too long", text);
        total += (int64_t)value * unit;
    } while (*p != '\0');
    *ret_ms = total;
    return 0;
}

static int hex_digit(char c)
{
    if (is_digit(c))
        return c - '0';
    c = (char)tolower((unsigned char)c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int parse_hex(const char *text, uint8_t *ret, size_t len, struct err *err)
{
    if (strlen(text) != 2 * len)
        return err_set(err, ERR_CONFIG, "'%s' is not %zu hex digits", text, 2 * len);
    for (size_t i = 0; i < 2 * len; i++) {
        if (hex_digit(text[i]) < 0)
            return err_set(err, ERR_CONFIG, "'%s' is not %zu hex digits", text, 2 * len);
    }
    for (size_t i = 0; i < len; i++)
        ret[i] = (uint8_t)(hex_digit(text[2 * i]) * 16 + hex_digit(text[2 * i + 1]));
    return 0;
}

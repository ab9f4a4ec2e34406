#include "base/parse.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/err.h"

/* A date and time of day as written, before a zone is applied. */
struct civil {
    int year, month, day; /* month and day from 1 */
    int hour, minute, second;
    int ms;
};

static bool is_leap(int year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static bool civil_is_valid(const struct civil *c)
{
    static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };

    if (c->year < 1970 || c->year > 9999 || c->month < 1 || c->month > 12 || c->day < 1)
        return false;
    if (c->day > days[c->month - 1] + (c->month == 2 && is_leap(c->year) ? 1 : 0))
        return false;
    /* 60: a leap second, which POSIX time counts as the next second. */
    return c->hour >= 0 && c->hour < 24 && c->minute >= 0 && c->minute < 60 && c->second >= 0 &&
           c->second <= 60;
}

/* The seconds since 1970 if the zone were UTC. */
static int64_t civil_seconds(const struct civil *c)
{
    struct tm tm = { 0 };

    tm.tm_year = c->year - 1900;
    tm.tm_mon = c->month - 1;
    tm.tm_mday = c->day;
    tm.tm_hour = c->hour;
    tm.tm_min = c->minute;
    tm.tm_sec = c->second;
    return (int64_t)timegm(&tm);
}

static int64_t local_offset(int64_t seconds)
{
    const time_t at = (time_t)seconds;
    struct tm tm = { 0 };

    (void)localtime_r(&at, &tm);
    return (int64_t)tm.tm_gmtoff;
}

/* Not mktime(), whose answer for an hour that comes twice depends on what it was asked before. */
static int64_t local_seconds(const struct civil *c)
{
    const int64_t day = 86400; /* no zone is that far from UTC */
    const int64_t as_utc = civil_seconds(c);
    const int64_t before = local_offset(as_utc - day), after = local_offset(as_utc + day);

    if (local_offset(as_utc - before) != before && local_offset(as_utc - after) == after)
        return as_utc - after;
    return as_utc - before;
}

/* Exactly count digits at *text, advancing it. */
static bool scan_digits(const char **text, int count, int *ret)
{
    int value = 0;

    for (int i = 0; i < count; i++) {
        const char c = (*text)[i];

        if (c < '0' || c > '9')
            return false;
        value = value * 10 + (c - '0');
    }
    *text += count;
    *ret = value;
    return true;
}

static bool scan_char(const char **text, char c)
{
    if (**text != c)
        return false;
    (*text)++;
    return true;
}

static bool scan_hms(const char **text, struct civil *c)
{
    return scan_digits(text, 2, &c->hour) && scan_char(text, ':') &&
           scan_digits(text, 2, &c->minute) && scan_char(text, ':') &&
           scan_digits(text, 2, &c->second);
}

/* ".123456": milliseconds are kept, the rest is cut off. */
static void scan_fraction(const char **text, int *ret_ms)
{
    int scale = 100;

    if (**text != '.' || (*text)[1] < '0' || (*text)[1] > '9')
        return;
    for ((*text)++; **text >= '0' && **text <= '9'; (*text)++) {
        *ret_ms += (**text - '0') * scale;
        scale /= 10;
    }
}

enum zone {
    ZONE_LOCAL,
    ZONE_OFFSET
};

/* "Z", "+01:00", "-0330" or nothing. */
static bool scan_zone(const char **text, enum zone *ret_zone, int *ret_offset_min)
{
    int hours = 0, minutes = 0;
    const char sign = **text;

    *ret_offset_min = 0;
    *ret_zone = ZONE_LOCAL;
    if (sign == '\0')
        return true;
    *ret_zone = ZONE_OFFSET;
    if (sign == 'Z' || sign == 'z') {
        (*text)++;
        return true;
    }
    if (sign != '+' && sign != '-')
        return false;
    (*text)++;
    if (!scan_digits(text, 2, &hours))
        return false;
    (void)scan_char(text, ':');
    if (!scan_digits(text, 2, &minutes) || hours > 23 || minutes > 59)
        return false;
    *ret_offset_min = (hours * 60 + minutes) * (sign == '-' ? -1 : 1);
    return true;
}

/* RFC 3339, with what people leave out: the zone (then local time), the seconds, the time. */
static bool parse_timestamp(const char *text, int64_t *ret_ms)
{
    struct civil c = { 0 };
    enum zone zone = ZONE_LOCAL;
    int offset_min = 0;
    int64_t seconds;

    if (!scan_digits(&text, 4, &c.year) || !scan_char(&text, '-') ||
        !scan_digits(&text, 2, &c.month) || !scan_char(&text, '-') ||
        !scan_digits(&text, 2, &c.day))
        return false;
    if (*text != '\0') {
        if (*text != 'T' && *text != 't' && *text != ' ')
            return false;
        text++;
        if (!scan_digits(&text, 2, &c.hour) || !scan_char(&text, ':') ||
            !scan_digits(&text, 2, &c.minute))
            return false;
        if (scan_char(&text, ':')) {
            if (!scan_digits(&text, 2, &c.second))
                return false;
            scan_fraction(&text, &c.ms);
        }
        (void)scan_char(&text, ' ');
        if (!scan_zone(&text, &zone, &offset_min) || *text != '\0')
            return false;
    }
    if (!civil_is_valid(&c))
        return false;
    seconds = zone == ZONE_LOCAL ? local_seconds(&c) : civil_seconds(&c) - INT64_C(60) * offset_min;
    *ret_ms = seconds * 1000 + c.ms;
    return true;
}

int parse_time(const char *text, int64_t now_ms, int64_t *ret_ms, struct err *err)
{
    char duration[32];
    const size_t len = strlen(text);
    int64_t age_ms;

    if (strcmp(text, "now") == 0) {
        *ret_ms = now_ms;
        return 0;
    }
    if (parse_timestamp(text, ret_ms))
        return 0;
    if (len > 0 && len < sizeof(duration)) {
        memcpy(duration, text, len + 1);
        if (len > 4 && strcmp(duration + len - 4, " ago") == 0)
            duration[len - 4] = '\0';
        if (parse_duration(duration, &age_ms, NULL) == 0 && age_ms <= now_ms) {
            *ret_ms = now_ms - age_ms;
            return 0;
        }
    }
    return err_set(err, ERR_CONFIG,
                   "'%s' is not a time such as 2026-11-23T06:00:00Z, '2026-11-23 07:00' or 2h",
                   text);
}

static bool scan_month(const char **text, int *ret_month)
{
    static const char names[] = "janfebmaraprmayjunjulaugsepoctnovdec";

    for (int i = 0; i < 12; i++) {
        if (strncasecmp(*text, names + (size_t)i * 3, 3) == 0) {
            *text += 3;
            *ret_month = i + 1;
            return true;
        }
    }
    return false;
}

/* "06 Nov 1994 08:49:37 GMT", and RFC 850's "06-Nov-94 08:49:37 GMT". */
static bool scan_after_comma(const char *p, struct civil *c)
{
    char separator;

    if (!scan_char(&p, ' ') || !scan_digits(&p, 2, &c->day))
        return false;
    separator = *p++;
    if ((separator != ' ' && separator != '-') || !scan_month(&p, &c->month) ||
        !scan_char(&p, separator))
        return false;
    if (separator == ' ') {
        if (!scan_digits(&p, 4, &c->year))
            return false;
    } else {
        if (!scan_digits(&p, 2, &c->year))
            return false;
        c->year += c->year < 70 ? 2000 : 1900;
    }
    return scan_char(&p, ' ') && scan_hms(&p, c) && strcmp(p, " GMT") == 0;
}

/* asctime: "Sun Nov  6 08:49:37 1994". */
static bool scan_asctime(const char *p, struct civil *c)
{
    if (strlen(p) != 24 || p[3] != ' ')
        return false;
    p += 4;
    if (!scan_month(&p, &c->month) || !scan_char(&p, ' '))
        return false;
    if (scan_char(&p, ' ')) {
        if (!scan_digits(&p, 1, &c->day))
            return false;
    } else if (!scan_digits(&p, 2, &c->day)) {
        return false;
    }
    return scan_char(&p, ' ') && scan_hms(&p, c) && scan_char(&p, ' ') &&
           scan_digits(&p, 4, &c->year) && *p == '\0';
}

int parse_http_date(const char *text, int64_t *ret_ms, struct err *err)
{
    const char *comma = strchr(text, ',');
    struct civil c = { 0 };

    if (!(comma != NULL ? scan_after_comma(comma + 1, &c) : scan_asctime(text, &c)) ||
        !civil_is_valid(&c))
        return err_set(err, ERR_CONFIG, "'%s' is not an HTTP date", text);
    *ret_ms = civil_seconds(&c) * 1000;
    return 0;
}

#include "agent/cron.h"

#include "base/buf.h"
#include "base/err.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define DAY_SEC         INT64_C(86400)
#define MINUTES_PER_DAY (24 * 60)
#define FIELD_COUNT     5
#define HINT_FIELDS     "the fields are minute, hour, day of month, month, day of week"

struct field_spec {
    const char *name;
    unsigned min, max;
    const char *allowed;
    const char *names; /* three letters each, the first stands for min; NULL when it has none */
};

static const struct field_spec field_specs[FIELD_COUNT] = {
    { "minute", 0, 59, "0 to 59", NULL },
    { "hour", 0, 23, "0 to 23", NULL },
    { "day of month", 1, 31, "1 to 31", NULL },
    { "month", 1, 12, "1 to 12 or jan to dec", "janfebmaraprmayjunjulaugsepoctnovdec" },
    { "day of week", 0, 7, "0 to 7 or sun to sat", "sunmontuewedthufrisat" },
};

enum field {
    FIELD_MINUTE,
    FIELD_HOUR,
    FIELD_DAY,
    FIELD_MONTH,
    FIELD_WEEKDAY
};

static const struct {
    const char *word, *expression;
} words[] = {
    { "@hourly", "0 * * * *" },   { "@daily", "0 0 * * *" },   { "@midnight", "0 0 * * *" },
    { "@weekly", "0 0 * * 0" },   { "@monthly", "0 0 1 * *" }, { "@yearly", "0 0 1 1 *" },
    { "@annually", "0 0 1 1 *" },
};

/* What is being read: one item of a field's list, which is what messages quote. */
struct item {
    const struct field_spec *spec;
    struct str text;
    size_t at; /* how much of text is read */
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static int refuse(const struct item *item, const char *why, struct err *err)
{
    return err_set(err, ERR_CONFIG, "%s field '%.*s': %s", item->spec->name, (int)item->text.len,
                   item->text.ptr, why);
}

static bool take(struct item *item, char c)
{
    if (item->at == item->text.len || item->text.ptr[item->at] != c)
        return false;
    item->at++;
    return true;
}

static bool take_number(struct item *item, unsigned *ret)
{
    const size_t start = item->at;
    unsigned value = 0;

    while (item->at < item->text.len && item->at - start < 4) {
        const char c = item->text.ptr[item->at];

        if (c < '0' || c > '9')
            break;
        value = value * 10 + (unsigned)(c - '0');
        item->at++;
    }
    *ret = value;
    return item->at > start;
}

static bool take_name(struct item *item, unsigned *ret)
{
    const char *names = item->spec->names;

    if (names == NULL || item->text.len - item->at < 3)
        return false;
    for (unsigned i = 0; names[(size_t)i * 3] != '\0'; i++) {
        if (strncasecmp(item->text.ptr + item->at, names + (size_t)i * 3, 3) == 0) {
            item->at += 3;
            *ret = item->spec->min + i;
            return true;
        }
    }
    return false;
}

static bool take_value(struct item *item, unsigned *ret)
{
    return (take_number(item, ret) || take_name(item, ret)) && *ret >= item->spec->min &&
           *ret <= item->spec->max;
}

static uint64_t steps(unsigned first, unsigned last, unsigned step)
{
    uint64_t set = 0;

    for (unsigned value = first; value <= last; value += step)
        set |= UINT64_C(1) << value;
    return set;
}

/* "/5"; 1 when there is none. */
static int parse_step(struct item *item, unsigned *ret_step, struct err *err)
{
    char allowed[32];

    *ret_step = 1;
    if (!take(item, '/'))
        return 0;
    if (take_number(item, ret_step) && *ret_step >= 1 && *ret_step <= item->spec->max)
        return 0;
    (void)snprintf(allowed, sizeof(allowed), "a step is 1 to %u", item->spec->max);
    return refuse(item, allowed, err);
}

/* "*", "5", "1-30", each with or without a step. */
static int parse_item(struct item *item, uint64_t *set, struct err *err)
{
    const bool is_weekday = item->spec == &field_specs[FIELD_WEEKDAY];
    const bool is_star = take(item, '*');
    unsigned first = item->spec->min, last = is_weekday ? 6 : item->spec->max, step;
    int r;

    if (!is_star) {
        bool is_range;

        if (!take_value(item, &first))
            return refuse(item, item->spec->allowed, err);
        is_range = take(item, '-');
        if (is_range && !take_value(item, &last))
            return refuse(item, item->spec->allowed, err);
        if (is_weekday && is_range && first > 0 && last == 0)
            last = 7; /* fri-sun */
        if (is_weekday && !is_range && first == 7)
            first = 0;
        if (!is_range && item->at == item->text.len)
            last = first;
    }
    r = parse_step(item, &step, err);
    if (r < 0)
        return r;
    if (item->at < item->text.len)
        return refuse(item, item->spec->allowed, err);
    if (first > last) {
        r = refuse(item, "the range ends before it begins", err);
        err_hint(err, "two ranges in a list go round the end: 22-23,0-4");
        return r;
    }
    *set |= steps(first, last, step);
    return 0;
}

static int parse_field(enum field field, struct str text, uint64_t *ret_set, struct err *err)
{
    size_t begin = 0;
    uint64_t set = 0;

    for (size_t i = 0; i <= text.len; i++) {
        struct item item = { .spec = &field_specs[field] };
        int r;

        if (i < text.len && text.ptr[i] != ',')
            continue;
        item.text = (struct str){ text.ptr + begin, i - begin };
        r = parse_item(&item, &set, err);
        if (r < 0)
            return r;
        begin = i + 1;
    }
    *ret_set = set;
    return 0;
}

/* @return how many there are, also past FIELD_COUNT. */
static unsigned split_fields(const char *text, struct str ret_fields[FIELD_COUNT])
{
    unsigned count = 0;

    for (;;) {
        size_t len = 0;

        while (is_blank(*text))
            text++;
        if (*text == '\0')
            return count;
        while (text[len] != '\0' && !is_blank(text[len]))
            len++;
        if (count < FIELD_COUNT)
            ret_fields[count] = (struct str){ text, len };
        count++;
        text += len;
    }
}

/* Vixie cron asks what the field begins with, not whether it holds every value. */
static bool begins_with_star(struct str field)
{
    return field.ptr[0] == '*';
}

static bool both_days_must_fit(const struct cron *cron)
{
    return cron->day_star || cron->weekday_star;
}

/* Every date, 29 February too, falls on each day of the week some year: only the day of the month
 * can be one that no chosen month has. */
static bool comes_ever(const struct cron *cron)
{
    static const unsigned lengths[] = { 0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };

    if (!both_days_must_fit(cron))
        return true;
    for (unsigned month = 1; month <= 12; month++) {
        const uint64_t days_of_month = (UINT64_C(1) << (lengths[month] + 1)) - 1;

        if ((cron->months >> month & 1) != 0 && (cron->days & days_of_month) != 0)
            return true;
    }
    return false;
}

static int check_field_count(const char *text, unsigned count, struct err *err)
{
    if (count == FIELD_COUNT)
        return 0;
    err_set(err, ERR_CONFIG, "'%s' has %u field%s, not 5", text, count, count == 1 ? "" : "s");
    err_hint(err, HINT_FIELDS "%s",
             count > FIELD_COUNT ? "; there is none for seconds, a user or a command" : "");
    return ERR_CONFIG;
}

static int parse_expression(const char *text, struct cron *ret, struct err *err)
{
    struct str fields[FIELD_COUNT] = { { NULL, 0 } };
    uint64_t sets[FIELD_COUNT] = { 0 };
    struct cron cron;
    int r = check_field_count(text, split_fields(text, fields), err);

    if (r < 0)
        return r;
    for (unsigned i = 0; i < FIELD_COUNT; i++) {
        r = parse_field((enum field)i, fields[i], &sets[i], err);
        if (r < 0)
            return r;
    }
    cron = (struct cron){
        .minutes = sets[FIELD_MINUTE],
        .hours = (uint32_t)sets[FIELD_HOUR],
        .days = (uint32_t)sets[FIELD_DAY],
        .months = (uint16_t)sets[FIELD_MONTH],
        .weekdays = (uint8_t)((sets[FIELD_WEEKDAY] | sets[FIELD_WEEKDAY] >> 7) & 0x7f),
        .hour_star = begins_with_star(fields[FIELD_HOUR]),
        .day_star = begins_with_star(fields[FIELD_DAY]),
        .weekday_star = begins_with_star(fields[FIELD_WEEKDAY]),
    };
    if (!comes_ever(&cron))
        return err_set(err, ERR_CONFIG, "'%s' never comes: no such month has such a day", text);
    *ret = cron;
    return 0;
}

int cron_parse(const char *text, struct cron *ret, struct err *err)
{
    size_t len;

    while (is_blank(*text))
        text++;
    if (*text != '@')
        return parse_expression(text, ret, err);
    len = strlen(text);
    while (len > 0 && is_blank(text[len - 1]))
        len--;
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (len == strlen(words[i].word) && strncasecmp(text, words[i].word, len) == 0)
            return parse_expression(words[i].expression, ret, err);
    }
    err_set(err, ERR_CONFIG,
            "'%s' is not one of @hourly, @daily, @midnight, @weekly, @monthly, @yearly, @annually",
            text);
    if (len == strlen("@reboot") && strncasecmp(text, "@reboot", len) == 0) {
        err_hint(err,
                 "what was missed while the agent was not running is made up for at its start");
    }
    return ERR_CONFIG;
}

/* The runs of a set, "1,3-5"; a lone pair is two values. */
static void format_set(uint64_t set, unsigned min, unsigned max, struct buf *out)
{
    const char *separator = "";

    for (unsigned first = min; first <= max; first++) {
        unsigned last = first;

        if ((set >> first & 1) == 0)
            continue;
        while (last < max && (set >> (last + 1) & 1) != 0)
            last++;
        if (last < first + 2) {
            last = first;
            buf_addf(out, "%s%u", separator, first);
        } else {
            buf_addf(out, "%s%u-%u", separator, first, last);
        }
        separator = ",";
        first = last;
    }
}

/* A field that began with a star begins so again, for that is part of what it means. */
static void format_field(uint64_t set, bool star, enum field field, struct buf *out)
{
    const unsigned min = field_specs[field].min;
    const unsigned max = field == FIELD_WEEKDAY ? 6 : field_specs[field].max;
    unsigned step = 1;

    /* The smallest step that names no value beside the set. */
    while (step <= max && (steps(min, max, step) & ~set) != 0)
        step++;
    /* There a star means nothing, and is written where it is shorter. */
    if (field == FIELD_MINUTE || field == FIELD_MONTH)
        star = set == steps(min, max, step) && step <= (max + 1) / 2;
    if (star) {
        buf_add_char(out, '*');
        if (step > 1)
            buf_addf(out, "/%u", step);
        set &= ~steps(min, max, step);
        if (set != 0)
            buf_add_char(out, ',');
    }
    format_set(set, min, max, out);
}

void cron_format(const struct cron *cron, struct buf *out)
{
    format_field(cron->minutes, false, FIELD_MINUTE, out);
    buf_add_char(out, ' ');
    format_field(cron->hours, cron->hour_star, FIELD_HOUR, out);
    buf_add_char(out, ' ');
    format_field(cron->days, cron->day_star, FIELD_DAY, out);
    buf_add_char(out, ' ');
    format_field(cron->months, false, FIELD_MONTH, out);
    buf_add_char(out, ' ');
    format_field(cron->weekdays, cron->weekday_star, FIELD_WEEKDAY, out);
}

static bool day_fits(const struct cron *cron, int day, int weekday)
{
    const bool day_of_month = (cron->days >> day & 1) != 0;
    const bool day_of_week = (cron->weekdays >> weekday & 1) != 0;

    return both_days_must_fit(cron) ? day_of_month && day_of_week : day_of_month || day_of_week;
}

/* The first minute of the day at or after from, or MINUTES_PER_DAY. */
static int find_minute(const struct cron *cron, int from)
{
    for (int minute = from; minute < MINUTES_PER_DAY; minute++) {
        if ((cron->hours >> (minute / 60) & 1) == 0) {
            minute += 59 - minute % 60;
        } else if ((cron->minutes >> (minute % 60) & 1) != 0) {
            return minute;
        }
    }
    return MINUTES_PER_DAY;
}

static int64_t next_month(const struct tm *date)
{
    struct tm first = { .tm_year = date->tm_year, .tm_mon = date->tm_mon + 1, .tm_mday = 1 };

    return (int64_t)timegm(&first);
}

bool cron_find(const struct cron *cron, int64_t from_sec, int64_t to_sec, int64_t *ret_sec)
{
    int64_t day_sec;
    int from_minute;

    if (from_sec < 0)
        from_sec = 0;
    day_sec = from_sec - from_sec % DAY_SEC;
    from_minute = (int)((from_sec - day_sec + 59) / 60); /* not one that has begun before */
    while (day_sec < to_sec) {
        const time_t at = (time_t)day_sec;
        struct tm date = { 0 };

        (void)gmtime_r(&at, &date);
        if ((cron->months >> (date.tm_mon + 1) & 1) == 0) {
            day_sec = next_month(&date);
        } else {
            const int minute = day_fits(cron, date.tm_mday, date.tm_wday)
                                   ? find_minute(cron, from_minute)
                                   : MINUTES_PER_DAY;

            if (minute < MINUTES_PER_DAY) {
                if (day_sec + INT64_C(60) * minute >= to_sec)
                    return false;
                *ret_sec = day_sec + INT64_C(60) * minute;
                return true;
            }
            day_sec += DAY_SEC;
        }
        from_minute = 0;
    }
    return false;
}

#include "agent/zone_rule.h"

#include "base/err.h"

#include <ctype.h>
#include <stddef.h>
#include <time.h>

#define HOUR_SEC 3600
#define DAY_SEC  INT64_C(86400)

#define DATES_OF_USA ",M3.2.0,M11.1.0"

static bool take(const char **text, char c)
{
    if (**text != c)
        return false;
    (*text)++;
    return true;
}

static bool take_number(const char **text, int min, int max, int *ret)
{
    const char *start = *text;
    int value = 0;

    while (**text >= '0' && **text <= '9' && value <= max) {
        value = value * 10 + (**text - '0');
        (*text)++;
    }
    *ret = value;
    return *text > start && value >= min && value <= max;
}

/* Three letters or more, or anything with digits and signs in angle brackets: "CET", "<+0330>". */
static bool skip_name(const char **text)
{
    const bool quoted = take(text, '<');
    const char *start = *text;

    while (isalpha((unsigned char)**text) ||
           (quoted && (isdigit((unsigned char)**text) || **text == '+' || **text == '-')))
        (*text)++;
    return *text - start >= 3 && (!quoted || take(text, '>'));
}

/* "[+-]hh[:mm[:ss]]" */
static bool take_time(const char **text, int hours_max, int *ret_sec)
{
    const bool negative = take(text, '-');
    int hours, minutes = 0, seconds = 0;

    if (!negative)
        (void)take(text, '+');
    if (!take_number(text, 0, hours_max, &hours))
        return false;
    if (take(text, ':')) {
        if (!take_number(text, 0, 59, &minutes))
            return false;
        if (take(text, ':') && !take_number(text, 0, 59, &seconds))
            return false;
    }
    *ret_sec = (hours * HOUR_SEC + minutes * 60 + seconds) * (negative ? -1 : 1);
    return true;
}

/* West of Greenwich is positive there, and negative here. */
static bool take_offset(const char **text, int *ret_sec)
{
    int west_sec;

    if (!take_time(text, 24, &west_sec))
        return false;
    *ret_sec = -west_sec;
    return true;
}

/* ",M3.5.0/2" */
static bool take_date(const char **text, struct zone_rule_date *ret)
{
    struct zone_rule_date date = { .kind = ZONE_RULE_ORDINAL, .time_sec = 2 * HOUR_SEC };

    if (!take(text, ','))
        return false;
    if (take(text, 'M')) {
        date.kind = ZONE_RULE_MONTH;
        if (!take_number(text, 1, 12, &date.month) || !take(text, '.') ||
            !take_number(text, 1, 5, &date.week) || !take(text, '.') ||
            !take_number(text, 0, 6, &date.day))
            return false;
    } else if (take(text, 'J')) {
        date.kind = ZONE_RULE_JULIAN;
        if (!take_number(text, 1, 365, &date.day))
            return false;
    } else if (!take_number(text, 0, 365, &date.day)) {
        return false;
    }
    if (take(text, '/') && !take_time(text, 167, &date.time_sec))
        return false;
    *ret = date;
    return true;
}

static bool take_rule(const char *text, struct zone_rule *ret)
{
    const char *dates = DATES_OF_USA;
    struct zone_rule rule = { 0 };

    if (!skip_name(&text) || !take_offset(&text, &rule.standard_sec))
        return false;
    rule.summer_sec = rule.standard_sec;
    if (*text != '\0') {
        rule.has_summer = true;
        rule.summer_sec += HOUR_SEC;
        if (!skip_name(&text))
            return false;
        if (*text != '\0' && *text != ',' && !take_offset(&text, &rule.summer_sec))
            return false;
        if (*text != '\0')
            dates = text;
        if (!take_date(&dates, &rule.summer_begins) || !take_date(&dates, &rule.summer_ends) ||
            *dates != '\0')
            return false;
    }
    *ret = rule;
    return true;
}

int zone_rule_parse(const char *text, struct zone_rule *ret, struct err *err)
{
    if (take_rule(text, ret))
        return 0;
    return err_set(err, ERR_CONFIG, "'%s' is not a rule such as CET-1CEST,M3.5.0,M10.5.0/3", text);
}

static int64_t day_of(int year, int month, int day)
{
    struct tm date = { .tm_year = year - 1900, .tm_mon = month - 1, .tm_mday = day };

    return (int64_t)timegm(&date) / DAY_SEC;
}

static int64_t date_day(const struct zone_rule_date *date, int year)
{
    const int64_t new_year = day_of(year, 1, 1);
    const bool is_leap = day_of(year + 1, 1, 1) - new_year == 366;
    int64_t first, day;
    int weekday;

    if (date->kind == ZONE_RULE_ORDINAL)
        return new_year + date->day;
    if (date->kind == ZONE_RULE_JULIAN)
        return new_year + date->day - (is_leap && date->day >= 60 ? 0 : 1);
    first = day_of(year, date->month, 1);
    weekday = (int)(((first + 4) % 7 + 7) % 7); /* 1 January 1970 was a Thursday */
    day = first + (date->day - weekday + 7) % 7 + INT64_C(7) * (date->week - 1);
    return day < day_of(year, date->month + 1, 1) ? day : day - 7;
}

int64_t zone_rule_summer_begins(const struct zone_rule *rule, int year)
{
    return date_day(&rule->summer_begins, year) * DAY_SEC + rule->summer_begins.time_sec -
           rule->standard_sec;
}

int64_t zone_rule_summer_ends(const struct zone_rule *rule, int year)
{
    return date_day(&rule->summer_ends, year) * DAY_SEC + rule->summer_ends.time_sec -
           rule->summer_sec;
}

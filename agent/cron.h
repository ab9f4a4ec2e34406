/*
 * cron.h - five-field cron expressions: parse, format, and the next minute that one names.
 *
 * Pure, and without time zones: times here are those of a clock on the wall, counted in seconds
 * since 1970 as if the wall stood in UTC.  What a zone makes of them is schedule.h.
 *
 * The fields are minute, hour, day of month, month, day of week: each a list of values, ranges and
 * stars, with steps ("1-30/5"; "5/10" is from 5 to the end) and names ("jan", "mon", any case);
 * Sunday is 0 and 7.  As in Vixie cron a day fits if its day of month or its day of week does; but
 * if one of these fields begins with a star, both must: crontab(5) of Debian's cron 3.0pl1.
 */
#ifndef AGENT_CRON_H
#define AGENT_CRON_H

#include <stdbool.h>
#include <stdint.h>

struct buf;
struct err;

/* A value: bit n of a set stands for n. */
struct cron {
    uint64_t minutes; /* 0 to 59 */
    uint32_t hours;   /* 0 to 23 */
    uint32_t days;    /* 1 to 31 */
    uint16_t months;  /* 1 to 12 */
    uint8_t weekdays; /* 0 to 6, from Sunday */
    bool hour_star;   /* its field begins with `*`, and so on */
    bool day_star;    /* of the month */
    bool weekday_star;
};

/* Five fields, or @hourly, @daily, @midnight, @weekly, @monthly, @yearly, @annually.  ERR_CONFIG
 * names the field and what it may hold; also for what would never come, such as 30 February. */
int cron_parse(const char *text, struct cron *ret, struct err *err);

/* Five fields in a canonical form, which cron_parse() makes the same value of. */
void cron_format(const struct cron *cron, struct buf *out);

/* The first minute at or after from_sec, before to_sec, in wall clock seconds from 0 to year 9999.
 * @return false when there is none. */
bool cron_find(const struct cron *cron, int64_t from_sec, int64_t to_sec, int64_t *ret_sec);

#endif

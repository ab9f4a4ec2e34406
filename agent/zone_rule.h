/*
 * zone_rule.h - the rule by which a zone changes its clocks every year, as POSIX writes it in TZ
 * and TZif files at their end: "CET-1CEST,M3.5.0,M10.5.0/3".  Pure.
 *
 * Source: POSIX.1-2017, 8.3; RFC 8536, 3.3.1 (times of -167 to 167 hours).
 */
#ifndef AGENT_ZONE_RULE_H
#define AGENT_ZONE_RULE_H

#include <stdbool.h>
#include <stdint.h>

struct err;

struct zone_rule_date {
    enum {
        ZONE_RULE_JULIAN,  /* day 1 to 365, never 29 February */
        ZONE_RULE_ORDINAL, /* day 0 to 365 */
        ZONE_RULE_MONTH    /* day 0 to 6 from Sunday, of week 1 to 5 (the last) of month */
    } kind;
    int month, week, day;
    int time_sec; /* of the clock as it stood before the change; may be negative */
};

struct zone_rule {
    int standard_sec; /* offset from UTC */
    int summer_sec;   /* the same when has_summer is false */
    bool has_summer;
    struct zone_rule_date summer_begins, summer_ends;
};

/* ERR_CONFIG.  A summer time without dates is that of the United States, as in glibc. */
int zone_rule_parse(const char *text, struct zone_rule *ret, struct err *err);

/* When in the given year (1 to 9999) clocks change, in seconds since 1970.  has_summer only. */
int64_t zone_rule_summer_begins(const struct zone_rule *rule, int year);
int64_t zone_rule_summer_ends(const struct zone_rule *rule, int year);

#endif

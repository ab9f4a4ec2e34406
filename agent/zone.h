/*
 * zone.h - how far the clock on the wall is from UTC, and when that changes.
 *
 * A reader of compiled zone data of its own, for the C library knows one zone for the whole process
 * (TZ), which cannot be changed while other threads read it, and does not tell when a zone's
 * clocks change.  For "local" it looks where localtime_r() does, so both agree.
 *
 * A zone is loaded once and never changes: any thread may ask it anything.
 *
 * Source: RFC 8536 (TZif); POSIX.1-2017, 8.3 (the value of TZ).
 */
#ifndef AGENT_ZONE_H
#define AGENT_ZONE_H

#include <stddef.h>
#include <stdint.h>

struct err;
struct zone;

#define ZONE_FILE_LEN_MAX (1u << 20) /* the largest file of 2025b has 3.6 KB */
#define ZONE_YEAR_MAX     2399       /* no change is known after it: the last offset stays */

/**
 * @param name  "UTC" (needs no data), "local", or as below $TZDIR or /usr/share/zoneinfo:
 *              "Europe/Berlin".  "local" is what TZ says: such a name, a path, or a rule of
 *              POSIX ("CET-1CEST,M3.5.0,M10.5.0/3"); unset, it is /etc/localtime, or else UTC.
 *
 * Errors: ERR_CONFIG for a name that is none or is not there, ERR_CORRUPT for data that is not TZif
 * version 2 or later or counts leap seconds, ERR_IO, ERR_NOMEM.
 */
int zone_load(const char *name, struct zone **ret, struct err *err);
/* From the bytes of a TZif file, or from a POSIX rule; name is for zone_name() and messages. */
int zone_parse(const char *name, const void *data, size_t len, struct zone **ret, struct err *err);
int zone_parse_rule(const char *name, const char *text, struct zone **ret, struct err *err);
void zone_free(struct zone *zone);

/* As it was asked for. */
const char *zone_name(const struct zone *zone);

/* A stretch of time with one offset; seconds since 1970. */
struct zone_span {
    int64_t begin_sec;     /* INT64_MIN when nothing was before */
    int64_t end_sec;       /* not part of it; INT64_MAX when nothing comes after */
    int offset_sec;        /* what the wall shows is UTC + offset; less than two days */
    int offset_before_sec; /* that of the span before; offset_sec when there is none */
};

/* The one that at_sec lies in.  zone: NULL is UTC. */
struct zone_span zone_span(const struct zone *zone, int64_t at_sec);

#endif

/*
 * parse.h - text to numbers, sizes, durations and times, and back.  Pure; strict: the whole text
 * must be used, and nothing out of range is clamped.  Errors are ERR_CONFIG with the text quoted,
 * without naming where it stood; the caller wraps.
 */
#ifndef BASE_PARSE_H
#define BASE_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;

int parse_u64(const char *text, uint64_t min, uint64_t max, uint64_t *ret, struct err *err);
/* true/false, yes/no, on/off, 1/0; any case. */
int parse_bool(const char *text, bool *ret, struct err *err);
/* Bytes: "1048576", "64k", "64KiB", "64MB" (decimal), "1.5GiB".  k/M/G/T alone are binary. */
int parse_size(const char *text, uint64_t *ret_bytes, struct err *err);
/* Milliseconds: "500ms", "30s", "15m", "2h", "1d", "1w", "1h30m".  A bare number is an error. */
int parse_duration(const char *text, int64_t *ret_ms, struct err *err);
/* RFC 3339 with zone ("2026-11-23T06:00:00Z", "+01:00", fraction allowed, 'T' or a space), or
 * without a zone (local time), without seconds, a date alone (midnight), "now", or "2h ago"
 * style durations ("2h", "2h ago") relative to now_ms.  Result in ms since 1970.  When clocks are
 * put back, the first of two; a time that they skip counts from the offset before (RFC
 * 5545, 3.3.5). */
int parse_time(const char *text, int64_t now_ms, int64_t *ret_ms, struct err *err);
/* IMF-fixdate, RFC 850 and asctime dates (RFC 9110 section 5.6.7), locale-independent. */
int parse_http_date(const char *text, int64_t *ret_ms, struct err *err);
/* Exactly len bytes from 2*len hex digits, either case. */
int parse_hex(const char *text, uint8_t *ret, size_t len, struct err *err);

#define FORMAT_TIME_SIZE 40
/* "2026-11-23T06:00:00.123Z"; the fraction only when with_ms. */
void format_time_utc(int64_t ms, bool with_ms, char out[FORMAT_TIME_SIZE]);
/* "20261123T060000Z", the basic form that SigV4 uses. */
void format_time_basic(int64_t ms, char out[FORMAT_TIME_SIZE]);
/* "2026-11-23 07:00:00 CET": local time with the zone's name. */
void format_time_local(int64_t ms, char out[FORMAT_TIME_SIZE]);
#define FORMAT_SIZE_SIZE 24
/* "0 B", "512 B", "95.3 KiB", "1.2 GiB": binary units, one decimal from KiB on. */
void format_size(uint64_t bytes, char out[FORMAT_SIZE_SIZE]);
/* "just now", "5 minutes ago", "1 hour ago", "3 days ago"; the future is "in 5 minutes". */
void format_age(int64_t age_ms, char out[FORMAT_TIME_SIZE]);
/* "850 ms", "2.4 s", "1 min 5 s", "2 h 3 min". */
void format_duration(int64_t ms, char out[FORMAT_TIME_SIZE]);

#endif

/*
 * output.h - what commands print on standard output: tables for people, JSON for programs.
 *
 * Times are RFC 3339 UTC in JSON, local with zone and age in tables; sizes are bytes in JSON.  The
 * JSON is stable: fields are added, never renamed or removed.
 */
#ifndef AGENT_OUTPUT_H
#define AGENT_OUTPUT_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct backup_record;
struct buf;
struct err;
struct fetch_tally;

/* The table of `create` and `list`: created_at, id, num_tables, size, stored, state, and label if
 * any row has one.  Rows in the order of backups.  Ids are cut to 8 characters if the table would
 * be wider than `width`. */
void backup_table_format(struct buf *out, const struct backup_record *const *backups, size_t count,
                         int64_t now_ms, size_t width);

/* NULL when out of memory. */
json_t *backup_json(const struct backup_record *backup);
json_t *time_json(int64_t ms); /* null for 0 */
/* null for NULL.  Bytes that are not UTF-8, as in the name of a file, are escaped: see text.h. */
json_t *text_json(const char *text);

/* "copied_bytes" and "fetched_bytes" into an object; NULL is fine. */
void tally_json(json_t *object, const struct fetch_tally *tally);
/* ", 1.2 GiB copied, 3.4 MiB fetched". */
void tally_describe(struct buf *out, const struct fetch_tally *tally);

/* One line, and flush.  Takes ownership; NULL is ERR_NOMEM. */
int output_json(FILE *out, json_t *document, struct err *err);
/* All of text, and flush. */
int output_text(FILE *out, const struct buf *text, struct err *err);

/* "1b4e28ba of 2026-11-23 07:00:00 CET (5 minutes ago)". */
void backup_describe(struct buf *out, const struct backup_record *backup, int64_t now_ms);

#endif

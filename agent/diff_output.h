/*
 * diff_output.h - a comparison of two backups, for people and for programs.  Pure.
 */
#ifndef AGENT_DIFF_OUTPUT_H
#define AGENT_DIFF_OUTPUT_H

#include <jansson.h>
#include <stdint.h>

struct buf;
struct diff_options;
struct diff_result;

/* Which backups, their pages, and a row a table that is not the same, with the keys of its rows
 * where those were kept: "+" added, "-" removed, "~" changed. */
void diff_format(struct buf *out, const struct diff_options *options,
                 const struct diff_result *result, int64_t now_ms);

/* from, to, pages, tables (null when they were not compared), and so on; NULL when out of memory.
 */
json_t *diff_json(const struct diff_options *options, const struct diff_result *result);

#endif

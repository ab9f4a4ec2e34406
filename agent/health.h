/*
 * health.h - whether all is well with the backups of a database, as far as is known here.
 */
#ifndef AGENT_HEALTH_H
#define AGENT_HEALTH_H

#include <stdbool.h>
#include <stdint.h>

struct buf;
struct job;

/* Its last good backup is no older than max_age_ms, and its last restore drill did not fail.
 * Otherwise what is wrong is appended to why. */
bool job_is_healthy(const struct job *job, int64_t max_age_ms, int64_t now_ms, struct buf *why);

/* "2026-11-23 07:00:00 CET (2 hours ago)"; "never" for 0. */
void health_add_when(struct buf *text, int64_t ms, int64_t now_ms);

#endif

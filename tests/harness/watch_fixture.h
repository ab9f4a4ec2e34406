/*
 * watch_fixture.h - what an agent would show of databases that never were.
 */
#ifndef TESTS_HARNESS_WATCH_FIXTURE_H
#define TESTS_HARNESS_WATCH_FIXTURE_H

#include "agent/watch.h"

#define WATCH_NOW_MS INT64_C(1795417200000) /* 2026-11-23T07:00:00Z */

/* Well, with runs and backups; name is copied. */
void watch_fixture_add(struct watch_view *view, const char *name);
/* The last one added. */
struct watch_database *watch_fixture_last(struct watch_view *view);
/* As if its last good backup was so long ago; 0: never. */
void watch_fixture_fail(struct watch_database *database, int64_t age_ms, const char *message);
void watch_fixture_dispose(struct watch_view *view);

#endif

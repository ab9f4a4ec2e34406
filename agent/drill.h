/*
 * drill.h - a restore drill: the newest backup of a database is restored, as after a loss, checked,
 * and thrown away.
 */
#ifndef AGENT_DRILL_H
#define AGENT_DRILL_H

#include <stdint.h>

#include "base/random.h"

struct database;
struct err;
struct session;
struct watch_report;

struct drill_result {
    char id[UUID_TEXT_SIZE]; /* of the backup, also on failure, once it is known; or "" */
    int64_t restore_ms;      /* what the download with all its checks took */
};

/* Restores to a scratch directory (the settings' verify_dir, else spool_dir), after a look whether
 * it has room; SQLite checks the result, whose tables and rows are counted.  That it is whole, or
 * damaged, is put down in the manifest.  watched: takes what was seen of the store.
 *
 * Errors: ERR_CORRUPT (it does not restore), ERR_NOT_FOUND (there is no backup yet, and nothing
 * else), ERR_IO (no room), ERR_CANCELED, and those of the store. */
int drill_run(const struct session *session, const struct database *database,
              struct drill_result *ret_result, struct watch_report *watched, struct err *err);

#endif

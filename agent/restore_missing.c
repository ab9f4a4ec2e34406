#include "agent/restore_missing.h"

#include "agent/choice.h"
#include "agent/progress_bar.h"
#include "agent/session.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/parse.h"
#include "snapshot/catalog.h"
#include "snapshot/restore.h"
#include "store/object_store.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#define BUSY_TIMEOUT_MS   30000
#define PROGRESS_WHAT_LEN 160

int restore_missing_load(struct object_store *store, const char *database,
                         struct manifest *ret_manifest, bool *ret_none, struct err *err)
{
    struct err why = { 0 };
    int r = catalog_load(store, database, false, ret_manifest, &why);

    /* What a server says is not there is the bucket, or what it has just listed. */
    if (r == ERR_NOT_FOUND && why.http_status == 0) {
        *ret_none = true;
        return 0;
    }
    if (r < 0) {
        if (err != NULL)
            *err = why;
        return r;
    }
    *ret_none = ret_manifest->backup_count == 0;
    return 0;
}

static int fetch(const struct session *session, const struct database *database,
                 struct object_store *store, const struct manifest *manifest, struct err *err)
{
    const struct choice latest = { .backup = "latest" };
    struct restore_options options = {
        .database = database->name,
        .path = database->path,
        .busy_timeout_ms = (int64_t)settings_number(&session->settings, OPTION_BUSY_TIMEOUT, 0),
        .fetch = { .spool_dir = settings_text(&session->settings, OPTION_SPOOL_DIR),
                   .cancel = session->cancel },
        .clock = session->clock,
    };
    struct restore_result result = { 0 };
    const struct backup_record *backup = NULL;
    struct progress_bar *bar = NULL;
    char what[PROGRESS_WHAT_LEN], created[FORMAT_TIME_SIZE];
    int r;

    r = choice_find(&latest, manifest, clock_now_ms(session->clock), &backup, err);
    if (r < 0)
        return r;
    (void)snprintf(what, sizeof(what), "restore '%s'", database->name);
    r = progress_bar_start(session->console, what, &bar, err);
    if (r < 0)
        return r;
    options.fetch.progress = progress_bar_progress(bar);
    r = restore_run(store, manifest, backup, &options, &result, err);
    progress_bar_stop(bar);
    if (r == 0) {
        format_time_local(backup->created_at_ms, created);
        log_info("'%s' was missing: restored from backup %.8s of %s", database->path, backup->id,
                 created);
    }
    restore_result_dispose(&result);
    return r;
}

static int restore_from(const struct session *session, const struct database *database,
                        struct object_store *store, enum missing_outcome *ret_outcome,
                        struct err *err)
{
    struct manifest manifest = MANIFEST_INIT;
    struct lock lock = LOCK_INIT;
    bool none = false;
    int r;

    r = session_lock(session, database->name, BUSY_TIMEOUT_MS, &lock, err);
    if (r < 0)
        return r;
    r = restore_missing_load(store, database->name, &manifest, &none, err);
    if (r == 0 && none) {
        log_info("'%s' is missing, and '%s' has no backup of it yet", database->path, store->url);
        *ret_outcome = MISSING_NO_BACKUP;
    } else if (r == 0) {
        r = fetch(session, database, store, &manifest, err);
        if (r == 0)
            *ret_outcome = MISSING_RESTORED;
    }
    manifest_dispose(&manifest);
    lock_release(&lock);
    return r;
}

int restore_missing(const struct session *session, const struct database *database,
                    enum missing_outcome *ret_outcome, struct err *err)
{
    struct object_store *store = NULL;
    struct stat st;
    int r;

    if (lstat(database->path, &st) == 0) {
        *ret_outcome = MISSING_NOT;
        return 0;
    }
    if (errno != ENOENT) {
        r = err_set_errno(err, "look at '%s'", database->path);
    } else {
        r = session_open_store(session, &store, err);
        if (r == 0)
            r = restore_from(session, database, store, ret_outcome, err);
    }
    object_store_free(store);
    return r < 0 ? err_wrap(err, r, "restore '%s', which is missing", database->name) : 0;
}

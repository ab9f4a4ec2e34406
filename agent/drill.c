#include "agent/drill.h"

#include "agent/database.h"
#include "agent/scratch.h"
#include "agent/session.h"
#include "agent/watch.h"
#include "base/err.h"
#include "base/log.h"
#include "snapshot/catalog.h"
#include "snapshot/verify.h"
#include "store/object_store.h"

#include <stdlib.h>
#include <string.h>

/* Beside the database itself: its page map, and what is fetched ahead. */
#define ROOM_BESIDE (UINT64_C(32) << 20)

/* The findings are worth more than their place in the manifest, which credentials that may only
 * read cannot change. */
static void write_down(struct object_store *store, struct manifest *manifest,
                       const struct verify_result *result, const struct verify_options *options)
{
    struct err why = { 0 };

    if (verify_commit(store, manifest, result, 1, options, &why) < 0) {
        log_warn("'%s': what the restore drill showed could not be written down: %s",
                 manifest->database, why.msg);
    }
}

static int restore_newest(const struct session *session, struct object_store *store,
                          struct manifest *manifest, const struct scratch *scratch,
                          struct drill_result *result, struct err *err)
{
    const struct verify_options options = {
        .restore = true,
        .spool_dir = scratch->path,
        .cancel = session->cancel,
        .clock = session->clock,
    };
    struct verify_result verified = { .num_rows = -1 };
    bool *selected = calloc(manifest->backup_count + 1, sizeof(*selected));
    size_t count = 0;
    int r;

    if (selected == NULL)
        return err_nomem(err);
    selected[manifest->backup_count - 1] = true;
    r = verify_run(store, manifest, selected, &options, &verified, &count, err);
    free(selected);
    if (r < 0)
        return r;
    result->restore_ms = verified.restore_ms;
    write_down(store, manifest, &verified, &options);
    if (!verified.damaged)
        return 0;
    r = err_set(err, ERR_CORRUPT, "backup %.8s does not restore: %s", verified.id, verified.reason);
    err_hint(err, "'holdfast verify' names the backups that do, 'holdfast repair' mends what the "
                  "database still has, 'holdfast create --full' makes one that needs no other");
    return r;
}

static int drill(const struct session *session, struct object_store *store,
                 struct manifest *manifest, struct drill_result *result, struct err *err)
{
    const struct backup_record *newest = &manifest->backups[manifest->backup_count - 1];
    const char *dir = settings_text(&session->settings, OPTION_VERIFY_DIR);
    struct scratch scratch = SCRATCH_INIT;
    int r;

    memcpy(result->id, newest->id, sizeof(result->id));
    if (dir == NULL)
        dir = settings_text(&session->settings, OPTION_SPOOL_DIR);
    r = scratch_make(dir, &scratch, err);
    if (r == 0) {
        r = scratch_check_room(&scratch, newest->size + ROOM_BESIDE, err);
        if (r < 0)
            err_hint(err, "name a directory with more room: dir in [verify]");
    }
    if (r == 0)
        r = restore_newest(session, store, manifest, &scratch, result, err);
    scratch_remove(&scratch);
    return r == ERR_NOT_FOUND ? ERR_IO : r; /* it is not the backup that is missing */
}

int drill_run(const struct session *session, const struct database *database,
              struct drill_result *ret_result, struct watch_report *watched, struct err *err)
{
    struct object_store *store = NULL;
    struct manifest manifest = MANIFEST_INIT;
    int r;

    *ret_result = (struct drill_result){ .restore_ms = 0 };
    r = session_open_store(session, &store, err);
    if (r == 0)
        r = catalog_load(store, database->name, false, &manifest, err);
    if (r == 0 && manifest.backup_count == 0)
        r = err_set(err, ERR_NOT_FOUND, "no backups of '%s'", database->name);
    if (r == 0)
        r = drill(session, store, &manifest, ret_result, err);
    if (manifest.backup_count > 0)
        (void)history_catalog_set(&watched->catalog, &manifest, NULL);
    if (store != NULL)
        watch_report_store(watched, store, session_store_name(session));
    manifest_dispose(&manifest);
    object_store_free(store);
    return r;
}

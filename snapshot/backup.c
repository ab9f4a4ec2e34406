#include "snapshot/backup.h"

#include "base/cancel.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/parse.h"
#include "snapshot/backup_internal.h"
#include "snapshot/backup_plan.h"
#include "snapshot/sqlite_file.h"
#include "store/object_store.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TWO_WRITERS_MS (INT64_C(2) * 60 * 60 * 1000)
#define ATTEMPTS_MAX   3

/* Everything that belongs to one attempt. */
static void backup_reset(struct backup *backup)
{
    source_close(backup->source);
    backup->source = NULL;
    pack_writer_free(backup->pack_writer);
    backup->pack_writer = NULL;
    capture_dispose(&backup->full);
    delta_dispose(&backup->delta);
    parent_dispose(&backup->parent);
    parent_dispose(&backup->remembered);
    state_head_dispose(&backup->head);
    manifest_dispose(&backup->manifest);
    backup_record_dispose(&backup->record);
    backup->stale = false;
}

static void backup_dispose(struct backup *backup)
{
    backup_reset(backup);
    free(backup->path);
}

/* Where the database is.  By path only, and before the store is asked for anything. */
static int identify(struct backup *backup, struct err *err)
{
    int r;

    r = database_name_check(backup->options->database, err);
    if (r < 0)
        return r;
    if (gethostname(backup->host, sizeof(backup->host)) < 0)
        return err_set_errno(err, "find the name of this host");
    backup->host[sizeof(backup->host) - 1] = '\0';
    return sqlite_file_resolve(backup->options->path, &backup->path, err);
}

/* Two databases of the same name must not share one history, and two agents on one database are
 * more often a mistake than a plan. */
static int check_source(const struct backup *backup, struct err *err)
{
    const struct manifest *manifest = &backup->manifest;
    const struct backup_record *newest;
    bool other_host, other_path;
    int64_t age_ms;

    if (manifest->backup_count == 0)
        return 0;
    newest = &manifest->backups[manifest->backup_count - 1];
    other_host = newest->host != NULL && strcmp(newest->host, backup->host) != 0;
    other_path = newest->path != NULL && strcmp(newest->path, backup->path) != 0;
    if (other_host && other_path && !backup->options->adopt) {
        (void)err_set(
            err, ERR_REFUSED, "'%s' holds backups of '%s' on host '%s', and this is '%s' on '%s'",
            backup->options->database, newest->path, newest->host, backup->path, backup->host);
        err_hint(err, "--adopt if it is the same database, moved; --name to begin another");
        return ERR_REFUSED;
    }
    age_ms = clock_now_ms(backup->clock) - newest->created_at_ms;
    if (other_host && age_ms < TWO_WRITERS_MS) {
        char age[FORMAT_TIME_SIZE];

        format_age(age_ms, age);
        log_warn("'%s' was backed up %s by host '%s' too: are two agents at work on it?",
                 backup->options->database, age, newest->host);
    }
    return 0;
}

static int open_source(struct backup *backup, struct err *err)
{
    const struct backup_options *options = backup->options;
    const struct source_options source_options = {
        .path = backup->path,
        .busy_timeout_ms = options->busy_timeout_ms,
        .progress = options->progress,
        .cancel = options->cancel,
        .clock = backup->clock,
        .tables = options->tables,
    };

    return source_open(&source_options, &backup->source, err);
}

static bool nothing_changed(const struct backup *backup)
{
    return backup->delta.hashes != NULL && backup->delta.changed_count == 0 &&
           backup->delta.facts.page_count == backup->parent.map.page_count;
}

static int stand(struct backup *backup, const struct backup_record *standing, struct err *err)
{
    int r;

    backup_record_dispose(&backup->record);
    backup->report.unchanged = true;
    r = backup_record_copy(standing, &backup->record, err);
    pack_set_dispose(&backup->record.packs);
    return r;
}

/* Every page was read, and none differs. */
static int stand_after_reading(struct backup *backup, struct err *err)
{
    const struct backup_record *standing = backup_plan_parent(&backup->manifest, backup->parent.id);

    if (backup->options->observe != NULL)
        backup->options->observe(backup->options->amend_context, &backup->manifest);
    backup_remember(backup, &backup->parent, standing);
    return stand(backup, standing, err);
}

static int attempt(struct backup *backup, struct err *err)
{
    int r;

    if (!backup->distrust && state_load_head(&backup->place, &backup->head, NULL) < 0)
        state_head_dispose(&backup->head);
    r = open_source(backup, err);
    if (r < 0)
        return r;
    if (backup_is_unchanged(backup))
        return stand(backup, &backup->head.standing, err);
    r = backup_get_manifest(backup, err);
    if (r < 0)
        return r;
    backup->hash_seed = backup->manifest.page_hash_seed;
    r = check_source(backup, err);
    if (r < 0)
        return r;
    uuid_v4(backup->record.id);
    r = backup_read(backup, err);
    if (r < 0)
        return r;
    if (nothing_changed(backup) && !backup_is_wanted(backup))
        return stand_after_reading(backup, err);
    r = backup_fill_record(backup, err);
    if (r == 0)
        r = backup_write_pack(backup, err);
    if (r == 0)
        r = backup_commit(backup, err);
    if (r == 0)
        backup_remember_new(backup);
    return r;
}

int backup_create(struct object_store *store, const struct backup_options *options,
                  struct backup_record *ret_record, struct backup_report *ret_report,
                  struct err *err)
{
    struct backup backup = {
        .store = store,
        .options = options,
        .clock = options->clock != NULL ? options->clock : clock_system(),
        .place = { options->state_dir, store->url, options->database },
        .full = CAPTURE_INIT,
        .delta = DELTA_INIT,
        .parent = PARENT_INIT,
        .remembered = PARENT_INIT,
    };
    int r;

    r = identify(&backup, err);
    for (int i = 1; r == 0; i++) {
        r = attempt(&backup, err);
        if (r == 0 || !backup.stale || i == ATTEMPTS_MAX)
            break;
        log_info("'%s': %s: once more", options->database, err != NULL ? err->msg : "it is stale");
        backup_reset(&backup);
        backup.distrust = true;
        r = 0;
    }
    if (r == 0) {
        pack_set_dispose(&backup.record.packs);
        *ret_record = backup.record;
        backup.record = (struct backup_record){ 0 };
        if (ret_report != NULL)
            *ret_report = backup.report;
    }
    backup_dispose(&backup);
    return r;
}

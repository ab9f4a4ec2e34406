#include "retention/renew.h"

#include "base/err.h"
#include "base/log.h"
#include "snapshot/catalog.h"
#include "store/object_store.h"

#include <stdlib.h>
#include <string.h>

/* Set the flag of every pack that the newest backup is read from. */
static void flag_needed(const struct manifest *manifest, bool *needed)
{
    bool changed = true;

    if (manifest->backup_count > 0)
        pack_set_to_flags(&manifest->backups[manifest->backup_count - 1].packs, needed);
    while (changed) { /* what stands in for them, and for those in turn */
        changed = false;
        for (size_t i = 0; i < manifest->pack_count; i++) {
            const struct pack_record *other =
                needed[i] && manifest->packs[i].repaired_by[0] != '\0'
                    ? manifest_find_pack(manifest, manifest->packs[i].repaired_by)
                    : NULL;

            if (other == NULL || needed[other - manifest->packs])
                continue;
            needed[other - manifest->packs] = true;
            changed = true;
        }
    }
    for (size_t i = 0; i < manifest->pack_count; i++) {
        if (manifest->packs[i].replaced_at_ms != 0) /* nobody reads it any more */
            needed[i] = false;
    }
}

static bool ends_too_soon(const struct pack_record *pack, int64_t least_ms)
{
    return pack->locked_until_ms < least_ms;
}

bool renew_is_due(struct object_store *store, const struct manifest *manifest)
{
    const int64_t least_ms = object_now_ms(store) + store->lock_promise_ms;
    bool *needed, due = false;

    if (store->lock_ms == 0)
        return false;
    needed = calloc(manifest->pack_count + 1, sizeof(*needed));
    if (needed == NULL)
        return false; /* it is asked again */
    flag_needed(manifest, needed);
    for (size_t i = 0; i < manifest->pack_count; i++)
        due = due || (needed[i] && ends_too_soon(&manifest->packs[i], least_ms));
    free(needed);
    return due;
}

static int renew(struct object_store *store, const char *database, struct pack_record *pack,
                 struct err *err)
{
    char key[CATALOG_KEY_SIZE];
    int r;

    r = catalog_pack_key(database, pack->id, key, err);
    return r < 0 ? r : object_lock(store, key, &pack->locked_until_ms, err);
}

static int renew_all(struct object_store *store, struct manifest *manifest, const bool *needed,
                     struct err *err)
{
    const int64_t least_ms = object_now_ms(store) + store->lock_promise_ms;
    struct err why = { 0 };
    size_t failed = 0, renewed = 0;
    int r = 0;

    for (size_t i = 0; i < manifest->pack_count; i++) {
        struct pack_record *pack = &manifest->packs[i];

        if (!needed[i] || !ends_too_soon(pack, least_ms))
            continue;
        if (r == 0 || r == ERR_NOT_FOUND) /* any other failure would be the next one's, too */
            r = renew(store, manifest->database, pack, &why);
        if (r == ERR_CANCELED || r == ERR_NOMEM) {
            if (err != NULL)
                *err = why;
            return r;
        }
        failed += r < 0;
        renewed += r == 0;
    }
    if (failed > 0) {
        log_warn("'%s': %zu packs that the newest backup needs are locked for less than was "
                 "promised: %s",
                 manifest->database, failed, why.msg);
    }
    if (renewed > 0)
        log_info("'%s': the locks of %zu packs were renewed", manifest->database, renewed);
    return 0;
}

/* The store was asked to lock the backup's own pack as it was written. */
static int note_own(struct object_store *store, struct manifest *manifest, int64_t written_ms,
                    struct err *err)
{
    const struct backup_record *newest = &manifest->backups[manifest->backup_count - 1];
    int r;

    for (size_t i = 0; i < manifest->pack_count; i++) {
        struct pack_record *pack = &manifest->packs[i];

        if (strcmp(pack->id, newest->id) != 0 || pack->locked_until_ms != 0)
            continue;
        if (manifest->generation > 0) {
            pack->locked_until_ms = object_now_ms(store) - written_ms + store->lock_ms;
            continue;
        }
        /* Some servers take a lock and forget it: here that is found out. */
        r = renew(store, manifest->database, pack, err);
        if (r == ERR_UNSUPPORTED || r == ERR_PROTOCOL || r == ERR_NOT_FOUND) {
            err_hint(err, "the server locks nothing: object_lock = none, or another store");
            r = ERR_CONFIG;
            if (err != NULL)
                err->code = r;
        }
        if (r < 0)
            return r;
    }
    return 0;
}

int renew_locks(struct object_store *store, struct manifest *manifest, int64_t written_ms,
                struct err *err)
{
    bool *needed;
    int r;

    if (store->lock_ms == 0 || manifest->backup_count == 0)
        return 0;
    r = note_own(store, manifest, written_ms, err);
    if (r < 0)
        return r;
    needed = calloc(manifest->pack_count + 1, sizeof(*needed));
    if (needed == NULL)
        return err_nomem(err);
    flag_needed(manifest, needed);
    r = renew_all(store, manifest, needed, err);
    free(needed);
    return r;
}

static int change(void *context, struct manifest *manifest, struct err *err)
{
    bool *needed = calloc(manifest->pack_count + 1, sizeof(*needed));
    int r;

    if (needed == NULL)
        return err_nomem(err);
    flag_needed(manifest, needed);
    r = renew_all(context, manifest, needed, err);
    free(needed);
    return r;
}

int renew_standing(struct object_store *store, const char *database, struct clock *clock,
                   const struct cancel *cancel, struct err *err)
{
    const struct catalog_commit_options options = { .clock = clock, .cancel = cancel };
    struct manifest manifest = MANIFEST_INIT;
    int r;

    r = catalog_load(store, database, false, &manifest, err);
    if (r == 0 && renew_is_due(store, &manifest))
        r = catalog_commit(store, &manifest, change, store, &options, err);
    manifest_dispose(&manifest);
    return r < 0 ? err_wrap(err, r, "renew the locks of '%s'", database) : 0;
}

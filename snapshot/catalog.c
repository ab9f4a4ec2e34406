#include "snapshot/catalog.h"

#include <stdio.h>
#include <string.h>

#include "base/backoff.h"
#include "base/buf.h"
#include "base/cancel.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/io.h"
#include "base/log.h"
#include "store/object_store.h"

#define ATTEMPTS_DEFAULT 100u

/* Losing a race is decided within a request or two; the winner is busy with a backup then. */
static const struct backoff lost_race = { .base_ms = 50, .cap_ms = 2000 };

struct newest {
    const char *database;
    uint64_t generation;
};

static int see_key(void *context, const char *key, const struct object_info *info, struct err *err)
{
    struct newest *newest = context;
    uint64_t generation;

    (void)info;
    (void)err;
    if (catalog_manifest_key_parse(newest->database, key, &generation) &&
        generation > newest->generation)
        newest->generation = generation;
    return 0;
}

/* 0 when there is none. */
static int newest_generation(struct object_store *store, const char *database,
                             uint64_t *ret_generation, struct err *err)
{
    struct newest newest = { database, 0 };
    char prefix[CATALOG_KEY_SIZE];
    int r;

    (void)snprintf(prefix, sizeof(prefix), "%s/manifest/", database);
    r = object_list(store, prefix, NULL, see_key, &newest, err);
    if (r == ERR_DENIED && err != NULL && strcmp(err->s3_code, "AccessDenied") == 0) {
        err->hint[0] = '\0'; /* better than what is said of keys in general */
        err_hint(err, "the newest manifest is found by listing: the key needs s3:ListBucket for "
                      "this prefix (docs/s3.md)");
    }
    if (r < 0)
        return err_wrap(err, r, "list the manifests of '%s'", database);
    *ret_generation = newest.generation;
    return 0;
}

/* An object that was renamed or copied by hand would set commits against each other. */
static int check_place(const struct manifest *manifest, const char *database, uint64_t generation,
                       struct err *err)
{
    if (strcmp(manifest->database, database) != 0)
        return err_set(err, ERR_CORRUPT, "is one of database '%s'", manifest->database);
    if (manifest->generation != generation) {
        return err_set(err, ERR_CORRUPT, "is of generation %llu",
                       (unsigned long long)manifest->generation);
    }
    return 0;
}

static int read_generation(struct object_store *store, const char *database, const char *key,
                           uint64_t generation, struct manifest *ret_manifest, struct err *err)
{
    struct buf text = BUF_INIT(MANIFEST_LEN_MAX);
    struct manifest manifest = MANIFEST_INIT;
    struct io_sink *sink = NULL;
    int r;

    r = buf_sink_new(&text, &sink, err);
    if (r == 0)
        r = object_get(store, key, 0, OBJECT_TO_END, sink, NULL, err);
    if (r == 0)
        r = manifest_parse(text.ptr, text.len, &manifest, err);
    if (r == 0)
        r = check_place(&manifest, database, generation, err);
    io_sink_free(sink);
    buf_dispose(&text);
    if (r < 0) {
        manifest_dispose(&manifest);
        return r;
    }
    *ret_manifest = manifest;
    return 0;
}

int catalog_load_generation(struct object_store *store, const char *database, uint64_t generation,
                            struct manifest *ret_manifest, struct err *err)
{
    char key[CATALOG_KEY_SIZE];
    int r;

    r = catalog_manifest_key(database, generation, key, err);
    if (r < 0)
        return r;
    r = read_generation(store, database, key, generation, ret_manifest, err);
    if (r == ERR_CORRUPT) { /* on its way, perhaps: what is stored so reads so again */
        err_clear(err);
        r = read_generation(store, database, key, generation, ret_manifest, err);
    }
    if (r == ERR_CORRUPT) {
        err_hint(err,
                 "the backups themselves may be unharmed: 'holdfast repair' makes a new manifest "
                 "of what their packs say");
    }
    return r < 0 ? err_wrap(err, r, "manifest '%s'", key) : 0;
}

int catalog_load(struct object_store *store, const char *database, bool new_if_absent,
                 struct manifest *ret_manifest, struct err *err)
{
    uint64_t generation = 0;
    int r;

    r = database_name_check(database, err);
    if (r == 0)
        r = newest_generation(store, database, &generation, err);
    if (r < 0)
        return r;
    if (generation > 0)
        return catalog_load_generation(store, database, generation, ret_manifest, err);
    if (new_if_absent)
        return manifest_new(database, ret_manifest, err);
    r = err_set(err, ERR_NOT_FOUND, "no backups of '%s' in '%s'", database, store->url);
    err_hint(err, "'holdfast create' makes the first one; is the name right, and the store?");
    return r;
}

int catalog_probe(struct object_store *store, const char *database,
                  enum conditional_writes *ret_writes, struct err *err)
{
    static const char content[] =
        "Written to see whether this store refuses to replace an object.\n";
    char id[UUID_TEXT_SIZE], key[CATALOG_KEY_SIZE];
    const char *keys[] = { key };
    struct err ignored = { 0 };
    int r;

    uuid_v4(id);
    (void)snprintf(key, sizeof(key), "%s/probe/%s", database, id);
    r = object_put_bytes(store, key, content, sizeof(content) - 1, OBJECT_PUT_IF_ABSENT, err);
    if (r == ERR_UNSUPPORTED) {
        err_clear(err);
        *ret_writes = CONDITIONAL_REFUSED;
        return 0;
    }
    if (r < 0 && r != ERR_EXISTS) /* EXISTS: the answer to a first try was lost */
        return r;
    r = object_put_bytes(store, key, content, sizeof(content) - 1, OBJECT_PUT_IF_ABSENT, err);
    if (r < 0 && r != ERR_EXISTS)
        return r;
    *ret_writes = r == ERR_EXISTS ? CONDITIONAL_SUPPORTED : CONDITIONAL_IGNORED;
    err_clear(err);
    if (object_delete(store, keys, 1, &ignored) < 0)
        log_debug("the probe '%s' stays: %s", key, ignored.msg);
    return 0;
}

/* Whether generation N of the store is the one that we wrote. */
static int is_ours(struct object_store *store, const struct manifest *written, bool *ret_ours,
                   struct err *err)
{
    struct manifest there = MANIFEST_INIT;
    int r;

    r = catalog_load_generation(store, written->database, written->generation, &there, err);
    if (r < 0)
        return r;
    *ret_ours = strcmp(there.writer, written->writer) == 0;
    manifest_dispose(&there);
    return 0;
}

/* Write the manifest as its generation.  *ret_won: ours is what the store holds under that name. */
static int write_generation(struct object_store *store, const struct manifest *manifest,
                            bool *ret_won, struct err *err)
{
    const bool conditional = manifest->conditional_writes == CONDITIONAL_SUPPORTED;
    struct buf text = BUF_INIT(MANIFEST_LEN_MAX);
    char key[CATALOG_KEY_SIZE];
    uint64_t newest = 0;
    int r;

    *ret_won = false;
    r = catalog_manifest_key(manifest->database, manifest->generation, key, err);
    if (r == 0)
        r = manifest_encode(manifest, &text, err);
    if (r == 0 && !conditional) {
        r = newest_generation(store, manifest->database, &newest, err);
        if (r == 0 && newest >= manifest->generation)
            goto out; /* somebody was faster */
    }
    if (r == 0) {
        r = object_put_bytes(store, key, text.ptr, text.len,
                             conditional ? OBJECT_PUT_IF_ABSENT : OBJECT_PUT_PLAIN, err);
    }
    if (r == 0 && conditional) {
        *ret_won = true;
    } else if (r == ERR_EXISTS || r == 0) {
        r = is_ours(store, manifest, ret_won, err);
    }
    if (r == 0)
        err_clear(err);
out:
    buf_dispose(&text);
    return r < 0 ? err_wrap(err, r, "write manifest '%s'", key) : 0;
}

/* One try on top of *manifest, which becomes what was written. */
static int try_commit(struct object_store *store, struct manifest *manifest,
                      catalog_change_fn change, void *context, int64_t now_ms, bool *ret_won,
                      struct err *err)
{
    int r;

    if (manifest->generation == 0) {
        r = catalog_probe(store, manifest->database, &manifest->conditional_writes, err);
        if (r < 0)
            return err_wrap(err, r, "try conditional writes");
        if (manifest->conditional_writes != CONDITIONAL_SUPPORTED) {
            log_warn("'%s' has no conditional writes: let only one program back up '%s' there",
                     store->url, manifest->database);
        }
    }
    r = change(context, manifest, err);
    if (r < 0)
        return r;
    manifest->generation++;
    manifest->written_at_ms = now_ms;
    uuid_v4(manifest->writer);
    return write_generation(store, manifest, ret_won, err);
}

int catalog_commit(struct object_store *store, struct manifest *manifest, catalog_change_fn change,
                   void *context, const struct catalog_commit_options *options, struct err *err)
{
    struct clock *clock = options->clock != NULL ? options->clock : clock_system();
    const unsigned attempts = options->attempts_max > 0 ? options->attempts_max : ATTEMPTS_DEFAULT;
    struct manifest next = MANIFEST_INIT;
    bool won = false;
    int r;

    for (unsigned attempt = 1;; attempt++) {
        r = try_commit(store, manifest, change, context, clock_now_ms(clock), &won, err);
        if (r < 0 || won)
            return r;
        if (attempt == attempts)
            break;
        log_debug("generation %llu of '%s' was written by somebody else",
                  (unsigned long long)manifest->generation, manifest->database);
        clock_sleep_ms(clock, backoff_delay_ms(&lost_race, attempt, random_u64()), options->cancel);
        r = cancel_check(options->cancel, err);
        if (r == 0)
            r = catalog_load(store, manifest->database, true, &next, err);
        if (r < 0)
            return r;
        manifest_dispose(manifest);
        *manifest = next;
    }
    r = err_set(err, ERR_BUSY, "manifest of '%s': %u times somebody else wrote one first",
                manifest->database, attempts);
    err_hint(err, "is more than one program backing up this database all the time?");
    return r;
}

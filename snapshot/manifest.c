#include "snapshot/manifest.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/parse.h"

#define ID_PREFIX_LEN_MIN     4u
#define DATABASE_NAME_LEN_MAX 128u
#define CANDIDATES_NAMED_MAX  5u
#define PACK_COUNT_MAX        1000000u

void backup_record_dispose(struct backup_record *record)
{
    free(record->label);
    free(record->host);
    free(record->path);
    pack_set_dispose(&record->packs);
    memset(record, 0, sizeof(*record));
}

void manifest_dispose(struct manifest *manifest)
{
    for (size_t i = 0; i < manifest->backup_count; i++)
        backup_record_dispose(&manifest->backups[i]);
    free(manifest->backups);
    free(manifest->packs);
    free(manifest->deletions);
    free(manifest->database);
    *manifest = (struct manifest)MANIFEST_INIT;
}

static bool copy_text(const char *from, char **to)
{
    *to = from == NULL ? NULL : strdup(from);
    return from == NULL || *to != NULL;
}

int backup_record_copy(const struct backup_record *from, struct backup_record *to, struct err *err)
{
    struct backup_record copy = *from;
    bool ok;

    copy.label = copy.host = copy.path = NULL;
    copy.packs = (struct pack_set)PACK_SET_INIT;
    ok = pack_set_copy(&from->packs, &copy.packs, err) == 0;
    ok = copy_text(from->label, &copy.label) && ok;
    ok = copy_text(from->host, &copy.host) && ok;
    ok = copy_text(from->path, &copy.path) && ok;
    if (!ok) {
        backup_record_dispose(&copy);
        return err_nomem(err);
    }
    *to = copy;
    return 0;
}

int manifest_new(const char *database, struct manifest *ret_manifest, struct err *err)
{
    struct manifest manifest = MANIFEST_INIT;

    manifest.database = strdup(database);
    if (manifest.database == NULL)
        return err_nomem(err);
    manifest.page_hash_seed = random_u64();
    *ret_manifest = manifest;
    return 0;
}

static bool has_backup(const struct manifest *manifest, const char *id)
{
    for (size_t i = 0; i < manifest->backup_count; i++) {
        if (strcmp(manifest->backups[i].id, id) == 0)
            return true;
    }
    return false;
}

static int find_pack_index(const struct manifest *manifest, const char *id, uint32_t *ret_index)
{
    for (size_t i = manifest->pack_count; i > 0; i--) { /* mostly a recent one */
        if (strcmp(manifest->packs[i - 1].id, id) == 0) {
            *ret_index = (uint32_t)(i - 1);
            return 0;
        }
    }
    return ERR_NOT_FOUND;
}

/* The packs of a backup whose own is the next one of the manifest. */
static int make_set(const struct manifest *manifest, const char (*ids)[UUID_TEXT_SIZE],
                    size_t id_count, struct pack_set *ret_set, struct err *err)
{
    bool *members = calloc(manifest->pack_count + 1, sizeof(*members));
    uint32_t index = 0;
    int r = 0;

    if (members == NULL)
        return err_nomem(err);
    members[manifest->pack_count] = true;
    for (size_t i = 0; i < id_count && r == 0; i++) {
        r = find_pack_index(manifest, ids[i], &index);
        if (r < 0) {
            (void)err_set(err, r, "pack %s is no longer there", ids[i]);
        } else {
            members[index] = true;
        }
    }
    if (r == 0)
        r = pack_set_from_flags(members, manifest->pack_count + 1, ret_set, err);
    free(members);
    return r;
}

/* Room for one more of each. */
static int grow(struct manifest *manifest, struct err *err)
{
    void *grown;

    if (manifest->pack_count == PACK_COUNT_MAX)
        return err_set(err, ERR_LIMIT, "a manifest of %u packs", PACK_COUNT_MAX);
    grown = realloc(manifest->packs, (manifest->pack_count + 1) * sizeof(*manifest->packs));
    if (grown == NULL)
        return err_nomem(err);
    manifest->packs = grown;
    grown = realloc(manifest->backups, (manifest->backup_count + 1) * sizeof(*manifest->backups));
    if (grown == NULL)
        return err_nomem(err);
    manifest->backups = grown;
    return 0;
}

static void drop_deletion(struct manifest *manifest, const char *id)
{
    size_t count = 0;

    for (size_t i = 0; i < manifest->deletion_count; i++) {
        if (strcmp(manifest->deletions[i].id, id) != 0)
            manifest->deletions[count++] = manifest->deletions[i];
    }
    manifest->deletion_count = count;
}

int manifest_add_backup(struct manifest *manifest, const struct backup_record *backup,
                        const struct pack_record *pack, const char (*ids)[UUID_TEXT_SIZE],
                        size_t id_count, struct err *err)
{
    struct backup_record copy;
    struct pack_set packs = PACK_SET_INIT;
    size_t at;
    int r;

    if (has_backup(manifest, backup->id))
        return 0;
    r = grow(manifest, err);
    if (r == 0)
        r = make_set(manifest, ids, id_count, &packs, err);
    if (r < 0)
        return r;
    r = backup_record_copy(backup, &copy, err);
    if (r < 0) {
        pack_set_dispose(&packs);
        return r;
    }
    pack_set_dispose(&copy.packs);
    copy.packs = packs;
    for (size_t i = 0; i < id_count; i++)
        drop_deletion(manifest, ids[i]);
    manifest->packs[manifest->pack_count++] = *pack;
    for (at = manifest->backup_count; at > 0; at--) {
        if (manifest->backups[at - 1].created_at_ms <= copy.created_at_ms)
            break;
        manifest->backups[at] = manifest->backups[at - 1];
    }
    manifest->backups[at] = copy;
    manifest->backup_count++;
    return 0;
}

void manifest_remove_backup(struct manifest *manifest, size_t index)
{
    assert(index < manifest->backup_count);
    backup_record_dispose(&manifest->backups[index]);
    manifest->backup_count--;
    memmove(&manifest->backups[index], &manifest->backups[index + 1],
            (manifest->backup_count - index) * sizeof(*manifest->backups));
}

int manifest_remove_packs(struct manifest *manifest, const bool *remove, struct err *err)
{
    uint32_t *kept_before = calloc(manifest->pack_count + 1, sizeof(*kept_before));
    uint32_t count = 0;

    if (kept_before == NULL)
        return err_nomem(err);
    for (size_t i = 0; i < manifest->pack_count; i++) {
        kept_before[i] = count;
        if (remove[i]) {
            drop_deletion(manifest, manifest->packs[i].id);
        } else {
            manifest->packs[count++] = manifest->packs[i];
        }
    }
    kept_before[manifest->pack_count] = count;
    for (size_t i = 0; i < manifest->backup_count; i++)
        pack_set_renumber(&manifest->backups[i].packs, kept_before);
    manifest->pack_count = count;
    free(kept_before);
    return 0;
}

void manifest_flag_used_packs(const struct manifest *manifest, bool *used)
{
    uint32_t index = 0;

    for (size_t i = 0; i < manifest->backup_count; i++)
        pack_set_to_flags(&manifest->backups[i].packs, used);
    for (size_t i = 0; i < manifest->pack_count; i++) {
        const struct pack_record *pack = &manifest->packs[i];

        /* And what repairs that, in turn. */
        while (used[pack - manifest->packs] && pack->repaired_by[0] != '\0' &&
               find_pack_index(manifest, pack->repaired_by, &index) == 0 && !used[index]) {
            used[index] = true;
            pack = &manifest->packs[index];
        }
    }
}

const struct pack_record *manifest_find_pack(const struct manifest *manifest, const char *id)
{
    uint32_t index = 0;

    return find_pack_index(manifest, id, &index) == 0 ? &manifest->packs[index] : NULL;
}

static int no_backup(const struct manifest *manifest, const char *text, struct err *err)
{
    const int r = err_set(err, ERR_NOT_FOUND, "'%s' has no backup '%s'", manifest->database, text);

    err_hint(err, "'holdfast list %s' shows the backups there are", manifest->database);
    return r;
}

static int ambiguous(const struct manifest *manifest, const char *text, struct err *err)
{
    struct buf candidates = BUF_INIT(512);
    const size_t len = strlen(text);
    unsigned named = 0, count = 0;
    int r;

    for (size_t i = 0; i < manifest->backup_count; i++) {
        if (strncmp(manifest->backups[i].id, text, len) != 0)
            continue;
        count++;
        if (named < CANDIDATES_NAMED_MAX) {
            buf_addf(&candidates, "%s%s", named > 0 ? ", " : "", manifest->backups[i].id);
            named++;
        }
    }
    r = err_set(err, ERR_CONFIG, "backup '%s' is ambiguous: %u begin so", text, count);
    err_hint(err, "give more characters: %s%s", candidates.ptr, count > named ? ", ..." : "");
    buf_dispose(&candidates);
    return r;
}

int manifest_find_backup(const struct manifest *manifest, const char *text,
                         const struct backup_record **ret_backup, struct err *err)
{
    const struct backup_record *found = NULL;
    const size_t len = strlen(text);
    int r;

    if (strcmp(text, "latest") == 0) {
        if (manifest->backup_count == 0)
            return no_backup(manifest, text, err);
        *ret_backup = &manifest->backups[manifest->backup_count - 1];
        return 0;
    }
    if (len < ID_PREFIX_LEN_MIN) {
        r = err_set(err, ERR_CONFIG, "backup '%s' is too short", text);
        err_hint(err, "give at least %u characters of its id, or 'latest'", ID_PREFIX_LEN_MIN);
        return r;
    }
    for (size_t i = 0; i < manifest->backup_count; i++) {
        if (strncmp(manifest->backups[i].id, text, len) != 0)
            continue;
        if (found != NULL)
            return ambiguous(manifest, text, err);
        found = &manifest->backups[i];
    }
    if (found == NULL)
        return no_backup(manifest, text, err);
    *ret_backup = found;
    return 0;
}

int manifest_find_backup_at(const struct manifest *manifest, int64_t at_ms,
                            const struct backup_record **ret_backup, struct err *err)
{
    char at[FORMAT_TIME_SIZE], oldest[FORMAT_TIME_SIZE];
    int r;

    for (size_t i = manifest->backup_count; i > 0; i--) {
        if (manifest->backups[i - 1].created_at_ms <= at_ms) {
            *ret_backup = &manifest->backups[i - 1];
            return 0;
        }
    }
    format_time_utc(at_ms, false, at);
    r = err_set(err, ERR_NOT_FOUND, "'%s' has no backup from %s or before", manifest->database, at);
    if (manifest->backup_count > 0) {
        format_time_utc(manifest->backups[0].created_at_ms, false, oldest);
        err_hint(err, "the oldest one is from %s", oldest);
    }
    return r;
}

const char *backup_trigger_name(enum backup_trigger trigger)
{
    static const char *const names[] = { "manual", "schedule", "pre-restore" };

    return names[trigger];
}

const char *backup_kind_name(enum backup_kind kind)
{
    return kind == BACKUP_FULL ? "full" : "incremental";
}

int database_name_check(const char *name, struct err *err)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    const size_t len = strlen(name);
    int r;

    if (len > 0 && len <= DATABASE_NAME_LEN_MAX && name[0] != '.' && name[0] != '-' &&
        strspn(name, allowed) == len)
        return 0;
    r = err_set(err, ERR_CONFIG, "'%s' cannot be the name of a database in a store", name);
    err_hint(err,
             "1 to %u letters, digits, '.', '_' and '-', not beginning with '.' or '-': give one "
             "with --name",
             DATABASE_NAME_LEN_MAX);
    return r;
}

int catalog_manifest_key(const char *database, uint64_t generation, char out[CATALOG_KEY_SIZE],
                         struct err *err)
{
    if (generation == 0 || generation > MANIFEST_GENERATION_MAX) {
        return err_set(err, ERR_LIMIT, "a manifest of generation %llu",
                       (unsigned long long)generation);
    }
    (void)snprintf(out, CATALOG_KEY_SIZE, "%s/manifest/%010llu.json", database,
                   (unsigned long long)generation);
    return 0;
}

int catalog_pack_key(const char *database, const char *id, char out[CATALOG_KEY_SIZE],
                     struct err *err)
{
    (void)err;
    (void)snprintf(out, CATALOG_KEY_SIZE, "%s/packs/%s.zst", database, id);
    return 0;
}

bool catalog_manifest_key_parse(const char *database, const char *key, uint64_t *ret_generation)
{
    const size_t len = strlen(database);
    char again[CATALOG_KEY_SIZE];
    uint64_t generation;
    char digits[11];

    if (strncmp(key, database, len) != 0 || strncmp(key + len, "/manifest/", 10) != 0 ||
        strlen(key + len + 10) < 10)
        return false;
    memcpy(digits, key + len + 10, 10);
    digits[10] = '\0';
    if (parse_u64(digits, 1, MANIFEST_GENERATION_MAX, &generation, NULL) < 0 ||
        catalog_manifest_key(database, generation, again, NULL) < 0 || strcmp(key, again) != 0)
        return false;
    *ret_generation = generation;
    return true;
}

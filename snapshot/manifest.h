/*
 * manifest.h - the catalogue of one database's backups, as values, and its JSON.  Pure.
 *
 * The JSON's fields are named in docs/format.md.  Unknown fields are kept out of the way (ignored);
 * a `format` newer than MANIFEST_FORMAT is refused: ERR_UNSUPPORTED with a hint to upgrade.
 */
#ifndef SNAPSHOT_MANIFEST_H
#define SNAPSHOT_MANIFEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/random.h"
#include "snapshot/pack_set.h"
#include "snapshot/page_hash.h"

struct buf;
struct err;

#define MANIFEST_FORMAT         1
#define MANIFEST_LEN_MAX        (64u << 20) /* bytes of JSON that a reader accepts */
#define MANIFEST_GENERATION_MAX UINT64_C(9999999999)

enum backup_trigger {
    TRIGGER_MANUAL,
    TRIGGER_SCHEDULE,
    TRIGGER_PRE_RESTORE
};
enum backup_kind {
    BACKUP_FULL,
    BACKUP_INCREMENTAL
};
/* What If-None-Match: * does on the store, as probed when the first manifest was written. */
enum conditional_writes {
    CONDITIONAL_SUPPORTED,
    CONDITIONAL_REFUSED,
    CONDITIONAL_IGNORED
};

/* One pack's object, and where the index lies in it. */
struct pack_record {
    char id[UUID_TEXT_SIZE]; /* the backup that wrote it */
    uint64_t size;           /* bytes of the object */
    uint64_t slot_count;
    uint64_t hashes_offset, hashes_len; /* the INDEX_HASHES blocks */
    uint64_t map_offset, map_len;       /* the INDEX_MAP block */
    char map_base[UUID_TEXT_SIZE];      /* whose whole map it differs from; "" when whole */
    char repaired_by[UUID_TEXT_SIZE];   /* pack with pages that are damaged in this one; or "" */
    /* Since when that pack has every page of this one that a backup needs, and its map if one
     * does, so that nobody reads this one any more: its object goes.  0: that is not so. */
    int64_t replaced_at_ms;
    int64_t locked_until_ms; /* until when the store lets nobody delete the object; 0: unknown */
};

struct backup_record {
    char id[UUID_TEXT_SIZE];
    int64_t created_at_ms; /* the moment that the snapshot shows */
    enum backup_trigger trigger;
    enum backup_kind kind;
    char *label;   /* NULL when none */
    uint64_t size; /* bytes of the database: page_size * page_count */
    uint32_t page_size;
    uint32_t page_count;
    uint32_t num_tables;    /* rows of type 'table' in sqlite_schema, not sqlite_% */
    int64_t num_rows;       /* in all of these tables; -1: not counted */
    uint64_t stored_bytes;  /* bytes of the pack this backup wrote */
    uint32_t changed_pages; /* pages in that pack */
    struct page_hash database_hash;
    int64_t full_at_ms;     /* of the full backup that an incremental one goes back to; or 0 */
    int64_t verified_at_ms; /* 0: never */
    bool pinned;
    bool guarded; /* it has much that the backup after it has not: kept until somebody has looked */
    bool damaged; /* found not to restore, and not mended since */
    char *host;   /* where it was taken */
    char *path;   /* of the database there, absolute, symlinks resolved */
    /* Every pack that it needs: its own, those that its map refers to, and the one with the whole
     * map that its map differs from.  Only in a manifest, whose packs these are indexes of. */
    struct pack_set packs;
};

/* A pack that no backup refers to any more, waiting out the grace period.  It is still in
 * manifest.packs, for a backup that another program is just making may refer to it. */
struct pack_deletion {
    char id[UUID_TEXT_SIZE];
    int64_t since_ms;
};

struct manifest {
    uint64_t generation; /* 0: none written yet */
    int64_t written_at_ms;
    char writer[UUID_TEXT_SIZE]; /* nonce of the write */
    char *database;
    uint64_t page_hash_seed;
    enum conditional_writes conditional_writes;
    struct backup_record *backups; /* in order of created_at, oldest first */
    size_t backup_count;
    struct pack_record *packs;
    size_t pack_count;
    struct pack_deletion *deletions;
    size_t deletion_count;
};

#define MANIFEST_INIT                                                                              \
    {                                                                                              \
        0                                                                                          \
    }

void manifest_dispose(struct manifest *manifest);
void backup_record_dispose(struct backup_record *record);
int backup_record_copy(const struct backup_record *from, struct backup_record *to, struct err *err);
/* A new, empty manifest with a random page hash seed. */
int manifest_new(const char *database, struct manifest *ret_manifest, struct err *err);
/* Insert in order of created_at; copies both.  ids: the packs that it needs beside its own, which
 * are no longer up for deletion then.  A backup whose id is there already is left as it is: so a
 * change can be applied again to a newer generation.  ERR_NOT_FOUND, and nothing is changed, when
 * the manifest does not have one of ids. */
int manifest_add_backup(struct manifest *manifest, const struct backup_record *backup,
                        const struct pack_record *pack, const char (*ids)[UUID_TEXT_SIZE],
                        size_t id_count, struct err *err);
/* Take out the backup at index.  Its packs stay. */
void manifest_remove_backup(struct manifest *manifest, size_t index);
/* Take out the packs whose flag is set, which no backup may refer to, and their deletions. */
int manifest_remove_packs(struct manifest *manifest, const bool *remove, struct err *err);
/* Set the flag of every pack that a backup refers to, or that repairs one of those. */
void manifest_flag_used_packs(const struct manifest *manifest, bool *used);

int manifest_encode(const struct manifest *manifest, struct buf *out, struct err *err);
/* ERR_CORRUPT names the field; ERR_UNSUPPORTED for a newer format. */
int manifest_parse(const void *data, size_t len, struct manifest *ret_manifest, struct err *err);
/* What a pack's INFO block holds: one backup and its pack, which may refer to others; or a pack
 * that repairs another, that other one, and its backup unless it has expired; or a pack that
 * replaces others, and those. */
int manifest_parse_info(const void *data, size_t len, struct manifest *ret_manifest,
                        struct err *err);

/* NULL when there is none. */
const struct pack_record *manifest_find_pack(const struct manifest *manifest, const char *id);
/* By "latest", a whole id, or a unique prefix of 4 or more characters.  ERR_NOT_FOUND;
 * ERR_CONFIG when ambiguous, naming the candidates, or too short. */
int manifest_find_backup(const struct manifest *manifest, const char *text,
                         const struct backup_record **ret_backup, struct err *err);
/* The newest backup at or before the moment; ERR_NOT_FOUND says when the oldest one is from. */
int manifest_find_backup_at(const struct manifest *manifest, int64_t at_ms,
                            const struct backup_record **ret_backup, struct err *err);

const char *backup_trigger_name(
    enum backup_trigger trigger);                    /* "manual" "schedule" "pre-restore" */
const char *backup_kind_name(enum backup_kind kind); /* "full" "incremental" */

/* Keys in the store: "<database>/manifest/0000000042.json", "<database>/packs/<id>.zst". */
#define CATALOG_KEY_SIZE 256
int catalog_manifest_key(const char *database, uint64_t generation, char out[CATALOG_KEY_SIZE],
                         struct err *err);
int catalog_pack_key(const char *database, const char *id, char out[CATALOG_KEY_SIZE],
                     struct err *err);
/* The generation in a manifest's key; false for any other key. */
bool catalog_manifest_key_parse(const char *database, const char *key, uint64_t *ret_generation);
/* 1..128 characters of [A-Za-z0-9._-], not beginning with a dot or a hyphen; else ERR_CONFIG. */
int database_name_check(const char *name, struct err *err);

#endif

/*
 * backup_internal.h - one backup under way, and the steps that it is made of; for backup*.c alone.
 *
 * An attempt: what is remembered (backup_memory.c), what is read of the database (backup_read.c),
 * its pack (backup_pack.c), and the manifest (backup_commit.c).
 */
#ifndef SNAPSHOT_BACKUP_INTERNAL_H
#define SNAPSHOT_BACKUP_INTERNAL_H

#include "snapshot/backup.h"
#include "snapshot/capture.h"
#include "snapshot/delta.h"
#include "snapshot/pack_writer.h"
#include "snapshot/parent.h"
#include "snapshot/state.h"

#define BACKUP_HOST_SIZE 256

struct source;

struct backup {
    struct object_store *store;
    const struct backup_options *options;
    struct clock *clock;
    char host[BACKUP_HOST_SIZE];
    char *path; /* resolved */
    struct source *source;
    struct state_place place;
    struct state_head head; /* what is remembered; an empty id of the standing backup: nothing */
    bool distrust;          /* what is remembered is of no use any more */
    struct manifest manifest;
    int64_t confirmed_ms;            /* when it was the newest */
    struct parent remembered;        /* from the run before */
    struct parent parent;            /* of an incremental backup */
    struct capture full;             /* either this... */
    struct delta delta;              /* ...or this */
    struct pack_writer *pack_writer; /* of the delta */
    uint64_t hash_seed;              /* the manifest's, when the pages were hashed */
    struct source_facts facts;
    struct backup_record record;
    struct pack_record pack;
    bool stale; /* a commit that can be tried again, from the beginning */
    struct backup_report report;
};

/* Whether a backup is made even of a database that has not changed. */
bool backup_is_wanted(const struct backup *backup);
/* Whether nothing was committed since the standing backup: no page is read, no store asked. */
bool backup_is_unchanged(struct backup *backup);
/* The newest manifest: as it is remembered, if that is not long ago, else as the store has it. */
int backup_get_manifest(struct backup *backup, struct err *err);
/* What the next run should know: that the database is as `standing` shows it, whose pages are where
 * `parent` says. */
void backup_remember(struct backup *backup, struct parent *parent,
                     const struct backup_record *standing);
/* The backup that was just made is the parent of the next. */
void backup_remember_new(struct backup *backup);

/* Either the pages that the parent does not have, or all of them; ->delta has hashes if the former.
 */
int backup_read(struct backup *backup, struct err *err);
struct pack_writer_options backup_pack_options(const struct backup *backup);
struct delta_options backup_delta_options(const struct backup *backup, const uint8_t *rewrite);

/* What the manifest will say of it, but for what the pack will say of itself. */
int backup_fill_record(struct backup *backup, struct err *err);
/* To the store, to its last byte. */
int backup_write_pack(struct backup *backup, struct err *err);
struct pack_writer *backup_pack(const struct backup *backup);

/* Into the manifest.  ->stale when it failed because somebody else's commit came between. */
int backup_commit(struct backup *backup, struct err *err);

#endif

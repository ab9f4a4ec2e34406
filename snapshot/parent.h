/*
 * parent.h - the backup that an incremental one differs from: where its pages are, and their
 * hashes.
 *
 * Remembered from run to run (state.h), or read back from the indexes of its packs: so a program
 * without a disk of its own makes incremental backups too.
 */
#ifndef SNAPSHOT_PARENT_H
#define SNAPSHOT_PARENT_H

#include "snapshot/manifest.h"
#include "snapshot/page_map.h"

struct cancel;
struct err;
struct hash_spool;
struct object_store;
struct seek_entry;
struct spool;

struct parent {
    char id[UUID_TEXT_SIZE];
    uint32_t page_size;
    struct page_map map;
    struct page_map base;         /* the whole map that map differs from; empty when map is whole */
    char base_id[UUID_TEXT_SIZE]; /* of the pack with that whole map: id when map is whole */
    struct hash_spool *hashes;    /* of pages 1 to the last */
};

#define PARENT_INIT                                                                                \
    {                                                                                              \
        .hashes = NULL                                                                             \
    }

void parent_dispose(struct parent *parent); /* may be repeated */

/* From its packs: a GET for each, and one or two for the map.  ERR_CORRUPT or ERR_NOT_FOUND when
 * they are not what the manifest says. */
int parent_read(struct object_store *store, const struct manifest *manifest,
                const struct backup_record *backup, const char *spool_dir,
                const struct cancel *cancel, struct parent *ret_parent, struct err *err);

/* The map of a backup of page_count pages: `pages` (numbers, ascending, as uint32_t in a spool) lie
 * in the frames of pack id, in order; the rest where the parent has it. */
struct parent_delta {
    const char *id;
    uint32_t page_count; /* of the database */
    struct spool *pages;
    const struct seek_entry *frames; /* whatever follows those has a raw_len of 0 */
    size_t frame_count;
};
int parent_extend_map(const struct parent *parent, const struct parent_delta *delta,
                      struct page_map *ret_map, struct err *err);

#endif

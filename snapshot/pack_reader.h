/*
 * pack_reader.h - what the index of a pack says: where the pages of its backup are, and which page
 * each slot holds, with its hash.
 *
 * The manifest tells where the blocks of an index lie, so each is one ranged GET.
 */
#ifndef SNAPSHOT_PACK_READER_H
#define SNAPSHOT_PACK_READER_H

#include "snapshot/manifest.h"

struct buf;
struct err;
struct io_sink;
struct object_store;
struct page_map;
struct seek_entry;
struct spool;

/* Whether an error says that the store holds something else than it should, and not that it cannot
 * be asked: a bucket that is gone is no damage, nor is a server that does not know the request.
 * why is the error of r, or NULL when nothing more is known of it. */
bool pack_is_damage(int r, const struct err *why);

/* The page map of a backup: one GET, or two when it is stored as a difference, and some more where
 * packs were repaired: then it refers to the repaired pages.  Every run is checked against the
 * manifest: each lies in a pack of the backup, within its frames and slots.  ERR_CORRUPT names the
 * pack. */
int pack_map_read(struct object_store *store, const struct manifest *manifest,
                  const struct backup_record *backup, struct page_map *ret_map, struct err *err);

/* As pack_map_read(), and the whole map that it is a difference from, as it is stored: empty when
 * it is none. */
int pack_map_read_with_base(struct object_store *store, const struct manifest *manifest,
                            const struct backup_record *backup, struct page_map *ret_map,
                            struct page_map *ret_base, struct err *err);

/* A whole map that is taken instead of that of a pack which has lost it. */
struct pack_map_stand_in {
    char id[UUID_TEXT_SIZE];
    const struct page_map *map;
};
struct pack_map_options {
    const struct pack_map_stand_in *stand_ins;
    size_t stand_in_count;
    bool as_stored; /* it refers to damaged pages, where they were */
};
int pack_map_read_with(struct object_store *store, const struct manifest *manifest,
                       const struct backup_record *backup, const struct pack_map_options *options,
                       struct page_map *ret_map, struct err *err);

/* The page map that is stored in this pack, as it is: the payload of its block. */
int pack_map_payload_read(struct object_store *store, const char *database,
                          const struct pack_record *pack, struct buf *ret_payload, struct err *err);

/* Bytes of a pack to sink, not finished; ERR_CORRUPT when the object has not the size that the
 * manifest says. */
int pack_get(struct object_store *store, const char *database, const struct pack_record *pack,
             uint64_t offset, uint64_t len, struct io_sink *sink, struct err *err);

/* Append every slot of a pack to the spool, as struct index_slot; one GET.  Memory is that of one
 * index block.  ERR_CORRUPT names the pack. */
int pack_slots_read(struct object_store *store, const char *database,
                    const struct pack_record *pack, struct spool *to, struct err *err);

/* The seek table: it must be that of this pack, its frames, then its index, then itself.
 * *ret_entries is malloc'd.  ERR_CORRUPT. */
int pack_frames_read(struct object_store *store, const char *database,
                     const struct pack_record *pack, uint32_t page_size,
                     struct seek_entry **ret_entries, uint32_t *ret_count, struct err *err);

#endif

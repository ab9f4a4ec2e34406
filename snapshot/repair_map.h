/*
 * repair_map.h - page maps of the packs that are lost, made again.
 *
 * That of a full backup of its pack's frames, that of an incremental one of what the indexes of all
 * its packs say: 40 bytes for each stretch of pages in them, and 4 bytes a page.
 */
#ifndef SNAPSHOT_REPAIR_MAP_H
#define SNAPSHOT_REPAIR_MAP_H

#include "snapshot/repair_internal.h"

struct buf;
struct index_slot;

/* Into packs and stand_ins, those that cannot be read.  Of pages of a full backup whose frames are
 * gone too only the slot is right. */
int repair_find_maps(struct repair_job *job, struct err *err);
/* With the maps that were made again; *ret_lost: it cannot be had. */
int repair_read_map(struct repair_job *job, const struct backup_record *backup,
                    struct page_map *ret_map, bool *ret_lost, struct err *err);

/* What the index of a pack that was read says of a slot. */
int repair_slot(const struct repair_job *job, size_t index, uint64_t slot,
                struct index_slot *ret_slot, struct err *err);
/* Nothing is known of what the pack's slots are. */
bool repair_index_is_lost(const struct repair_job *job, size_t index);
/* What is at an offset of an object, whatever its size is now: as much as the largest frame, less
 * where it ends. */
int repair_get_there(struct repair_job *job, const char *key, uint64_t offset, struct buf *out,
                     struct err *err);

#endif

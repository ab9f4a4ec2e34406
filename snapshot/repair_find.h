/*
 * repair_find.h - which pages and page maps of the packs are lost, and what can be said of them.
 */
#ifndef SNAPSHOT_REPAIR_FIND_H
#define SNAPSHOT_REPAIR_FIND_H

#include "snapshot/repair_internal.h"

struct index_slot;

/* The maps of full backups that cannot be read, made again of their packs' frames; of pages whose
 * frames are gone too only the slot is right.  Into packs and stand_ins. */
int repair_find_maps(struct repair_job *job, struct err *err);
/* With the maps that were made again; *ret_lost: it cannot be had. */
int repair_read_map(struct repair_job *job, const struct backup_record *backup,
                    struct page_map *ret_map, bool *ret_lost, struct err *err);

/* The pages that a backup needs and that cannot be read.  Those of a pack that has only lost its
 * index are found in its frames. */
int repair_find_pages(struct repair_job *job, struct err *err);
/* Pages whose hash nobody knows are proven by the database hash of a backup that all of them make
 * up, with those that are known. */
int repair_prove(struct repair_job *job, struct err *err);
/* How many pages of the backup stay lost; -1: its page map. */
int repair_count_lost(struct repair_job *job, const struct backup_record *backup,
                      int64_t *ret_count, struct err *err);

/* What the index of a pack that was read says of a slot. */
int repair_slot(const struct repair_job *job, size_t index, uint64_t slot,
                struct index_slot *ret_slot, struct err *err);

#endif

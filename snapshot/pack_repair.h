/*
 * pack_repair.h - pages that are damaged in one pack and were written again, into another.
 *
 * The record of a damaged pack names in repaired_by the one that was made for it, whose pages are
 * pages of the damaged pack, under the same numbers.  A pack has each page number once, so that
 * says all.  What is damaged later goes into a further pack, which the record of the last one
 * names: a chain.  Such a pack's index tells where its pages are; a page map it has only where that
 * of the damaged pack was lost, and then it is that.
 */
#ifndef SNAPSHOT_PACK_REPAIR_H
#define SNAPSHOT_PACK_REPAIR_H

#include "snapshot/manifest.h"

struct err;
struct object_store;
struct page_map;
struct page_run;

/* Where the pages of a pack are, by its hashes and its seek table: runs in page order, whose `pack`
 * is 0.  Malloc'd. */
int pack_runs_read(struct object_store *store, const char *database, const struct pack_record *pack,
                   uint32_t page_size, struct page_run **ret_runs, size_t *ret_count,
                   struct err *err);

/* The pack after this one in its chain; NULL at its end. */
const struct pack_record *pack_repair_next(const struct manifest *manifest,
                                           const struct pack_record *pack);
/* The last one of its chain: the pack itself when nothing repairs it. */
const struct pack_record *pack_repair_last(const struct manifest *manifest,
                                           const struct pack_record *pack);
/* The pack of the chain whose map is to be read as that of pack. */
const struct pack_record *pack_repair_map_holder(const struct manifest *manifest,
                                                 const struct pack_record *pack);
/* The pack with the whole map that the pack's is a difference from; "" when it is whole, as one is
 * that was lost and made again. */
const char *pack_repair_map_base(const struct manifest *manifest, const struct pack_record *pack);

/* Have the map refer to the repaired pages instead of the damaged ones.  A repairing pack that
 * cannot be read itself repairs nothing. */
int pack_repair_apply(struct object_store *store, const struct manifest *manifest,
                      uint32_t page_size, struct page_map *map, struct err *err);

#endif

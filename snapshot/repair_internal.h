/*
 * repair_internal.h - what the steps of repair_pages_run() share: which pages are lost, and where
 * they were found.
 */
#ifndef SNAPSHOT_REPAIR_INTERNAL_H
#define SNAPSHOT_REPAIR_INTERNAL_H

#include "snapshot/pack_reader.h"
#include "snapshot/pack_survey.h"
#include "snapshot/page_map.h"
#include "snapshot/repair_pages.h"

struct spool;

/* A page of a pack that a backup needs and that cannot be read. */
struct lost_page {
    uint32_t page_number; /* 0: nobody needs the slot */
    bool known;           /* hash is that of the page */
    bool found;           /* hash is that of what was found, at raw in the spool */
    bool proven;          /* and that is the page */
    struct page_hash hash;
    uint64_t raw;
};

/* Of one pack of the manifest. */
struct lost_pack {
    struct lost_page *pages; /* NULL: none; until repair_sort() one a slot, then by page number */
    size_t count;
    struct page_map map; /* whole: what its lost map was; page_count 0: it is not lost */
    bool index_only;     /* nothing is wrong with its pages or its map */
};

struct repair_job {
    struct object_store *store;
    const struct repair_pages_options *options;
    struct manifest *manifest;
    struct pack_survey survey;
    struct lost_pack *packs; /* of each pack of the manifest */
    struct pack_map_stand_in *stand_ins;
    size_t stand_in_count;
    struct spool *raw; /* pages that were found */
};

/* NULL when the page is not lost. */
struct lost_page *repair_find(const struct lost_pack *pack, uint32_t page_number);
/* A page that may be the lost one; when it is not, nothing happens. */
int repair_offer(struct repair_job *job, struct lost_page *lost, const void *page,
                 uint32_t page_size, struct err *err);

/* Pages that the live database has: from options->path. */
int repair_scan(struct repair_job *job, struct err *err);

/* What was found of the pages of the chain that ends with pack `last`, as a new pack. */
struct repair_made {
    struct pack_record record;
    char repairs[UUID_TEXT_SIZE]; /* the pack whose record is to name it */
    uint64_t page_count;
};
/* ret_made->page_count and whether there is anything to write; writes nothing in a dry run. */
int repair_write(struct repair_job *job, size_t last, bool *ret_any, struct repair_made *ret_made,
                 struct err *err);

#endif

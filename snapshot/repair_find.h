/*
 * repair_find.h - which pages of the packs are lost, and what can be said of them.
 */
#ifndef SNAPSHOT_REPAIR_FIND_H
#define SNAPSHOT_REPAIR_FIND_H

#include "snapshot/repair_internal.h"

/* The pages that a backup needs and that cannot be read.  Those of a pack that has only lost its
 * index are found in its frames. */
int repair_find_pages(struct repair_job *job, struct err *err);
/* Pages whose hash nobody knows are proven by the database hash of a backup that all of them make
 * up, with those that are known. */
int repair_prove(struct repair_job *job, struct err *err);
/* How many pages of the backup stay lost; -1: its page map. */
int repair_count_lost(struct repair_job *job, const struct backup_record *backup,
                      int64_t *ret_count, struct err *err);

#endif

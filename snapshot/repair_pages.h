/*
 * repair_pages.h - damaged pages of backups, written again of what can still be had.
 *
 * Every pack is read as verify does.  A page that cannot be had is looked for in the live database
 * and, where only its hash is lost, in the pack itself.  It counts as found when it has the hash
 * that the index says; where the index is lost, when all pages of a backup then make up its
 * database hash.  What is found goes into a new pack for each damaged one (pack_repair.h).  Then
 * the backups concerned are read once more, and the manifest says which are whole.
 *
 * Memory: 40 bytes for each page of a damaged pack, and the page maps of one backup.
 */
#ifndef SNAPSHOT_REPAIR_PAGES_H
#define SNAPSHOT_REPAIR_PAGES_H

#include "snapshot/verify.h"

struct repair_pages_options {
    const char *database; /* in the store */
    const char *path;     /* of the live database; NULL: there is none */
    bool dry_run;
    int64_t busy_timeout_ms;         /* of the live database; 0: 5 s */
    const char *spool_dir;           /* as in spool.h */
    const struct progress *progress; /* may be NULL */
    const struct cancel *cancel;     /* may be NULL */
    struct clock *clock;             /* NULL: the system's */
};

struct repair_pages_report {
    size_t backup_count;           /* that were looked at */
    size_t pack_count;             /* that were written, or would be */
    uint64_t page_count;           /* in these */
    struct verify_result *results; /* backups that were found damaged, as they are now */
    size_t count;
    size_t damaged_count; /* of those: that still are */
    uint64_t generation;  /* of the manifest that was written; 0: none was due */
};

void repair_pages_report_dispose(struct repair_pages_report *report); /* may be repeated */

/* A live database that cannot be read is as good as none, which is logged. */
int repair_pages_run(struct object_store *store, const struct repair_pages_options *options,
                     struct repair_pages_report *ret_report, struct err *err);

#endif

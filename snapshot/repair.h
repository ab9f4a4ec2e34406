/*
 * repair.h - a lost or damaged manifest, made again from what the packs say of themselves.
 *
 * Every pack tells of its backup in its last index block, and which packs that backup needs in its
 * page map.  Pins, verification and what had expired come from the newest manifest that can be
 * read.  The result is written as the generation after the newest one there is: nothing is
 * overwritten.
 */
#ifndef SNAPSHOT_REPAIR_H
#define SNAPSHOT_REPAIR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cancel;
struct clock;
struct err;
struct object_store;

struct repair_options {
    const char *database;
    bool from_packs; /* although the newest manifest can be read */
    bool dry_run;
    struct clock *clock;         /* NULL: the system's */
    const struct cancel *cancel; /* may be NULL */
};

struct repair_report {
    bool needed;         /* false: the newest manifest can be read, and nothing was done */
    size_t backup_count; /* that the manifest lists now */
    size_t lost_count; /* packs of backups that cannot be listed: damaged, or others are missing */
    uint64_t generation; /* that was written; 0 in a dry run */
};

/* ERR_NOT_FOUND when there are no packs. */
int repair_run(struct object_store *store, const struct repair_options *options,
               struct repair_report *ret_report, struct err *err);

#endif

/*
 * restore_rig.h - what a test of restoring needs: a database, backups of it in a directory store
 * whose calls can be made to fail, and an empty directory to restore into.
 *
 * Backup 0 is full; each later one holds what changed, and every second of those has its page map
 * as a difference.  What fails ends the test.
 */
#ifndef TESTS_HARNESS_RESTORE_RIG_H
#define TESTS_HARNESS_RESTORE_RIG_H

#include "tests/harness/fault_store.h"
#include "tests/harness/pack_fixture.h"
#include "tests/harness/sqlite_fixture.h"

struct restore_rig {
    struct sqlite_fixture source;
    char *dir; /* "<dir>/store", "<dir>/work" */
    char work[128];
    struct fault_store_counters counters;
    struct object_store *store;
    struct pack_fixture packs;
};

#define RESTORE_RIG_ROWS 2000

void restore_rig_init(struct restore_rig *rig, unsigned page_size, unsigned backup_count);
void restore_rig_dispose(struct restore_rig *rig);

const struct backup_record *restore_rig_backup(const struct restore_rig *rig, size_t index);
/* "<work>/<name>" in storage of the rig's, until the next call but three. */
const char *restore_rig_path(const char *work, const char *name);
/* Whether the file is backup `index`, byte for byte. */
bool restore_rig_same(const struct restore_rig *rig, const char *path, size_t index);
/* Files and directories in the work directory. */
int restore_rig_count(const struct restore_rig *rig);

/* Objects in the store; no call fails from now on. */
unsigned restore_rig_objects(struct restore_rig *rig);
/* Who took the backups and of what, which the fixture leaves out, and a manifest must have. */
void restore_rig_name(struct restore_rig *rig);

/* Flip one bit of a pack's object (twice: as it was), or cut the object to size. */
void restore_rig_flip(const struct restore_rig *rig, size_t index, uint64_t offset);
void restore_rig_cut(const struct restore_rig *rig, size_t index, uint64_t size);

#endif

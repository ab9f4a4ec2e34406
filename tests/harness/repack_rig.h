/*
 * repack_rig.h - what a test of repacking needs: backups of which some have expired, so that packs
 * hold pages that no backup needs.
 *
 * Backup 0 is full, and the last REPACK_RIG_KEPT of them are listed.  What fails ends the test.
 */
#ifndef TESTS_HARNESS_REPACK_RIG_H
#define TESTS_HARNESS_REPACK_RIG_H

#include "tests/harness/restore_rig.h"

#define REPACK_RIG_BACKUPS 7
#define REPACK_RIG_KEPT    3
#define REPACK_RIG_PAGE    1024u

void repack_rig_init(struct restore_rig *rig);

/* Whether each backup that a manifest lists can be fetched, and is what was backed up. */
bool repack_rig_restores(const struct restore_rig *rig, const struct manifest *manifest);
/* Delete the objects that retention/sweep.h would, as if their grace was over: packs that were
 * replaced, and those that are not listed.  How many. */
unsigned repack_rig_sweep(const struct restore_rig *rig, const struct manifest *manifest);

#endif

/*
 * pack_survey.h - the packs of a manifest as the store has them: which are there with their size,
 * and, when they are read, which of their frames are damaged.
 *
 * One listing; with reading, every pack that is needed is read once, however many backups share it.
 */
#ifndef SNAPSHOT_PACK_SURVEY_H
#define SNAPSHOT_PACK_SURVEY_H

#include "snapshot/verify_pack.h"

struct page_run;
struct spool;
struct verify_options;

enum pack_state {
    PACK_MISSING,
    PACK_OTHER_SIZE,
    PACK_THERE
};

struct pack_survey {
    struct object_store *store;
    const struct manifest *manifest;
    const struct verify_options *options;
    enum pack_state *states; /* of each pack of the manifest */
    /* Of each pack a backup that is looked at and needs it, or what it repairs; NULL: none. */
    const struct backup_record **users;
    struct pack_check *checks; /* with options->read */
    struct spool *slots;       /* of all packs that were read: struct index_slot */
};

/* selected: which backups are looked at; NULL: all.  The arguments are borrowed. */
int pack_survey_run(struct object_store *store, const struct manifest *manifest,
                    const bool *selected, const struct verify_options *options,
                    struct pack_survey *ret_survey, struct err *err);
void pack_survey_dispose(struct pack_survey *survey); /* may be repeated */

#define PACK_WHY_SIZE 320

/* Why nothing of a pack can be had: "pack ... is missing".  False when it can, so far as is known.
 */
bool pack_survey_is_lost(const struct pack_survey *survey, size_t index, char why[PACK_WHY_SIZE]);
/* As that, of the frame at an offset. */
bool pack_survey_is_bad(const struct pack_survey *survey, size_t index, uint64_t frame_offset,
                        char why[PACK_WHY_SIZE]);

/* The index of a pack of the manifest; its count when it is not there. */
size_t pack_survey_find(const struct pack_survey *survey, const char *id);

#endif

/*
 * rewrite.h - which pages a backup writes again although they are the same, so that packs of which
 * little is needed are soon needed by no backup.  Pure.
 *
 * They come from the live database, which is read anyway: nothing is downloaded for it.
 */
#ifndef SNAPSHOT_REWRITE_H
#define SNAPSHOT_REWRITE_H

#include "snapshot/manifest.h"

struct err;
struct parent;

struct rewrite {
    uint8_t *pages; /* malloc'd: bit p%8 of byte p/8 is page p; NULL: none */
    uint32_t sparse_count, merged_count;
};

#define REWRITE_INIT                                                                               \
    {                                                                                              \
        NULL, 0, 0                                                                                 \
    }

void rewrite_dispose(struct rewrite *rewrite); /* may be repeated */

/* Backups of the manifest, by index, that a backup may stand on; the first that will do is taken.
 */
struct rewrite_bases {
    const size_t *backups;
    size_t count;
};

/* Of the parent's pages:
 * - those in packs that a base does not need, when those are less than half of the pages, and a
 *   third or more of what these packs hold is in no use any more.  Packs half as large as the
 *   database are left alone: they are as good as full backups;
 * - those in packs of which less than a quarter is still in use, the sparsest first, up to a tenth
 *   of the pages. */
int rewrite_choose(const struct parent *parent, const struct manifest *manifest,
                   const struct rewrite_bases *bases, struct rewrite *ret_rewrite, struct err *err);

#endif

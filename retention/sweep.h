/*
 * sweep.h - which of a store's objects a manifest does not need.  Fed with a listing; pure.
 *
 * Only names that Holdfast itself gives count: whatever else lies there is nobody's business.
 */
#ifndef RETENTION_SWEEP_H
#define RETENTION_SWEEP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "retention/expire.h"
#include "snapshot/manifest.h"

#include "store/object_store.h"

struct err;

/* A generation of the manifest may go when the one after it was written so long ago at least, and
 * longer than the grace.  A program builds upon the generation that it knows for half of that time
 * without asking (snapshot/backup_plan.h): were the name of the next one free again by then, its
 * conditional write would succeed in the past, and nobody would ever see that backup. */
#define SWEEP_GENERATION_MS (INT64_C(24) * 60 * 60 * 1000)
/* Somebody may be trying conditional writes on a probe right now: without it the second write would
 * succeed, and the store be taken for one that ignores the condition. */
#define SWEEP_PROBE_MS (INT64_C(60) * 60 * 1000)

enum sweep_kind {
    SWEEP_PACK,       /* that the manifest has just given up */
    SWEEP_LEFTOVER,   /* a pack that no manifest names: of a killed run, or not deleted then */
    SWEEP_GENERATION, /* a manifest that was superseded long ago */
    SWEEP_PROBE
};
#define SWEEP_KIND_COUNT 4

struct sweep_object {
    char *key;
    enum sweep_kind kind;
    uint64_t size;           /* bytes */
    int64_t locked_until_ms; /* 0: never was */
};

struct sweep_options {
    const struct manifest *manifest;     /* the newest; borrowed */
    const struct expired_packs *expired; /* that it has given up; borrowed */
    int64_t grace_ms;
    int64_t lock_ms; /* for how long the store locks what is written; 0: not at all */
    int64_t now_ms;  /* by the store's clock, which the objects' times are by; or before */
};

struct sweep_pack;

struct sweep {
    struct sweep_options options;
    struct sweep_pack
        *packs; /* of the manifest, and those it has given up, in order of their ids */
    size_t pack_count;
    bool *whole;                     /* packs of the manifest that are listed, with their size */
    char previous[CATALOG_KEY_SIZE]; /* the generation before the one that is listed next */
    struct object_info previous_info;
    struct sweep_object *objects; /* that may be deleted */
    size_t object_count, object_size;
};

/* The packs that were given up are among the objects from the beginning. */
int sweep_init(struct sweep *sweep, const struct sweep_options *options, struct err *err);
void sweep_dispose(struct sweep *sweep); /* may be repeated */

/* An object_list_fn, for everything below "<database>/", in order of keys. */
int sweep_see(void *context, const char *key, const struct object_info *info, struct err *err);

size_t sweep_count(const struct sweep *sweep, enum sweep_kind kind);
/* They are no leftovers: packs that a manifest names which was written during the listing. */
void sweep_spare(struct sweep *sweep, const struct manifest *newer);

#endif

/*
 * catalog.h - the newest manifest of a database in a store, and how it is replaced.
 *
 * A commit writes generation N+1 only if nobody else has; who loses loads the newest generation and
 * applies the same change to it, so two writers lose nothing.  Where the store cannot write
 * conditionally (manifest.conditional_writes) a commit lists, writes and reads back: then one
 * writer a database is the rule.
 */
#ifndef SNAPSHOT_CATALOG_H
#define SNAPSHOT_CATALOG_H

#include "snapshot/manifest.h"

struct cancel;
struct clock;
struct err;
struct object_store;

/* One LIST and one GET.  No manifest at all: ERR_NOT_FOUND, unless new_if_absent, which then gives
 * an empty one of generation 0. */
int catalog_load(struct object_store *store, const char *database, bool new_if_absent,
                 struct manifest *ret_manifest, struct err *err);

/* One generation, newest or not.  ERR_NOT_FOUND; ERR_CORRUPT when it is none. */
int catalog_load_generation(struct object_store *store, const char *database, uint64_t generation,
                            struct manifest *ret_manifest, struct err *err);

/* Two conditional writes of one name tell what the store makes of If-None-Match: *.  The object is
 * "<database>/probe/<uuid>", and removed again; what stays all the same, a prune removes. */
int catalog_probe(struct object_store *store, const char *database,
                  enum conditional_writes *ret_writes, struct err *err);

/* Applied to a manifest, perhaps several times, each time to a fresh one. */
typedef int (*catalog_change_fn)(void *context, struct manifest *manifest, struct err *err);

struct catalog_commit_options {
    struct clock *clock;         /* NULL: the system's */
    const struct cancel *cancel; /* polled between tries */
    unsigned attempts_max;       /* 0: 100 generations lost to others */
};

/* manifest: what the caller loaded; on success what was written.  Generation 0 probes the store's
 * conditional writes first. */
int catalog_commit(struct object_store *store, struct manifest *manifest, catalog_change_fn change,
                   void *context, const struct catalog_commit_options *options, struct err *err);

#endif

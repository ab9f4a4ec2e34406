/*
 * pack_fixture.h - backups made from plain database files, in every shape that a reader must know:
 * full packs, and incremental ones that hold only the pages that changed, whose page maps refer to
 * several packs and are whole or differences.
 *
 * A writer of its own, made of the format's pure functions, so that reading is not tested against
 * the writing that it mirrors.  What fails ends the test.
 */
#ifndef TESTS_HARNESS_PACK_FIXTURE_H
#define TESTS_HARNESS_PACK_FIXTURE_H

#include "snapshot/manifest.h"
#include "snapshot/page_map.h"

struct object_store;

#define PACK_FIXTURE_BACKUPS_MAX 8

struct pack_fixture_backup {
    char id[UUID_TEXT_SIZE];
    uint8_t *bytes; /* of the database */
    size_t len;
    struct page_map map;
    bool map_is_whole;
};

struct pack_fixture {
    struct object_store *store; /* borrowed */
    struct manifest manifest;   /* kept here, not in the store */
    struct pack_fixture_backup backups[PACK_FIXTURE_BACKUPS_MAX];
    size_t count;
};

struct pack_fixture_options {
    bool incremental;     /* against the backup before */
    bool map_difference;  /* store the map as what differs from that of the last whole one */
    uint32_t frame_pages; /* pages in a frame at most; 0: as many as fit */
};

void pack_fixture_init(struct pack_fixture *fixture, struct object_store *store);
void pack_fixture_dispose(struct pack_fixture *fixture);

/* Back up the file at path: a database that is closed and has no log.  The record lies in the
 * manifest, until the next one is added. */
const struct backup_record *pack_fixture_add(struct pack_fixture *fixture, const char *path,
                                             const struct pack_fixture_options *options);

/* The object of a pack, in its place or with some of its bytes changed. */
void pack_fixture_key(const struct pack_fixture *fixture, const char *id,
                      char out[CATALOG_KEY_SIZE]);

#endif

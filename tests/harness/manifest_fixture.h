/*
 * manifest_fixture.h - manifests with backups that never were.
 */
#ifndef TESTS_HARNESS_MANIFEST_FIXTURE_H
#define TESTS_HARNESS_MANIFEST_FIXTURE_H

#include <stdint.h>

struct manifest;

/* Add a full backup with a pack of its own. */
void manifest_fixture_add(struct manifest *manifest, const char *id, int64_t created_at_ms);

#endif

/*
 * image.h - the content of a database at one moment, byte by byte, to compare a restored file with.
 *
 * Page 1 is compared without the fields that copying changes: bytes 24-31, 40-43 and 92-99.
 */
#ifndef TESTS_HARNESS_IMAGE_H
#define TESTS_HARNESS_IMAGE_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct image;
struct manifest;
struct backup_record;
struct object_store;

/* What a connection to the database reads now, its log included. */
struct image *image_new(sqlite3 *db);
/* To a file and back, where many are kept. */
void image_save(const struct image *image, const char *path);
struct image *image_load(const char *path);
void image_free(struct image *image);
const uint8_t *image_bytes(const struct image *image, size_t *ret_len);

/* Fetch a backup from the store, every page verified, and compare.  The fetch's error; 0 with
 * *ret_same otherwise. */
int image_compare(const struct image *image, struct object_store *store,
                  const struct manifest *manifest, const struct backup_record *backup,
                  bool *ret_same, struct err *err);

#endif

/*
 * stored_object.h - read objects of a directory store as any other program would.
 */
#ifndef TESTS_HARNESS_STORED_OBJECT_H
#define TESTS_HARNESS_STORED_OBJECT_H

#include <stddef.h>
#include <stdint.h>

/* How many objects there are below dir, temporary files not counted; 0 when there is no dir. */
unsigned stored_object_count(const char *dir);
/* How many files below dir have names that begin with a dot. */
unsigned stored_object_leftovers(const char *dir);
/* The only object below dir, malloc'd. */
uint8_t *stored_object_read(const char *dir, size_t *ret_len);
/* What "zstd -d" makes of data, malloc'd. */
uint8_t *stored_object_unzstd(const void *data, size_t len, size_t *ret_len);

#endif

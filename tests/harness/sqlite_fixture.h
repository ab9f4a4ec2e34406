/*
 * sqlite_fixture.h - a small live database in a directory of its own, for tests.
 *
 * Table t(id, body) of row_count rows with an index, and an empty table u.  Contents depend on the
 * arguments alone.  What fails ends the test.
 */
#ifndef TESTS_HARNESS_SQLITE_FIXTURE_H
#define TESTS_HARNESS_SQLITE_FIXTURE_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sqlite_fixture {
    char dir[64];
    char path[96]; /* of the database in it */
};

#define SQLITE_FIXTURE_TABLES 2

/* The directory alone. */
void sqlite_fixture_init(struct sqlite_fixture *fixture);
void sqlite_fixture_make(struct sqlite_fixture *fixture, unsigned page_size,
                         const char *journal_mode, unsigned row_count);
/* With everything in the directory. */
void sqlite_fixture_remove(struct sqlite_fixture *fixture);

/* An ordinary connection, as an application has; run statements on it. */
sqlite3 *sqlite_fixture_open(const struct sqlite_fixture *fixture);
void sqlite_fixture_exec(sqlite3 *db, const char *sql);

/* "<path><suffix>": whether it is there, and its bytes (malloc'd). */
bool sqlite_fixture_has(const struct sqlite_fixture *fixture, const char *suffix);
uint8_t *sqlite_fixture_read(const struct sqlite_fixture *fixture, const char *suffix,
                             size_t *ret_len);
void sqlite_fixture_write(const struct sqlite_fixture *fixture, const char *suffix,
                          const void *data, size_t len);

#endif

/*
 * source.h - one consistent moment of a live database, as a stream of its pages.
 *
 * A read transaction (BEGIN and a SELECT) pins the moment.  Within it the pages come from SQLite's
 * own backup, or, in rollback mode, from SQLite's own file handle.  Outside of it they can be read
 * too, as a first guess that is verified later.  Every group of pages goes to a visitor, in order,
 * from page 2 on; page 1 is given apart, because SQLite's backup writes it last.  The lock-byte
 * page is given as zeros.
 *
 * From one thread.  No descriptor on the database but SQLite's own; nothing is ever written to it.
 */
#ifndef SNAPSHOT_SOURCE_H
#define SNAPSHOT_SOURCE_H

#include "snapshot/fingerprint.h"
#include "snapshot/wal_index.h"

#include <stdbool.h>
#include <stdint.h>

struct buf;
struct cancel;
struct clock;
struct err;
struct progress;
struct source;

struct source_options {
    const char *path;
    int64_t busy_timeout_ms;         /* as in sqlite_db.h */
    const struct progress *progress; /* may be NULL */
    const struct cancel *cancel;     /* may be NULL */
    struct clock *clock;
    struct buf *tables; /* becomes what table_names() says, or empty; may be NULL */
};

struct source_facts {
    uint32_t page_size;
    uint32_t page_count;
    uint32_t num_tables;   /* as manifest.h counts them */
    int64_t num_rows;      /* likewise; -1: not counted, for it would take too long or cannot be */
    int64_t created_at_ms; /* the moment that is shown */
    bool wal;
    bool has_fingerprint; /* it is known, and did not change while the moment was pinned */
    struct fingerprint fingerprint;
    bool has_frames; /* of the log, in WAL mode: they are known */
    struct wal_index frames;
};

/* Who takes the pages. */
struct source_visitor {
    /* Where the next group goes: room for FRAME_RAW_SIZE_MAX bytes. */
    int (*room)(void *context, uint8_t **ret_room, struct err *err);
    /* The room holds page_count pages from first_page; frame_slots(page_size) of them, fewer in
     * the last group. */
    int (*group)(void *context, uint32_t first_page, uint32_t page_count, struct err *err);
    void *context;
    bool quiet; /* do not tell progress */
};

/* Errors: those of sqlite_db_open(). */
int source_open(const struct source_options *options, struct source **ret_source, struct err *err);
/* Ends a transaction that is still open.  NULL is fine. */
void source_close(struct source *source);

/* What fingerprint_take() says now; false when there is no telling. */
bool source_fingerprint(struct source *source, struct fingerprint *ret_fingerprint);

/* Begin the read transaction; *ret_facts hold until source_end(). */
int source_begin(struct source *source, struct source_facts *ret_facts, struct err *err);
/* @return how long the transaction lasted, in microseconds; 0 when there was none. */
uint64_t source_end(struct source *source);

/* Every page by SQLite's backup, or, to the same bytes, from the file and its log where it is known
 * what the log has; only within the transaction.  page_one has room for page_size bytes. */
int source_scan(struct source *source, const struct source_facts *facts,
                const struct source_visitor *visitor, uint8_t *page_one, struct err *err);
/* Every page as the database file has it: the whole truth in rollback mode within the transaction,
 * a guess outside of it. */
int source_scan_file(struct source *source, const struct source_facts *facts,
                     const struct source_visitor *visitor, uint8_t *page_one, struct err *err);

#endif

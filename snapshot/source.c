#include "snapshot/source.h"

#include "base/cancel.h"
#include "base/clock.h"
#include "base/err.h"
#include "snapshot/frame.h"
#include "snapshot/page_hash.h"
#include "snapshot/progress.h"
#include "snapshot/row_count.h"
#include "snapshot/sink_vfs.h"
#include "snapshot/sqlite_db.h"
#include "snapshot/table_names.h"
#include "snapshot/wal_frames.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Pages between two looks at cancel: at 3 GB/s, a few milliseconds. */
#define BACKUP_STEP_PAGES 2048
/* Bytes of a database whose rows are counted: within 50 ms or so, from the page cache. */
#define COUNTED_SIZE_MAX (UINT64_C(64) << 20)

#define COUNT_TABLES                                                                               \
    "SELECT count(*) FROM sqlite_schema WHERE type = 'table'"                                      \
    " AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"

struct source {
    struct source_options options;
    sqlite3 *db;
    bool in_transaction;
    int64_t began_us;
};

/* The pages of a scan on their way into groups. */
struct page_stream {
    const struct source_facts *facts;
    const struct source_visitor *visitor;
    struct progress_meter meter;
    uint8_t *room;        /* of the current group; NULL between groups */
    uint32_t group_first; /* page */
    uint32_t group_count; /* pages that room holds */
    uint32_t next_page;   /* the only one that may come */
};

static int64_t mono_us(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int source_open(const struct source_options *options, struct source **ret_source, struct err *err)
{
    struct sqlite_db_options db_options = {
        .busy_timeout_ms = options->busy_timeout_ms,
        .cancel = options->cancel,
    };
    struct source *source = calloc(1, sizeof(*source));
    int r;

    if (source == NULL)
        return err_nomem(err);
    source->options = *options;
    r = sqlite_db_open(options->path, &db_options, &source->db, err);
    if (r < 0) {
        free(source);
        return r;
    }
    *ret_source = source;
    return 0;
}

void source_close(struct source *source)
{
    if (source == NULL)
        return;
    (void)source_end(source);
    sqlite_db_close(source->db);
    free(source);
}

static int read_journal_mode(struct source *source, bool *ret_wal, struct err *err)
{
    sqlite3_stmt *statement = NULL;
    const char *mode = NULL;
    int r = 0, rc;

    rc = sqlite3_prepare_v2(source->db, "PRAGMA journal_mode", -1, &statement, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(statement);
    if (rc == SQLITE_ROW)
        mode = (const char *)sqlite3_column_text(statement, 0);
    if (mode == NULL) {
        r = sqlite_db_err(err, source->db, rc, "read the journal mode");
    } else {
        *ret_wal = sqlite3_stricmp(mode, "wal") == 0;
    }
    (void)sqlite3_finalize(statement);
    return r;
}

/* Of a database that is read in a moment.  Tables that cannot be counted, of whatever reason, are
 * backed up all the same. */
static int count_rows(struct source *source, struct source_facts *facts, struct err *err)
{
    int64_t num_tables = 0, num_rows = 0;
    int r;

    facts->num_rows = -1;
    if ((uint64_t)facts->page_size * facts->page_count > COUNTED_SIZE_MAX)
        return 0;
    r = row_count(source->db, &num_tables, &num_rows, NULL);
    if (r == 0)
        facts->num_rows = num_rows;
    return cancel_check(source->options.cancel, err);
}

static int read_facts(struct source *source, struct source_facts *facts, struct err *err)
{
    int64_t num_tables = 0, page_size = 0, page_count = 0;
    int r;

    /* The first statement that reads is what pins the moment: BEGIN alone does not. */
    r = sqlite_db_get_int(source->db, COUNT_TABLES, &num_tables, err);
    if (r < 0)
        return r;
    facts->created_at_ms = clock_now_ms(source->options.clock);
    r = sqlite_db_get_int(source->db, "PRAGMA page_size", &page_size, err);
    if (r < 0)
        return r;
    r = sqlite_db_get_int(source->db, "PRAGMA page_count", &page_count, err);
    if (r < 0)
        return r;
    if (page_count == 0)
        return err_set(err, ERR_REFUSED, "'%s' has no pages yet", source->options.path);
    if (!page_size_is_valid((uint64_t)page_size) || page_count < 0 || page_count > UINT32_MAX) {
        return err_set(err, ERR_CORRUPT, "'%s' says it has %" PRId64 " pages of %" PRId64 " bytes",
                       source->options.path, page_count, page_size);
    }
    if (source->options.tables != NULL)
        (void)table_names(source->db, source->options.tables, NULL); /* of use, and no more */
    facts->num_tables = (uint32_t)num_tables;
    facts->page_size = (uint32_t)page_size;
    facts->page_count = (uint32_t)page_count;
    r = read_journal_mode(source, &facts->wal, err);
    return r < 0 ? r : count_rows(source, facts, err);
}

static int explain_begin(const struct source *source, int r, struct err *err)
{
    if (r != ERR_BUSY)
        return r;
    if (cancel_is_set(source->options.cancel)) /* which also ends a wait for a lock */
        return cancel_check(source->options.cancel, err);
    err_hint(err, "another process writes without a pause: wait for longer with busy_timeout");
    return err_wrap(err, r, "begin to read '%s'", source->options.path);
}

bool source_fingerprint(struct source *source, struct fingerprint *ret_fingerprint)
{
    return fingerprint_take(source->db, source->options.path, source->options.clock,
                            ret_fingerprint);
}

/* A fingerprint that is the same before and after the moment is pinned is that of the moment: with
 * `before` alone the moment might show more than it, with one from afterwards less. */
static void keep_fingerprint(struct source *source, const struct fingerprint *before,
                             struct source_facts *facts)
{
    struct fingerprint compared = *before, after;

    if (!source_fingerprint(source, &after))
        return;
    compared.settled = true; /* which is a question for later */
    facts->has_fingerprint = fingerprint_same(&compared, &after);
    facts->fingerprint = *before;
}

/* In WAL mode: which frames the moment has.  They are those of the wal-index if it was the same
 * before and after the moment was pinned. */
static void keep_frames(struct source *source, struct source_facts *facts)
{
    facts->has_frames =
        facts->wal && facts->has_fingerprint && wal_index_read(source->db, &facts->frames) &&
        memcmp(facts->frames.header, facts->fingerprint.wal_index, WAL_INDEX_HEADER_SIZE) == 0;
}

int source_begin(struct source *source, struct source_facts *ret_facts, struct err *err)
{
    struct source_facts facts = { 0 };
    struct fingerprint before;
    bool has_before;
    int r;

    assert(!source->in_transaction);
    has_before = source_fingerprint(source, &before);
    r = sqlite_db_exec(source->db, "BEGIN", err);
    if (r < 0)
        return r;
    source->in_transaction = true;
    source->began_us = mono_us();
    r = read_facts(source, &facts, err);
    if (r < 0) {
        (void)source_end(source);
        return explain_begin(source, r, err);
    }
    if (has_before)
        keep_fingerprint(source, &before, &facts);
    keep_frames(source, &facts);
    *ret_facts = facts;
    return 0;
}

uint64_t source_end(struct source *source)
{
    if (!source->in_transaction)
        return 0;
    source->in_transaction = false;
    (void)sqlite3_exec(source->db, "ROLLBACK", NULL, NULL, NULL); /* nothing was written */
    return (uint64_t)(mono_us() - source->began_us);
}

static struct page_stream stream_begin(const struct source *source,
                                       const struct source_facts *facts,
                                       const struct source_visitor *visitor)
{
    return (struct page_stream){
        .facts = facts,
        .visitor = visitor,
        .meter = { .progress = visitor->quiet ? NULL : source->options.progress,
                   .phase = PROGRESS_READ,
                   .total = (uint64_t)facts->page_size * facts->page_count },
        .next_page = 2,
    };
}

static int stream_flush(struct page_stream *stream, struct err *err)
{
    uint32_t count = stream->group_count;

    if (count == 0)
        return 0;
    stream->room = NULL;
    stream->group_count = 0;
    progress_meter_add(&stream->meter, (uint64_t)count * stream->facts->page_size);
    return stream->visitor->group(stream->visitor->context, stream->group_first, count, err);
}

/* Append the next page; NULL for one of zeros. */
static int stream_add(struct page_stream *stream, const void *page, struct err *err)
{
    size_t page_size = stream->facts->page_size;
    uint8_t *to;
    int r;

    if (stream->room == NULL) {
        r = stream->visitor->room(stream->visitor->context, &stream->room, err);
        if (r < 0)
            return r;
        stream->group_first = stream->next_page;
    }
    to = stream->room + stream->group_count * page_size;
    if (page != NULL) {
        memcpy(to, page, page_size);
    } else {
        memset(to, 0, page_size);
    }
    stream->next_page++;
    stream->group_count++;
    if (stream->group_count < frame_slots(stream->facts->page_size))
        return 0;
    return stream_flush(stream, err);
}

/* SQLite never uses, and so never copies, the page that holds the lock bytes. */
static int stream_add_lock_byte_page(struct page_stream *stream, struct err *err)
{
    if (stream->next_page != page_lock_byte(stream->facts->page_size) ||
        stream->next_page > stream->facts->page_count)
        return 0;
    return stream_add(stream, NULL, err);
}

static int take_page(void *context, uint32_t page_number, const void *page, size_t page_size,
                     struct err *err)
{
    struct page_stream *stream = context;
    int r;

    r = stream_add_lock_byte_page(stream, err);
    if (r < 0)
        return r;
    if (page_number != stream->next_page || page_number > stream->facts->page_count ||
        page_size != stream->facts->page_size) {
        return err_set(err, ERR_IO,
                       "SQLite's backup gave page %" PRIu32 " of %zu bytes where page %" PRIu32
                       " of %" PRIu32 " bytes was due",
                       page_number, page_size, stream->next_page, stream->facts->page_size);
    }
    return stream_add(stream, page, err);
}

static int copy_all(struct source *source, sqlite3 *to, struct err *err)
{
    sqlite3_backup *backup = sqlite3_backup_init(to, "main", source->db, "main");
    int r = 0, rc = SQLITE_OK;

    if (backup == NULL)
        return sqlite_db_err(err, to, sqlite3_extended_errcode(to), "begin to copy");
    do {
        r = cancel_check(source->options.cancel, err);
        if (r < 0)
            break;
        rc = sqlite3_backup_step(backup, BACKUP_STEP_PAGES);
    } while (rc == SQLITE_OK);
    (void)sqlite3_backup_finish(backup); /* says nothing of an unfinished copy */
    if (r == 0 && rc != SQLITE_DONE)
        r = sqlite_db_err(err, NULL, rc, "copy '%s'", source->options.path);
    return r;
}

static int stream_end(struct page_stream *stream, struct err *err)
{
    int r;

    r = stream_add_lock_byte_page(stream, err);
    if (r < 0)
        return r;
    r = stream_flush(stream, err);
    if (r < 0)
        return r;
    if (stream->next_page - 1 != stream->facts->page_count) {
        return err_set(err, ERR_IO, "SQLite's backup ended after page %" PRIu32 " of %" PRIu32,
                       stream->next_page - 1, stream->facts->page_count);
    }
    progress_meter_add(&stream->meter, stream->facts->page_size); /* page 1 */
    return 0;
}

static void put_u32_be(uint8_t *to, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        to[i] = (uint8_t)(value >> (24 - 8 * i));
}

/* What SQLite's backup makes of page 1, so that it is the same page whichever way it was read: the
 * copy's own change counter and schema cookie, both 1, its size, and who wrote it. */
static void copy_page_one(uint8_t *page_one, uint32_t page_count)
{
    put_u32_be(page_one + 24, 1);
    put_u32_be(page_one + 28, page_count);
    put_u32_be(page_one + 40, 1);
    put_u32_be(page_one + 92, 1);
    put_u32_be(page_one + 96, (uint32_t)sqlite3_libversion_number());
}

static int scan_copy(struct source *source, const struct source_facts *facts,
                     const struct source_visitor *visitor, uint8_t *page_one, struct err *err)
{
    struct page_stream stream = stream_begin(source, facts, visitor);
    struct sink_vfs *sink = NULL;
    sqlite3 *to = NULL;
    const void *first;
    size_t first_size = 0;
    int r;

    assert(source->in_transaction);
    r = sink_vfs_new(take_page, &stream, &sink, err);
    if (r < 0)
        return r;
    r = sink_vfs_open(sink, &to, err);
    if (r < 0)
        goto out;
    r = copy_all(source, to, err);
    if (r < 0) {
        int cause = sink_vfs_failure(sink, err);

        r = cause < 0 ? cause : r;
        goto out;
    }
    r = stream_end(&stream, err);
    if (r < 0)
        goto out;
    first = sink_vfs_page_one(sink, &first_size);
    if (first_size == facts->page_size) {
        memcpy(page_one, first, first_size);
    } else {
        r = err_set(err, ERR_IO, "SQLite's backup gave no page 1");
    }
out:
    (void)sqlite3_close(to);
    sink_vfs_free(sink);
    return r;
}

static int read_file(sqlite3_file *file, const struct source *source, uint8_t *to, size_t len,
                     uint64_t offset, struct err *err)
{
    int rc = file->pMethods->xRead(file, to, (int)len, (sqlite3_int64)offset);

    /* SQLite's pager takes a page that ends early as ending in zeros; so did xRead. */
    if (rc == SQLITE_OK || rc == SQLITE_IOERR_SHORT_READ)
        return 0;
    return sqlite_db_err(err, source->db, rc, "read '%s' at byte %" PRIu64, source->options.path,
                         offset);
}

/* Read a whole group at once into the visitor's room: four times as fast as page by page.  frames:
 * what the log has instead, or NULL. */
static int read_group(sqlite3_file *file, struct wal_frames *frames, const struct source *source,
                      struct page_stream *stream, struct err *err)
{
    uint32_t page_size = stream->facts->page_size;
    uint32_t left = stream->facts->page_count + 1 - stream->next_page;
    uint32_t count = left < frame_slots(page_size) ? left : frame_slots(page_size);
    uint32_t lock_byte = page_lock_byte(page_size);
    int r;

    r = stream->visitor->room(stream->visitor->context, &stream->room, err);
    if (r < 0)
        return r;
    r = read_file(file, source, stream->room, (size_t)count * page_size,
                  (uint64_t)(stream->next_page - 1) * page_size, err);
    if (r == 0 && frames != NULL)
        r = wal_frames_put(frames, stream->next_page, count, stream->room, err);
    if (r < 0)
        return r;
    if (lock_byte >= stream->next_page && lock_byte - stream->next_page < count)
        memset(stream->room + (size_t)(lock_byte - stream->next_page) * page_size, 0, page_size);
    stream->group_first = stream->next_page;
    stream->group_count = count;
    stream->next_page += count;
    return stream_flush(stream, err);
}

static int scan_file(struct source *source, const struct source_facts *facts,
                     struct wal_frames *frames, const struct source_visitor *visitor,
                     uint8_t *page_one, struct err *err)
{
    struct page_stream stream = stream_begin(source, facts, visitor);
    sqlite3_file *file = NULL;
    int r, rc;

    rc = sqlite3_file_control(source->db, "main", SQLITE_FCNTL_FILE_POINTER, &file);
    if (rc != SQLITE_OK || file == NULL || file->pMethods == NULL) {
        return sqlite_db_err(err, source->db, rc, "find the open file of '%s'",
                             source->options.path);
    }
    r = read_file(file, source, page_one, facts->page_size, 0, err);
    if (r == 0 && frames != NULL)
        r = wal_frames_put(frames, 1, 1, page_one, err);
    while (r == 0 && stream.next_page <= facts->page_count) {
        r = cancel_check(source->options.cancel, err);
        if (r == 0)
            r = read_group(file, frames, source, &stream, err);
    }
    return r < 0 ? r : stream_end(&stream, err);
}

int source_scan_file(struct source *source, const struct source_facts *facts,
                     const struct source_visitor *visitor, uint8_t *page_one, struct err *err)
{
    return scan_file(source, facts, NULL, visitor, page_one, err);
}

/* A checkpoint copies no frame past the mark that our lock stands for.  So until source_end() pages
 * that are in no frame of the moment stay in the file as they are, and the log is not begun anew:
 * the file and the moment's frames are the moment.  Several times as fast as a copy by SQLite. */
int source_scan(struct source *source, const struct source_facts *facts,
                const struct source_visitor *visitor, uint8_t *page_one, struct err *err)
{
    struct wal_frames *frames = NULL;
    int r = 0;

    if (!facts->has_frames)
        return scan_copy(source, facts, visitor, page_one, err);
    if (facts->frames.backfilled_count < facts->frames.frame_count)
        r = wal_frames_new(source->db, &facts->frames, facts->page_size, &frames, err);
    if (r == ERR_UNSUPPORTED) {
        err_clear(err);
        return scan_copy(source, facts, visitor, page_one, err);
    }
    if (r == 0)
        r = scan_file(source, facts, frames, visitor, page_one, err);
    if (r == 0)
        copy_page_one(page_one, facts->page_count);
    wal_frames_free(frames);
    return r;
}

#include "base/buf.h"
#include "base/cancel.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "snapshot/frame.h"
#include "snapshot/manifest.h"
#include "snapshot/progress.h"
#include "snapshot/publish.h"
#include "snapshot/source.h"
#include "snapshot/sqlite_db.h"
#include "snapshot/stage.h"
#include "snapshot/target.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define STEP_PAGES            1024 /* between two looks at cancel */
#define RETRY_POLL_MS         1
#define WAL_FRAME_HEADER_SIZE 24u /* sqlite.org/fileformat2.html#walformat */

#define USERS_TEXT_MAX 512

/* In rollback mode every eviction from the cache syncs the journal, so there it is worth its
 * memory: 16 MiB. */
#define CONFIGURE "PRAGMA synchronous=FULL; PRAGMA cache_size=-16384"

static int64_t mono_us(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static int refuse_page_size(const struct target *target, const struct backup_record *backup,
                            struct err *err)
{
    (void)err_set(err, ERR_REFUSED,
                  "'%s' is in WAL mode with pages of %" PRIu32
                  " bytes, and the backup has pages of "
                  "%" PRIu32 ": SQLite cannot change that while it is open",
                  target->path, target->page_size, backup->page_size);
    err_hint(err, "stop the application and use --swap");
    return ERR_REFUSED;
}

int publish_live_check(const struct target *target, const struct backup_record *backup,
                       uint64_t *ret_extra_size, struct err *err)
{
    uint64_t old_size = (uint64_t)target->st.st_size, new_size = backup->size;

    if (target->kind == TARGET_DATABASE && target->wal) {
        if (target->page_size != backup->page_size)
            return refuse_page_size(target, backup, err);
        /* Every page goes to the log. */
        *ret_extra_size = new_size + (uint64_t)backup->page_count * WAL_FRAME_HEADER_SIZE;
        return 0;
    }
    /* The journal holds what is overwritten, and the file grows. */
    *ret_extra_size = old_size < new_size ? new_size : old_size;
    return 0;
}

static int explain_busy(const struct publish *publish, struct err *err)
{
    struct buf users = BUF_INIT(USERS_TEXT_MAX);
    int code;

    if (cancel_is_set(publish->cancel)) /* which also ends a wait for a lock */
        return cancel_check(publish->cancel, err);
    (void)target_users(publish->target->path, &users, NULL);
    code = err_set(err, ERR_BUSY, "'%s' stayed locked for %" PRId64 " ms%s%s",
                   publish->target->path, publish->busy_timeout_ms,
                   users.len > 0 ? "; it is open in process " : "", users.ptr);
    err_hint(err, "end the transaction that holds it, or wait for longer with --busy-timeout");
    buf_dispose(&users);
    return code;
}

static int explain(const struct publish *publish, int rc, struct err *err)
{
    switch (rc & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_PROTOCOL:
        return explain_busy(publish, err);
    case SQLITE_READONLY:
        if (rc == SQLITE_READONLY) /* not one of the kinds that are about permissions */
            return refuse_page_size(publish->target, publish->backup, err);
        break;
    default:
        break;
    }
    return sqlite_db_err(err, NULL, rc, "write '%s'", publish->target->path);
}

static bool is_busy(int rc)
{
    return (rc & 0xff) == SQLITE_BUSY || (rc & 0xff) == SQLITE_LOCKED;
}

/* The busy handler waits; but some kinds of "busy" do not ask it, and a step does not begin to
 * count anew, which any statement does. */
static int step(const struct publish *publish, sqlite3_backup *backup, sqlite3 *to, int page_count)
{
    struct clock *clock = clock_system();
    int64_t deadline_ms = clock_mono_ms(clock) + publish->busy_timeout_ms;
    int rc = sqlite3_backup_step(backup, page_count);

    while (is_busy(rc) && clock_mono_ms(clock) < deadline_ms && !cancel_is_set(publish->cancel)) {
        clock_sleep_ms(clock, RETRY_POLL_MS, publish->cancel);
        (void)sqlite3_exec(to, "SELECT 1", NULL, NULL, NULL);
        rc = sqlite3_backup_step(backup, page_count);
    }
    return rc;
}

static int copy(const struct publish *publish, sqlite3 *from, sqlite3 *to, uint64_t *ret_locked_us,
                struct err *err)
{
    struct progress_meter meter = { .progress = publish->progress,
                                    .phase = PROGRESS_PUBLISH,
                                    .total = publish->backup->size };
    sqlite3_backup *backup = sqlite3_backup_init(to, "main", from, "main");
    int64_t began_us;
    int left, r = 0, rc;

    if (backup == NULL)
        return explain(publish, sqlite3_extended_errcode(to), err);
    rc = step(publish, backup, to, 1); /* the one that waits for the lock, which is then kept */
    began_us = mono_us();
    while (rc == SQLITE_OK) {
        left = sqlite3_backup_remaining(backup);
        r = cancel_check(publish->cancel, err);
        if (r < 0)
            break;
        rc = step(publish, backup, to, STEP_PAGES);
        progress_meter_add(&meter, (uint64_t)(left - sqlite3_backup_remaining(backup)) *
                                       publish->backup->page_size);
    }
    (void)sqlite3_backup_finish(backup); /* rolls back what is not done */
    if (r == 0 && rc != SQLITE_DONE)
        r = explain(publish, rc, err);
    if (r == 0)
        *ret_locked_us = (uint64_t)(mono_us() - began_us);
    return r;
}

/* What is read back from the target. */
struct read_back {
    const struct publish *publish;
    uint8_t *room;
    struct page_hash sum; /* of all pages but the first */
};

static int take_room(void *context, uint8_t **ret_room, struct err *err)
{
    struct read_back *back = context;

    (void)err;
    *ret_room = back->room;
    return 0;
}

static int take_group(void *context, uint32_t first_page, uint32_t page_count, struct err *err)
{
    struct read_back *back = context;
    uint32_t page_size = back->publish->backup->page_size;

    (void)err;
    for (uint32_t i = 0; i < page_count; i++) {
        page_hash_xor(&back->sum, page_hash(back->publish->page_hash_seed, first_page + i,
                                            back->room + (size_t)i * page_size, page_size));
    }
    return 0;
}

/* SQLite keeps these bytes of page 1 for itself: journal mode, change counter and size, schema
 * cookie, version.  sqlite.org/fileformat2.html#the_database_header */
static void mask_page_one(uint8_t *page)
{
    memset(page + 18, 0, 2);
    memset(page + 24, 0, 8);
    memset(page + 40, 0, 4);
    memset(page + 92, 0, 8);
}

/* *ret_same: the content of the target, page by page, is that of the staged file. */
static int compare(struct read_back *back, struct source *source, bool *ret_same, struct err *err)
{
    const struct publish *publish = back->publish;
    const struct backup_record *backup = publish->backup;
    struct source_visitor visitor = { .room = take_room, .group = take_group, .context = back };
    struct source_facts facts;
    uint8_t *page_one = malloc(2 * (size_t)PAGE_SIZE_MAX), *staged;
    struct page_hash expected = backup->database_hash;
    int r;

    if (page_one == NULL)
        return err_nomem(err);
    staged = page_one + PAGE_SIZE_MAX;
    r = source_begin(source, &facts, err);
    if (r < 0)
        goto out;
    if (facts.page_size != backup->page_size || facts.page_count != backup->page_count) {
        *ret_same = false;
        goto out;
    }
    r = source_scan(source, &facts, &visitor, page_one, err);
    if (r == 0) {
        r = file_pread_all(publish->stage->fd, staged, backup->page_size, 0, publish->stage->path,
                           err);
    }
    if (r < 0)
        goto out;
    page_hash_xor(&expected, page_hash(publish->page_hash_seed, 1, staged, backup->page_size));
    mask_page_one(page_one);
    mask_page_one(staged);
    *ret_same =
        page_hash_eq(back->sum, expected) && memcmp(page_one, staged, backup->page_size) == 0;
out:
    (void)source_end(source);
    free(page_one);
    return r;
}

/* By a connection that had no part in writing it. */
static int read_back(const struct publish *publish, bool *ret_same, struct err *err)
{
    struct source_options options = {
        .path = publish->target->path,
        .busy_timeout_ms = publish->busy_timeout_ms,
        .cancel = publish->cancel,
        .clock = clock_system(),
    };
    struct read_back back = { .publish = publish, .room = malloc(FRAME_RAW_SIZE_MAX) };
    struct source *source = NULL;
    int r;

    if (back.room == NULL)
        return err_nomem(err);
    r = source_open(&options, &source, err);
    if (r == 0)
        r = compare(&back, source, ret_same, err);
    source_close(source);
    free(back.room);
    return r;
}

/* The application goes on at once, so a difference is a failure only if nobody can have made it:
 * data_version tells of commits by others since ours, users of those who may have been quicker than
 * we were to ask for it. */
static int verify(const struct publish *publish, sqlite3 *to, int64_t version, struct err *err)
{
    struct buf users = BUF_INIT(USERS_TEXT_MAX);
    int64_t version_now = version;
    bool same = true;
    int r;

    r = read_back(publish, &same, err);
    if (r == ERR_BUSY || r == ERR_CANCELED) { /* it is restored: too late to fail for that */
        log_warn("'%s' was restored, but could not be read back: %s", publish->target->path,
                 err != NULL ? err->msg : "it is busy");
        err_clear(err);
        return 0;
    }
    if (r < 0)
        return err_wrap(err, r, "restored, but cannot read it back");
    if (same)
        return 0;
    r = sqlite_db_get_int(to, "PRAGMA data_version", &version_now, err);
    if (r == 0 &&
        (version_now != version || target_users(publish->target->path, &users, NULL) != 0)) {
        log_info("'%s' has been written to since it was restored", publish->target->path);
    } else if (r == 0) {
        r = err_set(err, ERR_CORRUPT, "'%s' was restored, and reads back differently",
                    publish->target->path);
    }
    buf_dispose(&users);
    return r;
}

/* A log beside what is no database: SQLite would append to it, in pages of another size even, and
 * the next one to open it could read neither.  keep_files() has a copy. */
static int remove_logs(const struct publish *publish, struct err *err)
{
    int fd = -1, r;

    r = target_lock_file(publish->target->path, &fd, err);
    if (r == ERR_BUSY)
        return explain_busy(publish, err);
    if (r < 0)
        return r;
    r = target_remove_side_files(publish->target, err);
    (void)close(fd);
    return r;
}

int publish_live(const struct publish *publish, uint64_t *ret_locked_us, struct err *err)
{
    struct sqlite_db_options options = {
        .busy_timeout_ms = publish->busy_timeout_ms,
        .cancel = publish->cancel,
        .write = true,
        .reset = publish->target->kind == TARGET_UNREADABLE,
    };
    sqlite3 *from = NULL, *to = NULL;
    int64_t version = 0;
    int r = 0;

    if (options.reset)
        r = remove_logs(publish, err);
    if (r < 0)
        goto out;
    r = sqlite_db_open_own(publish->stage->path, &from, err);
    if (r < 0)
        goto out;
    r = sqlite_db_open(publish->target->path, &options, &to, err);
    if (r < 0)
        goto out;
    if (!options.reset) /* which leaves no schema that a pragma could read; FULL is the default */
        r = sqlite_db_exec(to, CONFIGURE, err);
    if (r < 0)
        goto out;
    r = copy(publish, from, to, ret_locked_us, err);
    if (r < 0)
        goto out;
    (void)sqlite3_db_config(to, SQLITE_DBCONFIG_RESET_DATABASE, 0, NULL);
    r = sqlite_db_get_int(to, "PRAGMA data_version", &version, err);
    if (r == 0)
        r = verify(publish, to, version, err);
out:
    sqlite_db_close(to);
    (void)sqlite3_close(from);
    return r;
}

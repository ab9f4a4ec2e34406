#include "agent/database.h"
#include "agent/doctor.h"
#include "agent/doctor_report.h"
#include "agent/schedule.h"
#include "agent/session.h"
#include "agent/zone.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/parse.h"
#include "snapshot/sqlite_db.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define SCHEDULE_DEFAULT "@hourly"
#define ZONE_DEFAULT     "local"
#define TEXT_LEN_MAX     4096
#define WAL_SIZE_MIN     (UINT64_C(64) << 20) /* bytes; SQLite checkpoints at 4 MB by itself */
#define LOCK_WAIT_MS     1000

static void check_size(struct doctor_report *report, sqlite3 *db, uint64_t *ret_size)
{
    int64_t page_size = 0, page_count = 0;
    char text[FORMAT_SIZE_SIZE];
    struct err err = { 0 };
    int r;

    r = sqlite_db_get_int(db, "PRAGMA page_size", &page_size, &err);
    if (r == 0)
        r = sqlite_db_get_int(db, "PRAGMA page_count", &page_count, &err);
    if (r < 0) {
        doctor_fail(report, "read", &err);
        return;
    }
    *ret_size = (uint64_t)page_size * (uint64_t)page_count;
    format_size(*ret_size, text);
    doctor_ok(report, "read", "it can be read: %s in %lld pages of %lld bytes", text,
              (long long)page_count, (long long)page_size);
}

static void check_journal(struct doctor_report *report, sqlite3 *db, const char *path,
                          uint64_t size)
{
    struct buf wal_path = BUF_INIT(TEXT_LEN_MAX);
    char text[FORMAT_SIZE_SIZE];
    int64_t is_wal = 0;
    struct err err = { 0 };
    struct stat st;

    if (sqlite_db_get_int(db, "SELECT journal_mode = 'wal' FROM pragma_journal_mode", &is_wal,
                          &err) < 0) {
        doctor_fail(report, "journal", &err);
        return;
    }
    buf_addf(&wal_path, "%s-wal", path);
    if (is_wal == 0) {
        doctor_ok(report, "journal",
                  "a rollback journal: commits wait for a moment while a backup looks again");
    } else if (stat(wal_path.ptr, &st) == 0 && (uint64_t)st.st_size > WAL_SIZE_MIN &&
               (uint64_t)st.st_size > size) {
        format_size((uint64_t)st.st_size, text);
        doctor_warn(report, "journal",
                    "the application's checkpoints do not get through: a reader that never ends "
                    "its transaction is the usual reason",
                    "a write-ahead log of %s, more than the database", text);
    } else {
        doctor_ok(report, "journal", "a write-ahead log: nobody waits for a backup");
    }
    buf_dispose(&wal_path);
}

static int first_complaint(sqlite3 *db, struct buf *complaint, struct err *err)
{
    sqlite3_stmt *stmt = NULL;
    int rc;

    rc = sqlite3_prepare_v2(db, "PRAGMA quick_check(1)", -1, &stmt, NULL);
    if (rc == SQLITE_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        buf_add_text(complaint, (const char *)sqlite3_column_text(stmt, 0));
        rc = SQLITE_OK;
    }
    (void)sqlite3_finalize(stmt);
    return rc == SQLITE_OK ? buf_check(complaint, err)
                           : sqlite_db_err(err, db, rc, "check the database");
}

static void check_content(struct doctor_report *report, sqlite3 *db)
{
    struct buf complaint = BUF_INIT(TEXT_LEN_MAX);
    struct err err = { 0 };
    int r;

    r = first_complaint(db, &complaint, &err);
    if (r == 0 && strcmp(complaint.ptr, "ok") != 0) {
        r = err_set(&err, ERR_CORRUPT, "the database is damaged: %s", complaint.ptr);
        err_hint(&err, "'holdfast list' shows the backups from before; see 'holdfast restore'");
    }
    if (r < 0) {
        doctor_fail(report, "content", &err);
    } else {
        doctor_ok(report, "content", "quick_check finds nothing wrong");
    }
    buf_dispose(&complaint);
}

static void skip_content(struct doctor_report *report, bool quick_check)
{
    doctor_skip(report, "journal", "the database cannot be opened");
    if (quick_check)
        doctor_skip(report, "content", "the database cannot be opened");
}

static uint64_t check_file(struct doctor_report *report, const struct session *session,
                           const char *path, bool quick_check)
{
    const struct sqlite_db_options options = {
        .busy_timeout_ms =
            (int64_t)settings_number(&session->settings, OPTION_BUSY_TIMEOUT, LOCK_WAIT_MS),
        .cancel = session->cancel,
    };
    struct err err = { 0 };
    sqlite3 *db = NULL;
    uint64_t size = 0;

    if (sqlite_db_open(path, &options, &db, &err) < 0) {
        doctor_fail(report, "read", &err);
        skip_content(report, quick_check);
        return 0;
    }
    check_size(report, db, &size);
    check_journal(report, db, path, size);
    if (quick_check)
        check_content(report, db);
    sqlite_db_close(db);
    return size;
}

/* Whoever works on it now is no fault; a lock that cannot be had for long is. */
static void check_lock(struct doctor_report *report, const struct session *session,
                       const char *name)
{
    struct lock lock = LOCK_INIT;
    struct err err = { 0 };

    if (session_lock(session, name, 0, &lock, &err) < 0) {
        doctor_doubt(report, "lock", &err);
    } else if (lock.fd < 0) {
        doctor_skip(report, "lock", "the state directory cannot be written");
    } else {
        doctor_ok(report, "lock", "no other holdfast is at work on it");
    }
    lock_release(&lock);
}

static void check_schedule(struct doctor_report *report, const struct session *session)
{
    const char *text = settings_text(&session->settings, OPTION_SCHEDULE);
    const char *zone_text = settings_text(&session->settings, OPTION_TIMEZONE);
    char when[FORMAT_TIME_SIZE];
    struct schedule schedule;
    struct zone *zone = NULL;
    struct err err = { 0 };
    int64_t next_ms;
    int r;

    text = text != NULL ? text : SCHEDULE_DEFAULT;
    r = zone_load(zone_text != NULL ? zone_text : ZONE_DEFAULT, &zone, &err);
    if (r == 0)
        r = schedule_parse(text, zone, &schedule, &err);
    if (r < 0) {
        doctor_fail(report, "schedule", &err);
        zone_free(zone);
        return;
    }
    next_ms = schedule_next(&schedule, clock_now_ms(session->clock));
    if (next_ms == SCHEDULE_NEVER) {
        doctor_warn(report, "schedule", "choose times that come", "'%s' never comes", text);
    } else {
        format_time_local(next_ms, when);
        doctor_ok(report, "schedule", "'%s', next at %s, if run or agent is running then", text,
                  when);
    }
    zone_free(zone);
}

unsigned long long doctor_check_database(struct doctor_report *report,
                                         const struct session *session,
                                         const struct database *database, bool quick_check)
{
    uint64_t size;

    doctor_subject(report, "database %s (%s)", database->name, database->path);
    size = check_file(report, session, database->path, quick_check);
    check_lock(report, session, database->name);
    check_schedule(report, session);
    return size;
}

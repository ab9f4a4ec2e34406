#include "agent/metrics.h"

#include "agent/process_facts.h"
#include "agent/text.h"
#include "agent/watch.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define FILE_LEN_MAX  (256u << 20)
#define LABEL_LEN_MAX 4096
#define HTTP_OK       200

/* One number of each database. */
struct gauge {
    const char *name, *help;
    bool is_time; /* in ms, and shown in seconds */
    /* INT64_MIN: it has none. */
    int64_t (*value)(const struct watch_database *database, int64_t now_ms);
};

static int64_t last_success(const struct watch_database *database, int64_t now_ms)
{
    (void)now_ms;
    return database->status.success_ms;
}

static int64_t last_attempt(const struct watch_database *database, int64_t now_ms)
{
    (void)now_ms;
    return database->status.attempt_ms;
}

static int64_t next(const struct watch_database *database, int64_t now_ms)
{
    (void)now_ms;
    return database->next_ms != 0 ? database->next_ms : INT64_MIN;
}

static int64_t duration(const struct watch_database *database, int64_t now_ms)
{
    (void)now_ms;
    return database->status.attempt_ms != 0 ? database->status.duration_ms : INT64_MIN;
}

static int64_t failures(const struct watch_database *database, int64_t now_ms)
{
    (void)now_ms;
    return database->status.failures;
}

static int64_t running(const struct watch_database *database, int64_t now_ms)
{
    (void)now_ms;
    return database->began_ms != 0;
}

static int64_t healthy(const struct watch_database *database, int64_t now_ms)
{
    return health_is_enough(watch_health(database, now_ms));
}

static int64_t too_old_at(const struct watch_database *database, int64_t now_ms)
{
    (void)now_ms;
    return database->deadline_ms == 0 || database->deadline_ms == INT64_MAX ? INT64_MIN
                                                                            : database->deadline_ms;
}

static int64_t newest_number(const struct watch_database *database, uint64_t number)
{
    return database->history.newest.created_at_ms != 0 ? (int64_t)number : INT64_MIN;
}

static int64_t size(const struct watch_database *database, int64_t now_ms)
{
    (void)now_ms;
    return newest_number(database, database->history.newest.size);
}

static int64_t tables(const struct watch_database *database, int64_t now_ms)
{
    (void)now_ms;
    return newest_number(database, database->history.newest.num_tables);
}

static int64_t stored(const struct watch_database *database, int64_t now_ms)
{
    (void)now_ms;
    return newest_number(database, database->history.newest.stored_bytes);
}

static int64_t catalog_number(const struct watch_database *database, uint64_t number)
{
    return database->history.catalog.is_known ? (int64_t)number : INT64_MIN;
}

static int64_t backups(const struct watch_database *database, int64_t now_ms)
{
    (void)now_ms;
    return catalog_number(database, database->history.catalog.backup_count);
}

static int64_t damaged(const struct watch_database *database, int64_t now_ms)
{
    (void)now_ms;
    return catalog_number(database, database->history.catalog.damaged_count);
}

static int64_t all_stored(const struct watch_database *database, int64_t now_ms)
{
    (void)now_ms;
    return catalog_number(database, database->history.catalog.stored_bytes);
}

static int64_t oldest(const struct watch_database *database, int64_t now_ms)
{
    const struct history_catalog *catalog = &database->history.catalog;

    (void)now_ms;
    return catalog->is_known && catalog->oldest_ms != 0 ? catalog->oldest_ms : INT64_MIN;
}

static int64_t verified(const struct watch_database *database, int64_t now_ms)
{
    (void)now_ms;
    return watch_verified_ms(database);
}

static int64_t drill_failures(const struct watch_database *database, int64_t now_ms)
{
    (void)now_ms;
    return database->drill.failures;
}

static int64_t restore_duration(const struct watch_database *database, int64_t now_ms)
{
    (void)now_ms;
    return database->drill.verified_ms != 0 ? database->drill.restore_ms : INT64_MIN;
}

static int64_t shrunk(const struct watch_database *database, int64_t now_ms)
{
    (void)now_ms;
    return database->status.shrunk;
}

static const struct gauge gauges[] = {
    { "holdfast_healthy",
      "1 while the last good backup is new enough and the last drill restored it, else 0.", false,
      healthy },
    { "holdfast_last_success_timestamp_seconds",
      "When the last good backup began, made or found unnecessary; 0: never.", true, last_success },
    { "holdfast_last_attempt_timestamp_seconds", "When the last backup began; 0: never.", true,
      last_attempt },
    { "holdfast_last_attempt_duration_seconds", "How long the last backup took.", true, duration },
    { "holdfast_success_expires_timestamp_seconds",
      "Until when the last good backup is new enough.", true, too_old_at },
    { "holdfast_next_attempt_timestamp_seconds", "When the next backup is due.", true, next },
    { "holdfast_consecutive_failures", "Backups that failed since the last good one.", false,
      failures },
    { "holdfast_running", "1 while a backup is under way, else 0.", false, running },
    { "holdfast_database_size_bytes", "Size of the database in the newest backup.", false, size },
    { "holdfast_database_tables", "Tables of the database in the newest backup.", false, tables },
    { "holdfast_newest_backup_stored_bytes", "What the newest backup added to the store.", false,
      stored },
    { "holdfast_shrunk", "1 while a loss of rows or tables waits to be looked at, else 0.", false,
      shrunk },
    { "holdfast_backups", "Backups that can be restored, when the list was last seen.", false,
      backups },
    { "holdfast_damaged_backups", "Backups that were found not to restore.", false, damaged },
    { "holdfast_stored_bytes", "What all backups take in the store.", false, all_stored },
    { "holdfast_oldest_backup_timestamp_seconds", "When the oldest backup was taken.", true,
      oldest },
    { "holdfast_last_verified_timestamp_seconds", "When a backup was last verified; 0: never.",
      true, verified },
    { "holdfast_drill_consecutive_failures", "Restore drills that failed since the last good one.",
      false, drill_failures },
    { "holdfast_drill_restore_duration_seconds", "How long the last good restore drill took.", true,
      restore_duration },
};

static void add_head(struct buf *out, const char *name, const char *type, const char *help)
{
    buf_addf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* Without bytes that are not UTF-8, which a reader would refuse the whole page for. */
static void add_label(struct buf *out, const char *name, const char *text)
{
    struct buf clean = BUF_INIT(LABEL_LEN_MAX);

    text_escape(&clean, text);
    buf_addf(out, "%s=\"", name);
    for (size_t i = 0; i < clean.len; i++) {
        if (clean.ptr[i] == '"' || clean.ptr[i] == '\\')
            buf_add_char(out, '\\');
        buf_add_char(out, clean.ptr[i]);
    }
    buf_add_char(out, '"');
    buf_dispose(&clean);
}

/* Without a name the store has no label, as there is only one. */
static void add_database(struct buf *out, const struct watch_database *database)
{
    add_label(out, "database", database->name);
    if (database->store != NULL) {
        buf_add_char(out, ',');
        add_label(out, "store", database->store);
    }
}

static void add_value(struct buf *out, int64_t value, bool is_time)
{
    if (is_time && value % 1000 != 0) {
        buf_addf(out, " %" PRId64 ".%03d\n", value / 1000, abs((int)(value % 1000)));
    } else {
        buf_addf(out, " %" PRId64 "\n", is_time ? value / 1000 : value);
    }
}

static void add_gauge(const struct watch_view *view, const struct gauge *gauge, struct buf *out)
{
    add_head(out, gauge->name, "gauge", gauge->help);
    for (size_t i = 0; i < view->database_count; i++) {
        const int64_t value = gauge->value(&view->databases[i], view->now_ms);

        if (value == INT64_MIN)
            continue;
        buf_addf(out, "%s{", gauge->name);
        add_database(out, &view->databases[i]);
        buf_add_char(out, '}');
        add_value(out, value, gauge->is_time);
    }
}

/* Kept from run to run, so that they count for cron too. */
static void add_totals(const struct watch_view *view, struct buf *out)
{
    add_head(out, "holdfast_attempts_total", "counter", "Backups that ended, by how they did.");
    for (size_t i = 0; i < view->database_count; i++) {
        for (int outcome = 0; outcome < HISTORY_OUTCOME_COUNT; outcome++) {
            buf_add_text(out, "holdfast_attempts_total{");
            add_database(out, &view->databases[i]);
            buf_addf(out, ",outcome=\"%s\"} %" PRIu64 "\n",
                     history_outcome_name((enum history_outcome)outcome),
                     view->databases[i].history.outcomes[outcome]);
        }
    }
    add_head(out, "holdfast_backup_stored_bytes_total", "counter",
             "What all backups ever made added to the store.");
    for (size_t i = 0; i < view->database_count; i++) {
        buf_add_text(out, "holdfast_backup_stored_bytes_total{");
        add_database(out, &view->databases[i]);
        buf_addf(out, "} %" PRIu64 "\n", view->databases[i].history.sent_bytes);
    }
}

static void add_requests(const struct watch_store *store, struct buf *out)
{
    for (unsigned operation = 0; operation < S3_OPERATION_COUNT; operation++) {
        for (size_t status = 0; status < S3_STATUS_COUNT; status++) {
            const uint64_t requests = store->counters.requests[operation][status];

            if (requests == 0)
                continue;
            buf_add_text(out, "holdfast_store_requests_total{");
            add_label(out, "store", store->name);
            buf_addf(out, ",operation=\"%s\",code=\"%s\"} %" PRIu64 "\n",
                     s3_operation_name((enum s3_operation)operation), s3_status_name(status),
                     requests);
        }
    }
}

static void add_store_number(const struct watch_view *view, const char *name, const char *help,
                             size_t offset, struct buf *out)
{
    add_head(out, name, "counter", help);
    for (size_t i = 0; i < view->store_count; i++) {
        uint64_t value;

        memcpy(&value, (const char *)&view->stores[i].counters + offset, sizeof(value));
        buf_addf(out, "%s{", name);
        add_label(out, "store", view->stores[i].name);
        buf_addf(out, "} %" PRIu64 "\n", value);
    }
}

static void add_stores(const struct watch_view *view, struct buf *out)
{
    add_head(out, "holdfast_store_requests_total", "counter",
             "Requests to S3, retries included; code none: there was no answer.");
    for (size_t i = 0; i < view->store_count; i++)
        add_requests(&view->stores[i], out);
    add_store_number(view, "holdfast_store_retries_total", "Requests that were sent once more.",
                     offsetof(struct s3_counters, retries), out);
    add_store_number(view, "holdfast_store_sent_bytes_total", "Bodies of requests.",
                     offsetof(struct s3_counters, sent_bytes), out);
    add_store_number(view, "holdfast_store_received_bytes_total", "Bodies of answers.",
                     offsetof(struct s3_counters, received_bytes), out);
}

/* The names are those of Prometheus's own libraries. */
static void add_process(const struct watch_view *view, struct buf *out)
{
    const struct process_facts facts = process_facts_read();

    add_head(out, "process_start_time_seconds", "gauge", "When the agent began.");
    buf_add_text(out, "process_start_time_seconds");
    add_value(out, view->started_ms, true);
    add_head(out, "process_cpu_seconds_total", "counter", "Processor time used.");
    buf_add_text(out, "process_cpu_seconds_total");
    add_value(out, facts.cpu_ms, true);
    add_head(out, "process_resident_memory_bytes", "gauge", "Memory in use.");
    buf_addf(out, "process_resident_memory_bytes %" PRIu64 "\n", facts.resident_bytes);
    add_head(out, "process_open_fds", "gauge", "Open file descriptors.");
    buf_addf(out, "process_open_fds %" PRIu64 "\n", facts.open_fds);
}

static void add_common(const struct watch_view *view, struct buf *out)
{
    add_head(out, "holdfast_build_info", "gauge", "1; the version is a label.");
    buf_add_text(out, "holdfast_build_info{version=\"" HOLDFAST_VERSION "\"} 1\n");
    add_head(out, "holdfast_databases", "gauge", "Databases that are backed up.");
    buf_addf(out, "holdfast_databases %zu\n", watch_view_databases(view));
    for (size_t i = 0; i < sizeof(gauges) / sizeof(gauges[0]); i++)
        add_gauge(view, &gauges[i], out);
    add_totals(view, out);
}

int metrics_render(const struct watch_view *view, struct buf *out)
{
    add_common(view, out);
    add_stores(view, out);
    if (view->is_agent)
        add_process(view, out);
    return HTTP_OK;
}

static int render_file(const struct watch_view *view, struct buf *out)
{
    add_common(view, out);
    if (view->is_agent) /* else they would begin at 0 with each run */
        add_stores(view, out);
    return HTTP_OK;
}

int metrics_write_file(struct watch *watch, const char *path, struct err *err)
{
    struct buf text = BUF_INIT(FILE_LEN_MAX);
    int r;

    (void)watch_render(watch, render_file, &text);
    r = buf_check(&text, err);
    if (r == 0) /* for node_exporter, which runs as somebody else */
        r = file_write_atomic(path, text.ptr, text.len, 0644, err);
    buf_dispose(&text);
    return r;
}

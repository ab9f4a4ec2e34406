/* Goal: a quarter of a year of hourly backups of a database that grows and churns: storage stays
 * near what the kept backups need, each of them restores what it showed, and memory does not grow.
 *
 *   test_quarter HOURS
 */
#include "base/err.h"
#include "base/log.h"
#include "base/parse.h"
#include "retention/prune.h"
#include "snapshot/backup.h"
#include "snapshot/catalog.h"
#include "store/dir_store.h"
#include "store/object_store.h"
#include "tests/harness/fake_clock.h"
#include "tests/harness/fault_store.h"
#include "tests/harness/image.h"
#include "tests/harness/quiet_log.h"
#include "tests/harness/sqlite_fixture.h"
#include "tests/harness/temp_dir.h"
#include "tests/harness/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include <zstd.h>

#define HOUR_MS INT64_C(3600000)
/* After the time stamps of the store's files, which are the real time. */
#define START_MS INT64_C(4000000000000)
#define DAY      24u
#define KEPT_MAX 128

struct known {
    char id[UUID_TEXT_SIZE]; /* the image is in a file of this name */
};

struct quarter {
    char *dir;
    char state[128];
    struct sqlite_fixture fixture;
    struct fault_store_counters counters;
    struct object_store *store;
    struct fake_clock clock;
    struct known known[KEPT_MAX]; /* of backups that are still listed */
    size_t known_count;
    unsigned random, incrementals, fulls;
    /* The most that was stored, over what the kept backups need; and without the packs that only
     * wait out their grace. */
    double worst, worst_in_use;
    double sum; /* of all days' */
    unsigned days;
};

static unsigned hours = 2160, max_unused = 5;

static unsigned draw(struct quarter *quarter, unsigned below)
{
    return (unsigned)rand_r(&quarter->random) % below;
}

/* Mostly the newest rows, some old ones, new ones, and a few that go; more by day than by night. */
static void churn(struct quarter *quarter, unsigned hour)
{
    sqlite3 *db = sqlite_fixture_open(&quarter->fixture);
    const unsigned rows = hour % DAY < 8 ? 1 : 6;
    char sql[512];

    (void)snprintf(
        sql, sizeof(sql),
        "BEGIN;"
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %u)"
        " INSERT INTO t(body) SELECT hex(randomblob(100)) FROM n;"
        "UPDATE t SET body = hex(randomblob(100)) WHERE id > (SELECT max(id) - 4 FROM t);"
        "UPDATE t SET body = hex(randomblob(90)) WHERE id %% 9999 = %u;"
        "DELETE FROM t WHERE id %% 29999 = %u; COMMIT",
        rows, draw(quarter, 9999), draw(quarter, 29999));
    sqlite_fixture_exec(db, sql);
    if (hour % (30 * DAY) == 29 * DAY)
        sqlite_fixture_exec(db, "VACUUM");
    (void)sqlite3_close(db);
}

/* In storage that the next call takes. */
static const char *image_path(const struct quarter *quarter, const char *id)
{
    static char path[256];

    (void)snprintf(path, sizeof(path), "%s/%s.image", quarter->dir, id);
    return path;
}

static void back_up(struct quarter *quarter)
{
    struct image *image;
    struct prune_amend amend = { .store = quarter->store,
                                 .options = { .database = "app",
                                              .policy = &retention_policy_default,
                                              .grace_ms = EXPIRE_GRACE_MS,
                                              .repack = true,
                                              .max_unused = max_unused,
                                              .clock = &quarter->clock.clock } };
    struct backup_options options = {
        .database = "app",
        .path = quarter->fixture.path,
        .trigger = TRIGGER_SCHEDULE,
        .thread_count = 1,
        .full_below = 1,
        .state_dir = quarter->state,
        .amend = prune_amend,
        .amend_context = &amend,
        .no_rewrite = true,
        .clock = &quarter->clock.clock,
    };
    struct backup_record record;
    struct err err = { 0 };
    sqlite3 *db;

    if (backup_create(quarter->store, &options, &record, NULL, &err) < 0)
        fail_msg("%s", err.msg);
    if (prune_amend_finish(&amend, &err) < 0)
        fail_msg("%s", err.msg);
    prune_amend_dispose(&amend);
    assert_in_range(quarter->known_count, 0, KEPT_MAX - 1);
    memcpy(quarter->known[quarter->known_count].id, record.id, UUID_TEXT_SIZE);
    db = sqlite_fixture_open(&quarter->fixture);
    image = image_new(db);
    (void)sqlite3_close(db);
    image_save(image, image_path(quarter, record.id));
    image_free(image);
    quarter->known_count++;
    quarter->incrementals += record.kind == BACKUP_INCREMENTAL;
    quarter->fulls += record.kind == BACKUP_FULL;
    backup_record_dispose(&record);
}

static void prune(struct quarter *quarter)
{
    const struct prune_options options = {
        .database = "app",
        .policy = &retention_policy_default,
        .grace_ms = EXPIRE_GRACE_MS,
        .repack = true,
        .max_unused = max_unused,
        .clock = &quarter->clock.clock,
    };
    struct prune_report report = { 0 };
    struct err err = { 0 };

    if (prune_run(quarter->store, &options, &report, &err) < 0)
        fail_msg("%s", err.msg);
    assert_int_equal(report.missing, 0);
    prune_report_dispose(&report);
}

/* Forget the images of what has expired; those of the rest are in the manifest's order. */
static void follow(struct quarter *quarter, const struct manifest *manifest)
{
    size_t count = 0;

    for (size_t i = 0; i < quarter->known_count; i++) {
        const struct backup_record *backup = NULL;

        if (manifest_find_backup(manifest, quarter->known[i].id, &backup, NULL) == 0) {
            quarter->known[count++] = quarter->known[i];
        } else {
            assert_int_equal(unlink(image_path(quarter, quarter->known[i].id)), 0);
        }
    }
    quarter->known_count = count;
    assert_int_equal(count, manifest->backup_count);
}

static size_t compressed(const uint8_t *bytes, size_t len)
{
    const size_t bound = ZSTD_compressBound(len);
    void *out = malloc(bound);
    size_t size;

    assert_non_null(out);
    size = ZSTD_compress(out, bound, bytes, len, 1);
    assert_false(ZSTD_isError(size));
    free(out);
    return size;
}

/* One compressed full, and the compressed pages in which each kept backup differs from the one
 * before it. */
static size_t needed(const struct quarter *quarter, size_t page_size)
{
    struct image *image, *last = NULL;
    const uint8_t *before = NULL;
    size_t before_len = 0, total = 0;

    for (size_t i = 0; i < quarter->known_count; i++) {
        size_t len, changed_len = 0;
        const uint8_t *bytes;
        uint8_t *changed;

        image = image_load(image_path(quarter, quarter->known[i].id));
        bytes = image_bytes(image, &len);
        changed = malloc(len);
        assert_non_null(changed);
        for (size_t at = 0; at < len; at += page_size) {
            if (at < before_len && memcmp(bytes + at, before + at, page_size) == 0)
                continue;
            memcpy(changed + changed_len, bytes + at, page_size);
            changed_len += page_size;
        }
        total += compressed(changed, changed_len);
        free(changed);
        image_free(last);
        last = image;
        before = bytes;
        before_len = len;
    }
    image_free(last);
    return total;
}

static int add_size(void *context, const char *key, const struct object_info *info, struct err *err)
{
    (void)key;
    (void)err;
    *(uint64_t *)context += info->size;
    return 0;
}

/* Bytes of packs that are neither replaced nor to be deleted. */
static uint64_t in_use(const struct manifest *manifest)
{
    bool *used = calloc(manifest->pack_count + 1, sizeof(*used));
    uint64_t bytes = 0;

    assert_non_null(used);
    manifest_flag_used_packs(manifest, used);
    for (size_t i = 0; i < manifest->pack_count; i++) {
        if (used[i] && manifest->packs[i].replaced_at_ms == 0)
            bytes += manifest->packs[i].size;
    }
    free(used);
    return bytes;
}

static void note_ratio(double ratio, double *worst)
{
    if (ratio > *worst)
        *worst = ratio;
}

static void check_day(struct quarter *quarter)
{
    struct manifest manifest;
    uint64_t stored = 0;
    double need;

    assert_int_equal(catalog_load(quarter->store, "app", false, &manifest, NULL), 0);
    follow(quarter, &manifest);
    for (size_t i = 0; i < manifest.backup_count; i++) {
        struct image *image = image_load(image_path(quarter, quarter->known[i].id));
        struct err err = { 0 };
        bool same = false;

        if (image_compare(image, quarter->store, &manifest, &manifest.backups[i], &same, &err) < 0)
            fail_msg("%s", err.msg);
        assert_true(same);
        image_free(image);
    }
    assert_int_equal(object_list(quarter->store, "app/packs/", NULL, add_size, &stored, NULL), 0);
    need = (double)needed(quarter, manifest.backups[0].page_size);
    note_ratio((double)stored / need, &quarter->worst);
    note_ratio((double)in_use(&manifest) / need, &quarter->worst_in_use);
    quarter->sum += (double)stored / need;
    quarter->days++;
    manifest_dispose(&manifest);
}

static long peak_kib(void)
{
    struct rusage usage;

    assert_int_equal(getrusage(RUSAGE_SELF, &usage), 0);
    return usage.ru_maxrss;
}

static void init(struct quarter *quarter)
{
    const struct fault_store_options options = { .clock = &quarter->clock.clock };
    struct object_store *inner = NULL;
    char store[96];
    sqlite3 *db;

    memset(quarter, 0, sizeof(*quarter));
    quarter->random = 1;
    quarter->dir = temp_dir_new();
    (void)snprintf(store, sizeof(store), "%s/store", quarter->dir);
    (void)snprintf(quarter->state, sizeof(quarter->state), "%s/state", quarter->dir);
    assert_int_equal(dir_store_new(store, &inner, NULL), 0);
    assert_int_equal(fault_store_new(inner, &options, &quarter->counters, &quarter->store, NULL),
                     0);
    fake_clock_init(&quarter->clock, START_MS);
    sqlite_fixture_make(&quarter->fixture, 4096, "wal", 30000);
    db = sqlite_fixture_open(&quarter->fixture); /* contents that are no easier to compress later */
    sqlite_fixture_exec(db, "UPDATE t SET body = hex(randomblob(100)); VACUUM");
    (void)sqlite3_close(db);
}

static void stays_small_and_restores_every_day(void **state)
{
    struct quarter quarter;
    long peak_early = 0;

    (void)state;
    init(&quarter);
    for (unsigned hour = 0; hour < hours; hour++) {
        churn(&quarter, hour);
        back_up(&quarter);
        quarter.clock.now_ms += HOUR_MS;
        if (hour % DAY == DAY - 1) {
            prune(&quarter);
            check_day(&quarter);
        }
        if (hour == hours / 3)
            peak_early = peak_kib();
    }
    print_message(
        "%u hours: %u incremental, %u full, %zu kept; storage at most %.2f of what they "
        "need, %.2f on an average day, at most %.2f without what waits out its grace; peak "
        "memory %ld KiB after a third, %ld at the end\n",
        hours, quarter.incrementals, quarter.fulls, quarter.known_count, quarter.worst,
        quarter.sum / quarter.days, quarter.worst_in_use, peak_early, peak_kib());
    assert_true(quarter.incrementals > hours * 9 / 10);
    /* The day on which the pack of the first full backup is written anew has it twice: for the
     * grace.  docs/retention.md */
    assert_true(quarter.worst_in_use <= 1.5);
    assert_true(quarter.sum / quarter.days <= 1.5);
    assert_true(quarter.worst <= 2.0);
    /* The database grows, and this test holds several copies of it. */
    assert_true(peak_kib() < peak_early + peak_early / 2);
    sqlite_fixture_remove(&quarter.fixture);
    object_store_free(quarter.store);
    temp_dir_free(quarter.dir);
}

static unsigned read_number(const char *text)
{
    uint64_t number = 0;

    assert_int_equal(parse_u64(text, 1, UINT32_MAX, &number, NULL), 0);
    return (unsigned)number;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stays_small_and_restores_every_day),
    };

    if (argc > 1)
        hours = read_number(argv[1]);
    if (argc > 2)
        max_unused = read_number(argv[2]);
    log_set_sink(quiet_log, NULL, LOG_LEVEL_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Goal: whatever happens to a database, to what is remembered of it, to its store's requests and to
 * its backups, every backup that is listed restores exactly what it showed.
 *
 *   test_history SEEDS [FIRST]
 *
 * Each seed is a random history of a small database: writes, VACUUM, another page size, another
 * journal mode, another file in its place; backups from two hosts, with what they remember intact,
 * lost, damaged, or copied from the other; requests that fail; backups that expire.  A seed that
 * fails is named, and happens again when it is given as FIRST. */
#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "base/parse.h"
#include "base/random.h"
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

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define STEPS      24
#define IMAGES_MAX 48u /* more than there are steps */
#define HOSTS      2
#define MINUTE_MS  INT64_C(60000)
#define HOUR_MS    INT64_C(3600000)
/* After the time stamps of the store's files, which are the real time. */
#define START_MS INT64_C(4000000000000)

struct known {
    char id[UUID_TEXT_SIZE];
    struct image *image;
};

struct history {
    unsigned seed, random; /* the seed, and the state of what it began */
    unsigned step;
    char *dir;
    char states[HOSTS][128];
    struct sqlite_fixture fixture;
    struct fault_store_counters counters;
    struct object_store *store;
    struct fake_clock clock;
    struct known known[IMAGES_MAX];
    size_t known_count;
    unsigned incrementals, unchanged, failed;
    size_t pruned, repacked;
};

static unsigned draw(struct history *history, unsigned below)
{
    return (unsigned)rand_r(&history->random) % below;
}

static void init(struct history *history, unsigned seed)
{
    static const unsigned page_sizes[] = { 512, 1024, 4096, 8192 };
    const struct fault_store_options options = { .no_direct_fd = seed % 2 == 0,
                                                 .code = ERR_NET,
                                                 .clock = &history->clock.clock };
    struct object_store *inner = NULL;
    char store[96];

    memset(history, 0, sizeof(*history));
    history->seed = history->random = seed;
    history->dir = temp_dir_new();
    (void)snprintf(store, sizeof(store), "%s/store", history->dir);
    for (size_t i = 0; i < HOSTS; i++) {
        (void)snprintf(history->states[i], sizeof(history->states[i]), "%s/state-%zu", history->dir,
                       i);
    }
    assert_int_equal(dir_store_new(store, &inner, NULL), 0);
    assert_int_equal(fault_store_new(inner, &options, &history->counters, &history->store, NULL),
                     0);
    fake_clock_init(&history->clock, START_MS);
    sqlite_fixture_make(&history->fixture, page_sizes[draw(history, 4)],
                        draw(history, 2) ? "wal" : "delete", 200 + draw(history, 600));
}

static void dispose(struct history *history)
{
    for (size_t i = 0; i < history->known_count; i++)
        image_free(history->known[i].image);
    sqlite_fixture_remove(&history->fixture);
    object_store_free(history->store);
    temp_dir_free(history->dir);
}

static void write_rows(struct history *history)
{
    sqlite3 *db = sqlite_fixture_open(&history->fixture);
    char sql[256];

    for (unsigned i = draw(history, 4); i < 4; i++) {
        const unsigned modulus = 1 + draw(history, 60), seed = draw(history, 1000);

        switch (draw(history, 5)) {
        case 0:
            (void)snprintf(
                sql, sizeof(sql),
                "INSERT INTO t(body) SELECT hex(randomblob(60)) FROM t WHERE id %% %u = 0",
                modulus);
            break;
        case 1:
            (void)snprintf(sql, sizeof(sql), "DELETE FROM t WHERE id %% %u = %u", modulus + 5,
                           seed % (modulus + 5));
            break;
        case 2:
            (void)snprintf(sql, sizeof(sql), "CREATE TABLE IF NOT EXISTS extra_%u(a, b)", seed % 9);
            break;
        default:
            (void)snprintf(sql, sizeof(sql),
                           "UPDATE t SET body = hex(randomblob(50)) WHERE id %% %u = 0", modulus);
        }
        sqlite_fixture_exec(db, sql);
    }
    if (draw(history, 3) == 0)
        sqlite_fixture_exec(db, "PRAGMA wal_checkpoint(TRUNCATE)");
    (void)sqlite3_close(db);
}

static void reshape(struct history *history)
{
    sqlite3 *db = sqlite_fixture_open(&history->fixture);

    switch (draw(history, 4)) {
    case 0:
        sqlite_fixture_exec(db, "VACUUM");
        break;
    case 1:
        sqlite_fixture_exec(db, "PRAGMA journal_mode = delete");
        sqlite_fixture_exec(db, draw(history, 2) ? "PRAGMA page_size = 2048; VACUUM"
                                                 : "PRAGMA page_size = 4096; VACUUM");
        break;
    case 2:
        sqlite_fixture_exec(db, "PRAGMA journal_mode = delete");
        break;
    default:
        sqlite_fixture_exec(db, "PRAGMA journal_mode = wal");
    }
    (void)sqlite3_close(db);
}

/* Another database takes the path; it may have the same size. */
static void replace_file(struct history *history)
{
    struct sqlite_fixture other;
    char journal[128];

    sqlite_fixture_make(&other, 4096, "delete", 100 + draw(history, 300));
    for (int i = 0; i < 2; i++) {
        (void)snprintf(journal, sizeof(journal), "%s%s", history->fixture.path,
                       i == 0 ? "-wal" : "-shm");
        (void)unlink(journal);
    }
    assert_int_equal(rename(other.path, history->fixture.path), 0);
    sqlite_fixture_remove(&other);
}

/* What a host remembers: the one file in its state directory; false when there is none. */
static bool state_file(const struct history *history, unsigned host, char out[300])
{
    char dir[160];
    struct dirent *entry;
    bool found = false;
    DIR *handle;

    (void)snprintf(dir, sizeof(dir), "%s/app", history->states[host]);
    handle = opendir(dir);
    while (handle != NULL && (entry = readdir(handle)) != NULL) {
        if (entry->d_name[0] == '.')
            continue;
        (void)snprintf(out, 300, "%s/%.100s", dir, entry->d_name);
        found = true;
    }
    if (handle != NULL)
        (void)closedir(handle);
    return found;
}

static void copy_file(const char *from, const char *to)
{
    struct buf content = BUF_INIT(16u << 20);

    assert_int_equal(file_read(from, &content, NULL), 0);
    assert_int_equal(file_write_atomic(to, content.ptr, content.len, 0600, NULL), 0);
    buf_dispose(&content);
}

static void damage_state(struct history *history)
{
    char from[300], to[300];
    const unsigned host = draw(history, HOSTS);
    struct stat st;
    int fd;

    if (!state_file(history, host, from))
        return;
    assert_int_equal(stat(from, &st), 0);
    switch (draw(history, 4)) {
    case 0:
        assert_int_equal(unlink(from), 0);
        break;
    case 1:
        assert_int_equal(truncate(from, (off_t)draw(history, (unsigned)st.st_size)), 0);
        break;
    case 2:
        fd = open(from, O_RDWR | O_CLOEXEC);
        assert_true(fd >= 0);
        assert_int_equal(pwrite(fd, "\x5a", 1, (off_t)draw(history, (unsigned)st.st_size)), 1);
        (void)close(fd);
        break;
    default: /* that of another moment, of another machine */
        if (!state_file(history, 1 - host, to))
            return;
        copy_file(from, to);
    }
}

static void fail_history(const struct history *history, const char *what, const struct err *err)
{
    print_error("seed %u, step %u: %s: %s\n", history->seed, history->step, what, err->msg);
    fail();
}

static struct retention_policy random_policy(struct history *history)
{
    return (struct retention_policy){ .last = 1 + draw(history, 4),
                                      .hourly = draw(history, 4),
                                      .daily = draw(history, 3) };
}

/* Prune, with a grace or without: but objects of this minute are another program's work, until its
 * manifest is written. */
static void prune(struct history *history)
{
    struct retention_policy policy = random_policy(history);
    const struct prune_options options = {
        .database = "app",
        .policy = &policy,
        .grace_ms = draw(history, 2) == 0 ? 0 : 25 * HOUR_MS,
        .repack = draw(history, 4) > 0,
        .max_unused = draw(history, 2) == 0 ? 0 : draw(history, 30),
        .clock = &history->clock.clock,
    };
    struct prune_report report = { 0 };
    struct err err = { 0 };
    int r;

    history->counters.calls = 0;
    history->counters.fail_at = draw(history, 2) == 0 ? 1 + draw(history, 8) : 0;
    r = prune_run(history->store, &options, &report, &err);
    if (r < 0 && r != ERR_NOT_FOUND &&
        (history->counters.fail_at == 0 || history->counters.calls < history->counters.fail_at))
        fail_history(history, "a prune failed", &err);
    history->counters.fail_at = 0;
    if (r == 0 && report.missing > 0)
        fail_history(history, "packs are missing", &err);
    history->pruned += report.objects[SWEEP_PACK] + report.objects[SWEEP_LEFTOVER];
    history->repacked += report.repacked.pack_count;
    prune_report_dispose(&report);
}

static void keep_image(struct history *history, const char *id)
{
    sqlite3 *db = sqlite_fixture_open(&history->fixture);
    struct known *known = &history->known[history->known_count++];

    assert_true(history->known_count <= IMAGES_MAX);
    memcpy(known->id, id, UUID_TEXT_SIZE);
    known->image = image_new(db);
    (void)sqlite3_close(db);
}

static const struct image *find_image(const struct history *history, const char *id)
{
    for (size_t i = 0; i < history->known_count; i++) {
        if (strcmp(history->known[i].id, id) == 0)
            return history->known[i].image;
    }
    return NULL;
}

/* What a backup that says "unchanged" shows is what is there. */
static void check_unchanged(struct history *history, const struct backup_record *standing)
{
    const struct image *image = find_image(history, standing->id);
    sqlite3 *db = sqlite_fixture_open(&history->fixture);
    struct image *now = image_new(db);
    struct err err = { 0 };
    size_t len, now_len;

    (void)sqlite3_close(db);
    if (image == NULL)
        fail_history(history, "stands on a backup that nobody knows", &err);
    if (image_bytes(image, &len) == NULL || image_bytes(now, &now_len) == NULL || len != now_len ||
        memcmp(image_bytes(image, &len), image_bytes(now, &now_len), len) != 0)
        fail_history(history, "says that nothing has changed", &err);
    image_free(now);
    history->unchanged++;
}

static void back_up(struct history *history)
{
    const unsigned host = draw(history, HOSTS + 1);
    struct retention_policy policy = random_policy(history);
    struct prune_amend amend = { .store = history->store,
                                 .options = { .database = "app",
                                              .policy = &policy,
                                              .grace_ms = draw(history, 2) == 0 ? 0 : 25 * HOUR_MS,
                                              .clock = &history->clock.clock } };
    struct backup_options options = {
        .database = "app",
        .path = history->fixture.path,
        .trigger = TRIGGER_SCHEDULE,
        .thread_count = 1,
        .full_below = 1,
        .full_every_ms = 72 * HOUR_MS,
        .force = draw(history, 8) == 0,
        .full = draw(history, 12) == 0,
        .state_dir = host < HOSTS ? history->states[host] : NULL,
        .amend = draw(history, 3) == 0 ? prune_amend : NULL,
        .amend_context = &amend,
        .clock = &history->clock.clock,
    };
    struct backup_record record = { 0 };
    struct backup_report report = { 0 };
    struct err err = { 0 };
    int r;

    history->counters.calls = 0;
    history->counters.fail_at = draw(history, 4) == 0 ? 1 + draw(history, 8) : 0;
    r = backup_create(history->store, &options, &record, &report, &err);
    if (r < 0 &&
        (history->counters.fail_at == 0 || history->counters.calls < history->counters.fail_at))
        fail_history(history, "a backup failed", &err);
    if (r == 0 && prune_amend_finish(&amend, &err) < 0 && history->counters.fail_at == 0)
        fail_history(history, "what was due could not be deleted", &err);
    prune_amend_dispose(&amend);
    history->counters.fail_at = 0;
    if (r < 0) {
        history->failed++;
        return;
    }
    if (report.unchanged) {
        check_unchanged(history, &record);
    } else {
        keep_image(history, record.id);
        history->incrementals += record.kind == BACKUP_INCREMENTAL;
    }
    backup_record_dispose(&record);
}

static void check_all(struct history *history)
{
    struct manifest manifest;
    struct err err = { 0 };

    if (catalog_load(history->store, "app", true, &manifest, &err) < 0)
        fail_history(history, "no manifest", &err);
    for (size_t i = 0; i < manifest.backup_count; i++) {
        const struct backup_record *backup = &manifest.backups[i];
        const struct image *image = find_image(history, backup->id);
        bool same = false;

        if (image == NULL) /* one whose answer was lost is listed, and is as it should be */
            continue;
        if (image_compare(image, history->store, &manifest, backup, &same, &err) < 0)
            fail_history(history, "a listed backup does not restore", &err);
        if (!same)
            fail_history(history, "a listed backup restores something else", &err);
    }
    manifest_dispose(&manifest);
}

static void live(struct history *history)
{
    for (history->step = 0; history->step < STEPS; history->step++) {
        switch (draw(history, 10)) {
        case 0:
            reshape(history);
            break;
        case 1:
            damage_state(history);
            break;
        case 2:
            prune(history);
            break;
        case 3:
            if (draw(history, 3) == 0)
                replace_file(history);
            break;
        case 4:
        case 5:
            write_rows(history);
            break;
        default:
            back_up(history);
        }
        history->clock.now_ms += draw(history, 6) == 0 ? 26 * HOUR_MS : 10 * MINUTE_MS;
        check_all(history);
    }
}

static unsigned seeds = 100, first_seed = 1;

static void every_listed_backup_restores_in_random_histories(void **state)
{
    unsigned incrementals = 0, unchanged = 0, failed = 0;
    size_t pruned = 0, repacked = 0;

    (void)state;
    for (unsigned seed = first_seed; seed < first_seed + seeds; seed++) {
        struct history history;

        init(&history, seed);
        live(&history);
        incrementals += history.incrementals;
        unchanged += history.unchanged;
        failed += history.failed;
        pruned += history.pruned;
        repacked += history.repacked;
        dispose(&history);
    }
    print_message(
        "%u histories: %u incremental backups, %u times unchanged, %u failures, %zu packs "
        "deleted, %zu written anew\n",
        seeds, incrementals, unchanged, failed, pruned, repacked);
    if (seeds >= 20) { /* what was not tried has not passed */
        assert_true(incrementals > seeds && unchanged > 0 && failed > 0 && pruned > 0 &&
                    repacked > 0);
    }
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
        cmocka_unit_test(every_listed_backup_restores_in_random_histories),
    };

    if (argc > 1)
        seeds = read_number(argv[1]);
    if (argc > 2)
        first_seed = read_number(argv[2]);
    log_set_sink(quiet_log, NULL, LOG_LEVEL_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

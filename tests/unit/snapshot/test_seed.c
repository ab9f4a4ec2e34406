/* Goal: with any seed whatsoever the file holds every page of the backup; what the seed has of it
 * is not fetched, and what it has not is. */
#include "snapshot/seed.h"

#include "base/buf.h"
#include "base/cancel.h"
#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "snapshot/fetch.h"
#include "snapshot/fetch_plan.h"
#include "snapshot/frame.h"
#include "snapshot/pack_reader.h"
#include "snapshot/progress.h"
#include "snapshot/restore.h"
#include "tests/harness/restore_rig.h"
#include "tests/harness/test.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define FILE_LEN_MAX (64u << 20)

static int fetch_with(struct restore_rig *rig, size_t index, const struct seed *seed,
                      const struct fetch_options *options, struct fetch_tally *ret_tally,
                      struct err *err)
{
    const char *path = restore_rig_path(rig->work, "out.db");
    struct fetch *fetch = NULL;
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    int r;

    assert_true(fd >= 0);
    atomic_store(&rig->counters.get_bytes, 0);
    r = fetch_open(rig->store, &rig->packs.manifest, restore_rig_backup(rig, index), options,
                   &fetch, err);
    if (r == 0)
        r = seed_copy(fetch, seed, fd, path, err);
    if (r == 0)
        r = fetch_to_file(fetch, fd, path, err);
    if (r == 0)
        *ret_tally = fetch_tally(fetch);
    fetch_close(fetch);
    (void)close(fd);
    return r;
}

static bool fetched(const struct restore_rig *rig, size_t index)
{
    return restore_rig_same(rig, restore_rig_path(rig->work, "out.db"), index);
}

/* Fetch, whatever the seed is, and say what came from where. */
static struct fetch_tally check(struct restore_rig *rig, size_t index, const struct seed *seed)
{
    const struct fetch_options options = { .thread_count = 2 };
    struct fetch_tally tally = { 0 };

    assert_int_equal(fetch_with(rig, index, seed, &options, &tally, NULL), 0);
    assert_true(fetched(rig, index));
    assert_int_equal(tally.fetched_bytes, atomic_load(&rig->counters.get_bytes));
    assert_true(tally.copied_bytes <= rig->packs.backups[index].len);
    return tally;
}

/* The database as backup `index` has it, in a file of its own. */
static struct seed put_seed(const struct restore_rig *rig, const void *data, size_t len)
{
    const struct seed seed = { .path = restore_rig_path(rig->work, "seed.db") };
    int fd = open(seed.path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

    assert_true(fd >= 0);
    assert_int_equal(file_write_all(fd, data, len, seed.path, NULL), 0);
    (void)close(fd);
    return seed;
}

static struct seed backup_seed(const struct restore_rig *rig, size_t index)
{
    return put_seed(rig, rig->packs.backups[index].bytes, rig->packs.backups[index].len);
}

/* Bytes that are read from the store for a backup when its pages in `local` are known: index, and
 * the ranges of all runs that differ somewhere. */
static uint64_t expected_bytes(struct restore_rig *rig, size_t index, const uint8_t *local,
                               size_t local_len)
{
    const struct pack_fixture_backup *backup = &rig->packs.backups[index];
    const struct backup_record *record = restore_rig_backup(rig, index);
    const struct manifest *manifest = &rig->packs.manifest;
    const struct pack_record *own = manifest_find_pack(manifest, backup->id);
    struct fetch_plan plan = FETCH_PLAN_INIT;
    struct page_map map = PAGE_MAP_INIT;
    uint64_t sum = own->map_len;
    bool *skip;

    if (own->map_base[0] != '\0')
        sum += manifest_find_pack(manifest, own->map_base)->map_len;
    assert_int_equal(pack_map_read(rig->store, manifest, record, &map, NULL), 0);
    for (size_t i = 0; i < map.pack_count; i++)
        sum += manifest_find_pack(manifest, map.pack_ids[i])->hashes_len;
    skip = calloc(map.run_count, sizeof(*skip));
    assert_non_null(skip);
    for (size_t i = 0; i < map.run_count; i++) {
        size_t offset = (size_t)(map.runs[i].first_page - 1) * record->page_size;
        size_t len = (size_t)map.runs[i].page_count * record->page_size;

        skip[i] =
            offset + len <= local_len && memcmp(backup->bytes + offset, local + offset, len) == 0;
    }
    assert_int_equal(fetch_plan_make(&map, skip, &plan, NULL), 0);
    for (size_t i = 0; i < plan.range_count; i++)
        sum += plan.ranges[i].len;
    fetch_plan_dispose(&plan);
    page_map_dispose(&map);
    free(skip);
    return sum;
}

static void fetches_only_what_an_older_or_newer_copy_has_not(void **state)
{
    static const unsigned page_sizes[] = { 512, 1024, 2048, 4096, 8192, 16384, 32768, 65536 };

    (void)state;
    for (size_t i = 0; i < sizeof(page_sizes) / sizeof(page_sizes[0]); i++) {
        struct restore_rig rig;

        restore_rig_init(&rig, page_sizes[i], 4);
        for (size_t from = 0; from < 4; from++) {
            const struct pack_fixture_backup *local = &rig.packs.backups[from];

            for (size_t to = 0; to < 4; to++) {
                struct seed seed = backup_seed(&rig, from);
                struct fetch_tally tally = check(&rig, to, &seed);

                assert_int_equal(tally.fetched_bytes,
                                 expected_bytes(&rig, to, local->bytes, local->len));
                if (from == to)
                    assert_int_equal(tally.copied_bytes, local->len);
            }
        }
        restore_rig_dispose(&rig);
    }
}

static void fetches_what_a_smaller_or_larger_copy_has_not(void **state)
{
    const struct pack_fixture_options options = { .incremental = true };
    struct restore_rig rig;
    sqlite3 *db;

    (void)state;
    restore_rig_init(&rig, 1024, 1);
    db = sqlite_fixture_open(&rig.source);
    sqlite_fixture_exec(db, "CREATE TABLE more AS SELECT randomblob(1000) FROM t LIMIT 500");
    (void)pack_fixture_add(&rig.packs, rig.source.path, &options);
    sqlite_fixture_exec(db, "DROP TABLE more; DELETE FROM t WHERE id > 500; VACUUM");
    (void)pack_fixture_add(&rig.packs, rig.source.path, &options);
    (void)sqlite3_close(db);
    assert_true(rig.packs.backups[0].len < rig.packs.backups[1].len);
    assert_true(rig.packs.backups[2].len < rig.packs.backups[0].len);
    for (size_t from = 0; from < 3; from++) {
        const struct pack_fixture_backup *local = &rig.packs.backups[from];

        for (size_t to = 0; to < 3; to++) {
            struct seed seed = backup_seed(&rig, from);

            assert_int_equal(check(&rig, to, &seed).fetched_bytes,
                             expected_bytes(&rig, to, local->bytes, local->len));
        }
    }
    for (size_t to = 0; to < 3; to++) { /* it is at the smallest */
        const struct seed live = { .path = rig.source.path, .live = true };

        assert_int_equal(
            check(&rig, to, &live).fetched_bytes,
            expected_bytes(&rig, to, rig.packs.backups[2].bytes, rig.packs.backups[2].len));
    }
    restore_rig_dispose(&rig);
}

/* Backup 2 from the live database, which is at backup 3, in its own or another journal mode. */
static struct fetch_tally check_live(struct restore_rig *rig, const char *journal_mode)
{
    const struct seed seed = { .path = rig->source.path, .live = true };
    sqlite3 *db = sqlite_fixture_open(&rig->source);
    struct fetch_tally tally;
    char sql[64];

    (void)snprintf(sql, sizeof(sql), "PRAGMA journal_mode=%s", journal_mode);
    sqlite_fixture_exec(db, sql);
    sqlite_fixture_exec(db, "SELECT count(*) FROM t");
    tally = check(rig, 2, &seed);
    (void)sqlite3_close(db);
    return tally;
}

static void copies_from_a_live_database_in_either_journal_mode(void **state)
{
    static const unsigned page_sizes[] = { 512, 4096, 65536 };

    (void)state;
    for (size_t i = 0; i < sizeof(page_sizes) / sizeof(page_sizes[0]); i++) {
        const struct pack_fixture_backup *local;
        struct fetch_tally tally;
        struct restore_rig rig;
        uint64_t expected;

        restore_rig_init(&rig, page_sizes[i], 4);
        local = &rig.packs.backups[3];
        expected = expected_bytes(&rig, 2, local->bytes, local->len);
        tally = check_live(&rig, "DELETE");
        assert_int_equal(tally.fetched_bytes, expected);
        assert_true(tally.copied_bytes > 0);
        /* Page 1, which says what the mode is, differs; its frame is all that comes in addition. */
        tally = check_live(&rig, "WAL");
        assert_in_range(tally.fetched_bytes, expected, expected + FRAME_STORED_SIZE_MAX);
        assert_true(tally.copied_bytes > 0);
        restore_rig_dispose(&rig);
    }
}

struct intrusion {
    const char *path;
    unsigned count;
};

static void write_now(void *context, enum progress_phase phase, uint64_t done, uint64_t total)
{
    struct intrusion *intrusion = context;
    sqlite3 *db;

    if (phase != PROGRESS_READ || done == total)
        return;
    assert_int_equal(sqlite3_open(intrusion->path, &db), SQLITE_OK); /* and does not wait */
    sqlite_fixture_exec(db, "INSERT INTO u DEFAULT VALUES");
    intrusion->count++;
    (void)sqlite3_close(db);
}

static void lets_others_write_while_it_scans(void **state)
{
    static const char *const modes[] = { "PRAGMA journal_mode=DELETE", "PRAGMA journal_mode=WAL" };

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct restore_rig rig;
        struct intrusion intrusion = { 0 };
        const struct progress progress = { write_now, &intrusion };
        const struct fetch_options options = { .progress = &progress };
        struct fetch_tally tally = { 0 };
        struct seed seed = { .live = true };
        sqlite3 *db;

        restore_rig_init(&rig, 1024, 2);
        seed.path = intrusion.path = rig.source.path;
        db = sqlite_fixture_open(&rig.source);
        sqlite_fixture_exec(db, modes[i]);
        (void)sqlite3_close(db);
        assert_int_equal(fetch_with(&rig, 1, &seed, &options, &tally, NULL), 0);
        assert_true(fetched(&rig, 1) && tally.copied_bytes > 0);
        assert_true(intrusion.count > 0);
        restore_rig_dispose(&rig);
    }
}

struct writing {
    const struct sqlite_fixture *source;
    atomic_bool stop;
    atomic_uint rounds;
};

static void *write_on(void *context)
{
    struct writing *writing = context;
    sqlite3 *db = sqlite_fixture_open(writing->source);
    char sql[128];

    while (!atomic_load(&writing->stop)) {
        (void)snprintf(sql, sizeof(sql), "UPDATE t SET body = 'x' || body WHERE id %% 50 = %u",
                       atomic_fetch_add(&writing->rounds, 1) % 50);
        sqlite_fixture_exec(db, sql);
    }
    (void)sqlite3_close(db);
    return NULL;
}

static void copies_from_a_database_that_is_written_to_meanwhile(void **state)
{
    static const char *const modes[] = { "PRAGMA journal_mode=DELETE", "PRAGMA journal_mode=WAL" };

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct writing writing = { 0 };
        struct restore_rig rig;
        struct seed seed = { .live = true };
        pthread_t thread;
        sqlite3 *db;

        restore_rig_init(&rig, 1024, 2);
        db = sqlite_fixture_open(&rig.source);
        sqlite_fixture_exec(db, modes[i]);
        seed.path = rig.source.path;
        writing.source = &rig.source;
        assert_int_equal(pthread_create(&thread, NULL, write_on, &writing), 0);
        for (unsigned round = 0; round < 20 || atomic_load(&writing.rounds) < 5; round++)
            (void)check(&rig, 1, &seed);
        atomic_store(&writing.stop, true);
        assert_int_equal(pthread_join(thread, NULL), 0);
        (void)sqlite3_close(db);
        restore_rig_dispose(&rig);
    }
}

static unsigned warnings, infos;

static void note_log(void *context, enum log_level level, const char *line)
{
    (void)context;
    if (strstr(line, "could be used instead of the store") == NULL)
        return;
    warnings += level == LOG_LEVEL_WARN;
    infos += level == LOG_LEVEL_INFO;
}

static void goes_on_without_a_seed_that_is_no_copy(void **state)
{
    struct restore_rig rig, other;
    struct seed seed;

    (void)state;
    restore_rig_init(&rig, 1024, 2);
    restore_rig_init(&other, 2048, 1);
    log_set_sink(note_log, NULL, LOG_LEVEL_INFO);
    warnings = infos = 0;
    seed = put_seed(&rig, "", 0);
    assert_int_equal(check(&rig, 1, &seed).copied_bytes, 0);
    seed = put_seed(&rig, "SQLite format 3, though this is only a text", 43);
    assert_int_equal(check(&rig, 1, &seed).copied_bytes, 0);
    seed.path = rig.work; /* a directory */
    assert_int_equal(check(&rig, 1, &seed).copied_bytes, 0);
    seed.path = "/nowhere/at/all";
    assert_int_equal(check(&rig, 1, &seed).copied_bytes, 0);
    seed.path = other.source.path; /* another page size */
    assert_int_equal(check(&rig, 1, &seed).copied_bytes, 0);
    assert_int_equal(warnings, 5);
    assert_int_equal(infos, 0);
    seed.live = true;
    assert_int_equal(check(&rig, 1, &seed).copied_bytes, 0);
    seed.path = "/nowhere/at/all";
    assert_int_equal(check(&rig, 1, &seed).copied_bytes, 0);
    assert_int_equal(warnings, 5);
    assert_int_equal(infos, 2);
    log_set_sink(NULL, NULL, LOG_LEVEL_WARN);
    restore_rig_dispose(&other);
    restore_rig_dispose(&rig);
}

static void goes_on_without_a_database_that_is_locked(void **state)
{
    struct restore_rig rig;
    struct seed seed = { .live = true };
    sqlite3 *db;

    (void)state;
    restore_rig_init(&rig, 1024, 1);
    seed.path = rig.source.path;
    db = sqlite_fixture_open(&rig.source);
    sqlite_fixture_exec(db, "BEGIN EXCLUSIVE");
    assert_int_equal(check(&rig, 0, &seed).copied_bytes, 0);
    sqlite_fixture_exec(db, "COMMIT");
    assert_true(check(&rig, 0, &seed).copied_bytes > 0);
    (void)sqlite3_close(db);
    restore_rig_dispose(&rig);
}

/* Numbers that are the same in every run: xorshift. */
static uint32_t next_number(uint32_t *numbers, uint32_t below)
{
    *numbers ^= *numbers << 13;
    *numbers ^= *numbers >> 17;
    *numbers ^= *numbers << 5;
    return *numbers % below;
}

/* Flip bits, exchange pages, cut, append. */
static void spoil(struct buf *file, uint32_t *numbers, uint32_t page_size)
{
    uint32_t pages = (uint32_t)(file->len / page_size);

    for (uint32_t i = next_number(numbers, 6); i > 0; i--)
        file->ptr[100 + next_number(numbers, (uint32_t)file->len - 100)] ^= 0x10;
    for (uint32_t i = next_number(numbers, 4); i > 0; i--) {
        uint32_t from = 1 + next_number(numbers, pages - 1);
        uint32_t to = 1 + next_number(numbers, pages - 1);

        memcpy(file->ptr + (size_t)to * page_size, file->ptr + (size_t)from * page_size, page_size);
    }
    switch (next_number(numbers, 4)) {
    case 0:
        file->len -= next_number(numbers, (uint32_t)file->len - 100);
        break;
    case 1:
        for (uint32_t i = next_number(numbers, 5 * page_size); i > 0; i--)
            buf_add_char(file, 'x');
        break;
    default:
        break;
    }
}

static void fetches_what_any_spoilt_copy_has_not(void **state)
{
    struct restore_rig rig;
    uint32_t numbers = 2463534242u;

    (void)state;
    restore_rig_init(&rig, 1024, 4);
    for (unsigned round = 0; round < 60; round++) {
        size_t from = next_number(&numbers, 4), to = next_number(&numbers, 4);
        struct buf file = BUF_INIT(FILE_LEN_MAX);
        struct fetch_tally tally;
        struct seed seed;

        buf_add(&file, rig.packs.backups[from].bytes, rig.packs.backups[from].len);
        spoil(&file, &numbers, 1024);
        seed = put_seed(&rig, file.ptr, file.len);
        tally = check(&rig, to, &seed);
        assert_int_equal(tally.fetched_bytes, expected_bytes(&rig, to, (const uint8_t *)file.ptr,
                                                             file.len / 1024 * 1024));
        buf_dispose(&file);
    }
    restore_rig_dispose(&rig);
}

static void fails_when_any_call_of_the_store_fails(void **state)
{
    const struct fetch_options options = { .thread_count = 2 };
    struct fetch_tally tally = { 0 };
    struct restore_rig rig;
    struct seed seed;
    unsigned n = 0;
    int r;

    (void)state;
    restore_rig_init(&rig, 1024, 3);
    seed = backup_seed(&rig, 2);
    do {
        struct err err = { 0 };

        atomic_store(&rig.counters.calls, 0);
        atomic_store(&rig.counters.fail_at, ++n);
        r = fetch_with(&rig, 1, &seed, &options, &tally, &err);
        assert_int_equal(r, r == 0 ? 0 : ERR_SERVER);
        assert_int_equal(err.code, r);
    } while (r != 0);
    assert_true(fetched(&rig, 1));
    assert_true(n - 1 >= 2 + 2 + 1); /* two maps, two packs' hashes, and what is not in the seed */
    restore_rig_dispose(&rig);
}

/* The limit stands for a full disk: writes past it fail. */
static void fails_when_a_copied_page_cannot_be_written(void **state)
{
    const struct fetch_options options = { .thread_count = 2, .spool_dir = "/tmp" };
    struct fetch_tally tally = { 0 };
    struct rlimit old, limit;
    struct restore_rig rig;
    struct seed seeds[2];

    (void)state;
    restore_rig_init(&rig, 4096, 2);
    seeds[0] = backup_seed(&rig, 1);
    seeds[1] = (struct seed){ .path = rig.source.path, .live = true };
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    (void)signal(SIGXFSZ, SIG_IGN);
    for (size_t i = 0; i < 2; i++) {
        struct err err = { 0 };

        limit = (struct rlimit){ restore_rig_backup(&rig, 1)->size / 2, old.rlim_max };
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
        assert_int_equal(fetch_with(&rig, 1, &seeds[i], &options, &tally, &err), ERR_IO);
        assert_non_null(strstr(err.msg, "out.db"));
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    }
    restore_rig_dispose(&rig);
}

struct canceling {
    struct cancel cancel;
    enum progress_phase phase; /* in which to cancel */
};

static void cancel_at(void *context, enum progress_phase phase, uint64_t done, uint64_t total)
{
    struct canceling *canceling = context;

    (void)done;
    (void)total;
    if (phase == canceling->phase)
        cancel_set(&canceling->cancel, SIGTERM);
}

static void stops_when_canceled(void **state)
{
    struct canceling canceling = { CANCEL_INIT, PROGRESS_READ };
    const struct progress progress = { cancel_at, &canceling };
    const struct fetch_options options = { .cancel = &canceling.cancel, .progress = &progress };
    struct fetch_tally tally = { 0 };
    struct restore_rig rig;
    struct seed seed;
    struct err err = { 0 };

    (void)state;
    restore_rig_init(&rig, 1024, 2);
    seed = backup_seed(&rig, 1);
    assert_int_equal(fetch_with(&rig, 1, &seed, &options, &tally, &err), ERR_CANCELED);
    assert_int_equal(err.code, ERR_CANCELED);
    restore_rig_dispose(&rig);
}

struct told {
    uint64_t done[PROGRESS_PUBLISH + 1], total[PROGRESS_PUBLISH + 1];
    uint64_t first_fetched;
};

static void note_progress(void *context, enum progress_phase phase, uint64_t done, uint64_t total)
{
    struct told *told = context;

    assert_true(done >= told->done[phase] && done <= total);
    if (phase == PROGRESS_FETCH && told->total[phase] == 0)
        told->first_fetched = done;
    told->done[phase] = done;
    told->total[phase] = total;
}

static void tells_of_what_is_read_and_counts_what_is_copied(void **state)
{
    struct told told = { 0 };
    const struct progress progress = { note_progress, &told };
    const struct fetch_options options = { .progress = &progress };
    struct fetch_tally tally = { 0 };
    struct restore_rig rig;
    struct seed seed;

    (void)state;
    restore_rig_init(&rig, 1024, 2);
    seed = backup_seed(&rig, 0);
    assert_int_equal(fetch_with(&rig, 1, &seed, &options, &tally, NULL), 0);
    assert_int_equal(told.done[PROGRESS_READ], rig.packs.backups[0].len);
    assert_int_equal(told.first_fetched, tally.copied_bytes);
    assert_int_equal(told.done[PROGRESS_FETCH], rig.packs.backups[1].len);
    restore_rig_dispose(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fetches_only_what_an_older_or_newer_copy_has_not),
        cmocka_unit_test(fetches_what_a_smaller_or_larger_copy_has_not),
        cmocka_unit_test(copies_from_a_live_database_in_either_journal_mode),
        cmocka_unit_test(lets_others_write_while_it_scans),
        cmocka_unit_test(copies_from_a_database_that_is_written_to_meanwhile),
        cmocka_unit_test(goes_on_without_a_seed_that_is_no_copy),
        cmocka_unit_test(goes_on_without_a_database_that_is_locked),
        cmocka_unit_test(fetches_what_any_spoilt_copy_has_not),
        cmocka_unit_test(fails_when_any_call_of_the_store_fails),
        cmocka_unit_test(fails_when_a_copied_page_cannot_be_written),
        cmocka_unit_test(stops_when_canceled),
        cmocka_unit_test(tells_of_what_is_read_and_counts_what_is_copied),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

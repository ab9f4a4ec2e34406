/* Goal: a scan is one consistent moment of the database, by either way of reading it; whoever
 * writes meanwhile is not part of it, and in WAL mode is not held up. */
#include "snapshot/source.h"

#include "base/cancel.h"
#include "base/clock.h"
#include "base/err.h"
#include "snapshot/frame.h"
#include "tests/harness/sqlite_fixture.h"
#include "tests/harness/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Puts the groups back together, and lets a test do something in between. */
struct visit {
    const struct source_facts *facts;
    uint8_t *image;
    uint32_t next_page;
    uint32_t groups;
    uint32_t stop_at; /* group, from 1; 0: never */
    void (*meanwhile)(struct visit *visit);
    sqlite3 *writer;
    int writer_rc;
    struct cancel *cancel;
};

static int visit_room(void *context, uint8_t **ret_room, struct err *err)
{
    struct visit *visit = context;

    (void)err;
    *ret_room = visit->image + (size_t)(visit->next_page - 1) * visit->facts->page_size;
    return 0;
}

static int visit_group(void *context, uint32_t first_page, uint32_t page_count, struct err *err)
{
    struct visit *visit = context;

    assert_int_equal(first_page, visit->next_page);
    visit->next_page += page_count;
    if (visit->next_page <= visit->facts->page_count)
        assert_int_equal(page_count, frame_slots(visit->facts->page_size));
    visit->groups++;
    if (visit->groups == visit->stop_at)
        return err_set(err, ERR_SERVER, "no more");
    if (visit->meanwhile != NULL && visit->groups == 1)
        visit->meanwhile(visit);
    return 0;
}

typedef int (*scan_fn)(struct source *, const struct source_facts *, const struct source_visitor *,
                       uint8_t *, struct err *);

static struct source *open_source(const struct sqlite_fixture *fixture, const struct cancel *cancel)
{
    const struct source_options options = {
        .path = fixture->path,
        .busy_timeout_ms = 100,
        .clock = clock_system(),
        .cancel = cancel,
    };
    struct source *source = NULL;

    assert_int_equal(source_open(&options, &source, NULL), 0);
    return source;
}

/* The whole moment as one image; free it. */
static int scan(struct source *source, scan_fn how, struct visit *visit, struct source_facts *facts,
                struct err *err)
{
    const struct source_visitor visitor = {
        .room = visit_room,
        .group = visit_group,
        .context = visit,
    };
    int r;

    visit->facts = facts;
    visit->next_page = 2;
    visit->groups = 0;
    visit->image = calloc(1, (size_t)facts->page_size * facts->page_count + FRAME_RAW_SIZE_MAX);
    assert_non_null(visit->image);
    r = how(source, facts, &visitor, visit->image, err);
    return r;
}

/* Bytes in which SQLite's own backup differs from its source. */
static void mask(uint8_t *page_one)
{
    memset(page_one + 24, 0, 8);
    memset(page_one + 40, 0, 4);
    memset(page_one + 92, 0, 8);
}

static void reads_every_page_of_every_page_size(void **state)
{
    (void)state;
    for (unsigned page_size = 512; page_size <= 65536; page_size *= 2) {
        for (unsigned i = 0; i < 4; i++) {
            const char *mode = i % 2 == 0 ? "wal" : "delete";
            scan_fn how = i / 2 == 0 ? source_scan : source_scan_file;
            struct sqlite_fixture fixture;
            struct source_facts facts;
            struct visit visit = { 0 };
            struct source *source;
            uint8_t *file;
            size_t len;

            sqlite_fixture_make(&fixture, page_size, mode, 5000);
            file = sqlite_fixture_read(&fixture, "", &len);
            source = open_source(&fixture, NULL);
            assert_int_equal(source_begin(source, &facts, NULL), 0);
            assert_int_equal(facts.page_size, page_size);
            assert_int_equal((uint64_t)facts.page_size * facts.page_count, len);
            assert_int_equal(facts.num_tables, SQLITE_FIXTURE_TABLES);
            assert_int_equal(facts.wal, i % 2 == 0);
            assert_int_equal(scan(source, how, &visit, &facts, NULL), 0);
            assert_int_equal(visit.next_page, facts.page_count + 1);
            mask(visit.image);
            mask(file);
            assert_memory_equal(visit.image, file, len);
            source_close(source);
            free(visit.image);
            free(file);
            sqlite_fixture_remove(&fixture);
        }
    }
}

static void write_meanwhile(struct visit *visit)
{
    visit->writer_rc = sqlite3_exec(
        visit->writer, "UPDATE t SET body = 'changed ' || body; INSERT INTO u VALUES(1)", NULL,
        NULL, NULL);
}

static void shows_one_moment_while_a_writer_goes_on_in_wal_mode(void **state)
{
    struct sqlite_fixture fixture;
    struct source_facts facts;
    struct visit visit = { .meanwhile = write_meanwhile };
    struct source *source;
    uint8_t *before;
    size_t len;

    (void)state;
    sqlite_fixture_make(&fixture, 4096, "wal", 5000);
    before = sqlite_fixture_read(&fixture, "", &len);
    visit.writer = sqlite_fixture_open(&fixture);
    source = open_source(&fixture, NULL);
    assert_int_equal(source_begin(source, &facts, NULL), 0);
    assert_int_equal(scan(source, source_scan, &visit, &facts, NULL), 0);
    assert_int_equal(visit.writer_rc, SQLITE_OK); /* not held up */
    mask(visit.image);
    mask(before);
    assert_memory_equal(visit.image, before, len);
    source_close(source);
    (void)sqlite3_close(visit.writer);
    free(visit.image);
    free(before);
    sqlite_fixture_remove(&fixture);
}

static void holds_commits_up_in_rollback_mode_only_until_its_end(void **state)
{
    struct sqlite_fixture fixture;
    struct source_facts facts;
    struct visit visit = { .meanwhile = write_meanwhile };
    struct source *source;

    (void)state;
    sqlite_fixture_make(&fixture, 4096, "delete", 5000);
    visit.writer = sqlite_fixture_open(&fixture);
    (void)sqlite3_busy_timeout(visit.writer, 0);
    source = open_source(&fixture, NULL);
    assert_int_equal(source_begin(source, &facts, NULL), 0);
    assert_int_equal(scan(source, source_scan_file, &visit, &facts, NULL), 0);
    assert_int_equal(visit.writer_rc, SQLITE_BUSY);
    assert_true(source_end(source) > 0);
    assert_int_equal(source_end(source), 0); /* only once */
    write_meanwhile(&visit);
    assert_int_equal(visit.writer_rc, SQLITE_OK);
    source_close(source);
    (void)sqlite3_close(visit.writer);
    free(visit.image);
    sqlite_fixture_remove(&fixture);
}

static void reads_the_log_of_an_application_that_has_not_checkpointed(void **state)
{
    struct sqlite_fixture fixture;
    struct source_facts facts;
    struct visit visit = { 0 };
    struct source *source;
    sqlite3 *writer;
    uint8_t *file;
    size_t len;

    (void)state;
    sqlite_fixture_make(&fixture, 4096, "wal", 100);
    writer = sqlite_fixture_open(&fixture);
    sqlite_fixture_exec(writer, "PRAGMA wal_autocheckpoint=0;"
                                "INSERT INTO t SELECT id + 1000, 'in the log' FROM t");
    source = open_source(&fixture, NULL);
    assert_int_equal(source_begin(source, &facts, NULL), 0);
    assert_int_equal(scan(source, source_scan, &visit, &facts, NULL), 0);
    source_close(source);
    sqlite_fixture_exec(writer, "PRAGMA wal_checkpoint(TRUNCATE)");
    file = sqlite_fixture_read(&fixture, "", &len);
    assert_int_equal(len, (uint64_t)facts.page_size * facts.page_count);
    mask(visit.image);
    mask(file);
    assert_memory_equal(visit.image, file, len);
    (void)sqlite3_close(writer);
    free(visit.image);
    free(file);
    sqlite_fixture_remove(&fixture);
}

static void brings_back_what_the_visitor_says(void **state)
{
    static const scan_fn ways[] = { source_scan, source_scan_file };

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct sqlite_fixture fixture;
        struct source_facts facts;
        struct visit visit = { .stop_at = 2 };
        struct source *source;
        struct err err = { 0 };

        sqlite_fixture_make(&fixture, 4096, "delete", 5000);
        source = open_source(&fixture, NULL);
        assert_int_equal(source_begin(source, &facts, NULL), 0);
        assert_int_equal(scan(source, ways[i], &visit, &facts, &err), ERR_SERVER);
        assert_string_equal(err.msg, "no more");
        assert_int_equal(visit.groups, 2);
        source_close(source);
        free(visit.image);
        sqlite_fixture_remove(&fixture);
    }
}

static void cancel_meanwhile(struct visit *visit)
{
    cancel_set(visit->cancel, 15);
}

static void stops_when_canceled(void **state)
{
    struct cancel cancel = CANCEL_INIT;
    struct sqlite_fixture fixture;
    struct source_facts facts;
    struct visit visit = { .meanwhile = cancel_meanwhile, .cancel = &cancel };
    struct source *source;
    struct err err = { 0 };

    (void)state;
    sqlite_fixture_make(&fixture, 65536, "delete", 5000);
    source = open_source(&fixture, &cancel);
    assert_int_equal(source_begin(source, &facts, NULL), 0);
    assert_int_equal(scan(source, source_scan_file, &visit, &facts, &err), ERR_CANCELED);
    assert_int_equal(visit.groups, 1);
    source_close(source);
    free(visit.image);
    sqlite_fixture_remove(&fixture);
}

static void says_that_it_waited_in_vain(void **state)
{
    struct sqlite_fixture fixture;
    struct source_facts facts;
    struct source *source;
    struct err err = { 0 };
    sqlite3 *app;

    (void)state;
    sqlite_fixture_make(&fixture, 4096, "delete", 10);
    source = open_source(&fixture, NULL);
    app = sqlite_fixture_open(&fixture);
    sqlite_fixture_exec(app, "BEGIN EXCLUSIVE");
    assert_int_equal(source_begin(source, &facts, &err), ERR_BUSY);
    assert_non_null(strstr(err.msg, fixture.path));
    assert_non_null(strstr(err.hint, "busy_timeout"));
    sqlite_fixture_exec(app, "COMMIT");
    assert_int_equal(source_begin(source, &facts, &err), 0); /* and can be tried again */
    source_close(source);
    (void)sqlite3_close(app);
    sqlite_fixture_remove(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_every_page_of_every_page_size),
        cmocka_unit_test(shows_one_moment_while_a_writer_goes_on_in_wal_mode),
        cmocka_unit_test(holds_commits_up_in_rollback_mode_only_until_its_end),
        cmocka_unit_test(reads_the_log_of_an_application_that_has_not_checkpointed),
        cmocka_unit_test(brings_back_what_the_visitor_says),
        cmocka_unit_test(stops_when_canceled),
        cmocka_unit_test(says_that_it_waited_in_vain),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

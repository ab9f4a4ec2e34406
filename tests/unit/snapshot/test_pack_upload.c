/* Goal: what is small goes up in one call, what is large in equal parts with the first one last;
 * whichever call fails, no object appears and the upload is aborted. */
#include "snapshot/pack_upload.h"

#include "base/cancel.h"
#include "base/err.h"
#include "snapshot/spool.h"
#include "store/dir_store.h"
#include "store/object_store.h"
#include "tests/harness/fault_store.h"
#include "tests/harness/stored_object.h"
#include "tests/harness/temp_dir.h"
#include "tests/harness/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PART_SIZE ((size_t)1000)
#define CHUNK     37u

struct rig {
    char *dir;
    struct fault_store_counters counters;
    struct object_store *store;
    struct spool *spool;
    struct cancel cancel;
};

static void rig_init(struct rig *rig, bool direct)
{
    const struct fault_store_options options = { .no_direct_fd = !direct };
    struct object_store *inner = NULL;

    memset(rig, 0, sizeof(*rig));
    rig->dir = temp_dir_new();
    assert_int_equal(dir_store_new(rig->dir, &inner, NULL), 0);
    assert_int_equal(fault_store_new(inner, &options, &rig->counters, &rig->store, NULL), 0);
    assert_int_equal(spool_new(NULL, 300, &rig->spool, NULL), 0);
}

static void rig_dispose(struct rig *rig)
{
    assert_int_equal(stored_object_leftovers(rig->dir), 0);
    spool_free(rig->spool);
    object_store_free(rig->store);
    temp_dir_free(rig->dir);
}

static uint8_t byte_at(size_t i)
{
    return (uint8_t)(i * 131 + i / 256);
}

/* Write size bytes in small steps, the very first last. */
static int upload(struct rig *rig, size_t size, struct err *err)
{
    const struct pack_upload_options options = {
        .store = rig->store,
        .key = "app/packs/a.zst",
        .part_size = PART_SIZE,
        .spool = rig->spool,
        .cancel = &rig->cancel,
    };
    struct pack_upload *upload = NULL;
    uint8_t chunk[CHUNK] = { 0 };
    int r;

    r = pack_upload_new(&options, &upload, err);
    for (size_t at = 0; at < size && r == 0; at += CHUNK) {
        size_t len = size - at < CHUNK ? size - at : CHUNK;

        for (size_t i = 0; i < len; i++)
            chunk[i] = at == 0 ? 0 : byte_at(at + i);
        r = pack_upload_reserve(upload, at + len, err);
        if (r == 0)
            r = spool_append(rig->spool, chunk, len, err);
        if (r == 0)
            r = pack_upload_advance(upload, at + len, err);
    }
    for (size_t i = 0; i < CHUNK; i++)
        chunk[i] = byte_at(i);
    if (r == 0)
        r = spool_write(rig->spool, 0, chunk, size < CHUNK ? size : CHUNK, err);
    if (r == 0)
        r = pack_upload_finish(upload, err);
    pack_upload_free(upload);
    return r;
}

static void assert_stored(const struct rig *rig, size_t size)
{
    size_t len;
    uint8_t *data = stored_object_read(rig->dir, &len);

    assert_int_equal(len, size);
    for (size_t i = 0; i < len; i++)
        assert_int_equal(data[i], byte_at(i));
    free(data);
}

static void sends_equal_parts_only_when_one_is_not_enough(void **state)
{
    static const struct {
        size_t size;
        unsigned puts, parts;
    } cases[] = {
        { 1, 1, 0 },
        { PART_SIZE - 1, 1, 0 },
        { PART_SIZE, 1, 0 },
        { PART_SIZE + 1, 0, 2 },
        { 2 * PART_SIZE, 0, 2 },
        { 20 * PART_SIZE + 500, 0, 21 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct rig rig;

        rig_init(&rig, false);
        assert_int_equal(upload(&rig, cases[i].size, NULL), 0);
        assert_int_equal(rig.counters.puts, cases[i].puts);
        assert_int_equal(rig.counters.parts, cases[i].parts);
        assert_stored(&rig, cases[i].size);
        rig_dispose(&rig);
    }
}

static void writes_in_place_where_the_store_has_a_descriptor(void **state)
{
    struct rig rig;

    (void)state;
    rig_init(&rig, true);
    assert_int_equal(upload(&rig, 20 * PART_SIZE + 1, NULL), 0);
    assert_int_equal(rig.counters.puts, 0);
    assert_int_equal(rig.counters.parts, 0);
    assert_stored(&rig, 20 * PART_SIZE + 1);
    rig_dispose(&rig);
}

static void leaves_nothing_when_any_call_fails(void **state)
{
    (void)state;
    for (int direct = 0; direct < 2; direct++) {
        for (size_t size = 500; size < 6000; size += 5000) {
            unsigned fail_at = 0;
            int r;

            do {
                struct rig rig;
                struct err err = { 0 };

                rig_init(&rig, direct == 1);
                rig.counters.fail_at = ++fail_at;
                r = upload(&rig, size, &err);
                assert_true(r == 0 || r == ERR_SERVER);
                assert_int_equal(stored_object_count(rig.dir), r == 0 ? 1 : 0);
                assert_int_equal(rig.counters.uploads_open, 0);
                if (r < 0)
                    assert_non_null(strstr(err.msg, "is made to fail"));
                rig_dispose(&rig);
            } while (r < 0);
            assert_int_equal(fail_at - 1, size < PART_SIZE ? 1 : direct == 1 ? 2 : 8);
        }
    }
}

static void sends_as_many_parts_at_a_time_as_the_store_says(void **state)
{
    static const struct {
        unsigned concurrency, min, max;
    } cases[] = { { 0, 2, STORE_CONCURRENCY_DEFAULT },
                  { 1, 1, 1 },
                  { 7, 5, 7 },
                  { 100, STORE_CONCURRENCY_DEFAULT + 1, STORE_CONCURRENCY_MAX } };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct rig rig;

        rig_init(&rig, false);
        rig.store->upload_concurrency = cases[i].concurrency;
        atomic_store(&rig.counters.part_delay_ms, 20);
        assert_int_equal(upload(&rig, 20 * PART_SIZE, NULL), 0);
        assert_in_range(atomic_load(&rig.counters.parts_open_max), cases[i].min, cases[i].max);
        assert_stored(&rig, 20 * PART_SIZE);
        rig_dispose(&rig);
    }
}

static void leaves_nothing_whichever_part_fails_among_many_at_a_time(void **state)
{
    (void)state;
    for (unsigned concurrency = 1; concurrency <= STORE_CONCURRENCY_MAX; concurrency *= 4) {
        unsigned fail_at = 0;
        int r;

        do {
            struct rig rig;

            rig_init(&rig, false);
            rig.store->upload_concurrency = concurrency;
            rig.counters.fail_at = ++fail_at;
            r = upload(&rig, 20 * PART_SIZE, NULL);
            assert_true(r == 0 || r == ERR_SERVER);
            assert_int_equal(stored_object_count(rig.dir), r == 0 ? 1 : 0);
            assert_int_equal(rig.counters.uploads_open, 0);
            rig_dispose(&rig);
        } while (r < 0);
        assert_int_equal(fail_at - 1, 22); /* begin, twenty parts, finish */
    }
}

static void stops_when_canceled(void **state)
{
    struct rig rig;
    struct err err = { 0 };

    (void)state;
    rig_init(&rig, false);
    cancel_set(&rig.cancel, 15);
    assert_int_equal(upload(&rig, 10 * PART_SIZE, &err), ERR_CANCELED);
    assert_int_equal(rig.counters.uploads_aborted, 1);
    assert_int_equal(stored_object_count(rig.dir), 0);
    rig_dispose(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sends_equal_parts_only_when_one_is_not_enough),
        cmocka_unit_test(writes_in_place_where_the_store_has_a_descriptor),
        cmocka_unit_test(leaves_nothing_when_any_call_fails),
        cmocka_unit_test(sends_as_many_parts_at_a_time_as_the_store_says),
        cmocka_unit_test(leaves_nothing_whichever_part_fails_among_many_at_a_time),
        cmocka_unit_test(stops_when_canceled),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

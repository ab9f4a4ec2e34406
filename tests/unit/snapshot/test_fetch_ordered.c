/* Goal: the stream is the database, in order, whatever packs its pages come from; it ends early
 * when something is wrong, and memory stays within its bound. */
#include "base/buf.h"
#include "base/err.h"
#include "base/io.h"
#include "snapshot/fetch.h"
#include "snapshot/restore.h"
#include "tests/harness/restore_rig.h"
#include "tests/harness/test.h"

#include <string.h>

#define STREAM_LEN_MAX (64u << 20)

static int fetch(struct restore_rig *rig, size_t index, struct buf *out, struct err *err)
{
    const struct fetch_options options = { .thread_count = 0 };
    struct fetch *open_fetch = NULL;
    struct io_sink *sink = NULL;
    int r;

    assert_int_equal(buf_sink_new(out, &sink, NULL), 0);
    r = fetch_open(rig->store, &rig->packs.manifest, restore_rig_backup(rig, index), &options,
                   &open_fetch, err);
    if (r == 0)
        r = fetch_to_sink(open_fetch, sink, err);
    fetch_close(open_fetch);
    io_sink_free(sink);
    return r;
}

static void streams_every_page_in_order(void **state)
{
    static const unsigned page_sizes[] = { 512, 4096, 65536 };

    (void)state;
    for (size_t i = 0; i < sizeof(page_sizes) / sizeof(page_sizes[0]); i++) {
        struct restore_rig rig;

        restore_rig_init(&rig, page_sizes[i], 6);
        for (size_t index = 0; index < 6; index++) {
            const struct pack_fixture_backup *backup = &rig.packs.backups[index];
            struct buf out = BUF_INIT(STREAM_LEN_MAX);

            assert_int_equal(fetch(&rig, index, &out, NULL), 0);
            assert_int_equal(out.len, backup->len);
            assert_memory_equal(out.ptr, backup->bytes, out.len);
            buf_dispose(&out);
        }
        restore_rig_dispose(&rig);
    }
}

static void reads_each_pack_once(void **state)
{
    struct restore_rig rig;
    struct buf out = BUF_INIT(STREAM_LEN_MAX);

    (void)state;
    restore_rig_init(&rig, 1024, 5);
    assert_int_equal(fetch(&rig, 4, &out, NULL), 0);
    /* The map; hashes and frames of five packs, whose runs alternate. */
    assert_int_equal(atomic_load(&rig.counters.calls), 1 + 2 * 5);
    buf_dispose(&out);
    restore_rig_dispose(&rig);
}

/* Whatever has been written before the damage is found is right. */
static void writes_nothing_that_is_damaged(void **state)
{
    struct restore_rig rig;
    const struct pack_record *pack;
    uint64_t end;
    unsigned tried = 0, harmless = 0;

    (void)state;
    restore_rig_init(&rig, 1024, 2);
    pack = manifest_find_pack(&rig.packs.manifest, rig.packs.backups[0].id);
    end = pack->map_offset;
    for (uint64_t offset = 0; offset < end; offset += 1 + end / 100) {
        struct buf out = BUF_INIT(STREAM_LEN_MAX);
        struct err err = { 0 };

        tried++;
        restore_rig_flip(&rig, 0, offset);
        if (fetch(&rig, 0, &out, &err) == 0) {
            assert_int_equal(out.len, rig.packs.backups[0].len);
            harmless++; /* see test_fetch.c */
        } else {
            assert_int_equal(err.code, ERR_CORRUPT);
            assert_non_null(strstr(err.msg, pack->id));
            assert_true(out.len < rig.packs.backups[0].len);
        }
        assert_memory_equal(out.ptr, rig.packs.backups[0].bytes, out.len);
        buf_dispose(&out);
        restore_rig_flip(&rig, 0, offset);
    }
    assert_true(harmless <= tried / 50);
    restore_rig_dispose(&rig);
}

static void fails_when_any_call_of_the_store_fails(void **state)
{
    struct restore_rig rig;
    unsigned n = 0;
    int r;

    (void)state;
    restore_rig_init(&rig, 1024, 3);
    do {
        struct buf out = BUF_INIT(STREAM_LEN_MAX);

        atomic_store(&rig.counters.calls, 0);
        atomic_store(&rig.counters.fail_at, ++n);
        r = fetch(&rig, 2, &out, NULL);
        assert_int_equal(r, r == 0 ? 0 : ERR_SERVER);
        buf_dispose(&out);
    } while (r != 0);
    assert_int_equal(n - 1, 1 + 2 * 3);
    restore_rig_dispose(&rig);
}

static void ends_when_the_reader_does(void **state)
{
    struct restore_rig rig;
    struct buf out = BUF_INIT(100000); /* no room for all */

    (void)state;
    restore_rig_init(&rig, 1024, 1);
    assert_int_equal(fetch(&rig, 0, &out, NULL), ERR_LIMIT);
    buf_dispose(&out);
    restore_rig_dispose(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(streams_every_page_in_order),
        cmocka_unit_test(reads_each_pack_once),
        cmocka_unit_test(writes_nothing_that_is_damaged),
        cmocka_unit_test(fails_when_any_call_of_the_store_fails),
        cmocka_unit_test(ends_when_the_reader_does),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

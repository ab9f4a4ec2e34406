/* Goal: a file holds every page of the backup, whatever packs they come from, or the fetch fails
 * and says which pack is damaged. */
#include "snapshot/fetch.h"

#include "base/cancel.h"
#include "base/err.h"
#include "snapshot/progress.h"
#include "snapshot/restore.h"
#include "tests/harness/restore_rig.h"
#include "tests/harness/test.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static int fetch(struct restore_rig *rig, size_t index, const struct fetch_options *options,
                 struct err *err)
{
    const char *path = restore_rig_path(rig->work, "out.db");
    struct fetch *open_fetch = NULL;
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    int r;

    assert_true(fd >= 0);
    r = fetch_open(rig->store, &rig->packs.manifest, restore_rig_backup(rig, index), options,
                   &open_fetch, err);
    if (r == 0)
        r = fetch_to_file(open_fetch, fd, path, err);
    fetch_close(open_fetch);
    (void)close(fd);
    return r;
}

static bool fetched(const struct restore_rig *rig, size_t index)
{
    return restore_rig_same(rig, restore_rig_path(rig->work, "out.db"), index);
}

static void fetches_every_page_size_from_one_pack_or_several(void **state)
{
    static const unsigned page_sizes[] = { 512, 1024, 2048, 4096, 8192, 16384, 32768, 65536 };
    const struct fetch_options options = { .thread_count = 0 };

    (void)state;
    for (size_t i = 0; i < sizeof(page_sizes) / sizeof(page_sizes[0]); i++) {
        struct restore_rig rig;

        restore_rig_init(&rig, page_sizes[i], 4);
        for (size_t index = 0; index < 4; index++) {
            assert_int_equal(fetch(&rig, index, &options, NULL), 0);
            assert_true(fetched(&rig, index));
        }
        restore_rig_dispose(&rig);
    }
}

static void fetches_with_any_number_of_threads(void **state)
{
    struct restore_rig rig;

    (void)state;
    restore_rig_init(&rig, 1024, 4);
    for (unsigned threads = 1; threads <= FETCH_THREADS_MAX + 1; threads += 8) {
        const struct fetch_options options = { .thread_count = threads };

        assert_int_equal(fetch(&rig, 3, &options, NULL), 0);
        assert_true(fetched(&rig, 3));
    }
    restore_rig_dispose(&rig);
}

static void needs_a_request_for_the_map_and_two_for_a_pack(void **state)
{
    const struct fetch_options options = { .thread_count = 1 };
    struct restore_rig rig;

    (void)state;
    restore_rig_init(&rig, 4096, 1);
    assert_int_equal(fetch(&rig, 0, &options, NULL), 0);
    assert_int_equal(atomic_load(&rig.counters.calls), 3); /* map, hashes, all frames */
    restore_rig_dispose(&rig);
}

/* What a restore reads is the frames, the hashes and the map, which come first in this order.  A
 * few bits of a zstd frame mean nothing (RFC 8878: the unused bit of its descriptor, padding of its
 * tables); with one of those flipped, the content is right. */
static void finds_a_flipped_bit_anywhere(void **state)
{
    const struct fetch_options options = { .thread_count = 2 };
    struct restore_rig rig;
    struct err err = { 0 };
    unsigned tried = 0, harmless = 0;

    (void)state;
    restore_rig_init(&rig, 1024, 2);
    for (size_t index = 0; index < 2; index++) {
        const struct pack_record *pack =
            manifest_find_pack(&rig.packs.manifest, rig.packs.backups[index].id);
        uint64_t end = pack->map_offset + pack->map_len;

        for (uint64_t offset = 0; offset < end; offset += 1 + end / 150) {
            tried++;
            restore_rig_flip(&rig, index, offset);
            if (fetch(&rig, index, &options, &err) == 0) {
                assert_true(fetched(&rig, index));
                harmless++;
            } else {
                assert_int_equal(err.code, ERR_CORRUPT);
                assert_non_null(strstr(err.msg, pack->id));
            }
            restore_rig_flip(&rig, index, offset);
        }
    }
    assert_true(harmless <= tried / 50);
    assert_int_equal(fetch(&rig, 1, &options, &err), 0);
    assert_true(fetched(&rig, 1));
    restore_rig_dispose(&rig);
}

static void finds_a_pack_that_was_cut(void **state)
{
    const struct fetch_options options = { .thread_count = 2 };
    struct restore_rig rig;
    struct err err = { 0 };
    uint64_t size;

    (void)state;
    restore_rig_init(&rig, 1024, 1);
    size = manifest_find_pack(&rig.packs.manifest, rig.packs.backups[0].id)->size;
    for (uint64_t cut = 1; cut < size; cut += cut < 20 ? 1 : size / 30) {
        restore_rig_cut(&rig, 0, size - cut);
        assert_int_equal(fetch(&rig, 0, &options, &err), ERR_CORRUPT);
        assert_non_null(strstr(err.msg, rig.packs.backups[0].id));
    }
    restore_rig_dispose(&rig);
}

static void finds_a_pack_that_is_another_one(void **state)
{
    const struct fetch_options options = { .thread_count = 2 };
    struct restore_rig rig;
    struct err err = { 0 };

    (void)state;
    restore_rig_init(&rig, 1024, 1);
    rig.packs.manifest.backups[0].database_hash.low ^= 1;
    assert_int_equal(fetch(&rig, 0, &options, &err), ERR_CORRUPT);
    assert_non_null(strstr(err.msg, "database hash"));
    rig.packs.manifest.backups[0].database_hash.low ^= 1;
    rig.packs.manifest.page_hash_seed ^= 1;
    assert_int_equal(fetch(&rig, 0, &options, &err), ERR_CORRUPT);
    assert_non_null(strstr(err.msg, "differs from its hash"));
    restore_rig_dispose(&rig);
}

static void fails_when_any_call_of_the_store_fails(void **state)
{
    const struct fetch_options options = { .thread_count = 2 };
    struct restore_rig rig;
    unsigned n = 0;
    int r;

    (void)state;
    restore_rig_init(&rig, 1024, 3);
    do {
        struct err err = { 0 };

        atomic_store(&rig.counters.calls, 0);
        atomic_store(&rig.counters.fail_at, ++n);
        r = fetch(&rig, 2, &options, &err);
        assert_int_equal(r, r == 0 ? 0 : ERR_SERVER); /* never another thread's "canceled" */
        assert_int_equal(err.code, r);
    } while (r != 0);
    assert_true(fetched(&rig, 2));
    assert_true(n - 1 >= 2 * 3 + 1); /* hashes and frames of three packs, and the map */
    restore_rig_dispose(&rig);
}

/* The limit stands for a full disk: writes past it fail. */
static void fails_when_any_write_fails(void **state)
{
    const struct fetch_options options = { .thread_count = 2, .spool_dir = "/tmp" };
    struct rlimit old, limit;
    struct restore_rig rig;
    uint64_t size;

    (void)state;
    restore_rig_init(&rig, 4096, 2);
    size = restore_rig_backup(&rig, 1)->size;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    (void)signal(SIGXFSZ, SIG_IGN);
    for (uint64_t at = 0; at < size; at += size / 8 + 1) {
        struct err err = { 0 };

        limit = (struct rlimit){ at, old.rlim_max };
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
        assert_int_equal(fetch(&rig, 1, &options, &err), ERR_IO);
        assert_non_null(strstr(err.msg, "out.db"));
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    }
    restore_rig_dispose(&rig);
}

static void stops_when_canceled(void **state)
{
    struct cancel cancel = CANCEL_INIT;
    const struct fetch_options options = { .cancel = &cancel };
    struct restore_rig rig;

    (void)state;
    restore_rig_init(&rig, 1024, 1);
    cancel_set(&cancel, SIGTERM);
    assert_int_equal(fetch(&rig, 0, &options, NULL), ERR_CANCELED);
    restore_rig_dispose(&rig);
}

static void note_progress(void *context, enum progress_phase phase, uint64_t done, uint64_t total)
{
    uint64_t *last = context;

    assert_int_equal(phase, PROGRESS_FETCH);
    assert_true(done >= *last && done <= total);
    *last = done;
}

static void tells_of_every_byte(void **state)
{
    uint64_t last = 0;
    const struct progress progress = { note_progress, &last };
    const struct fetch_options options = { .progress = &progress, .thread_count = 3 };
    struct restore_rig rig;

    (void)state;
    restore_rig_init(&rig, 1024, 3);
    assert_int_equal(fetch(&rig, 2, &options, NULL), 0);
    assert_int_equal(last, restore_rig_backup(&rig, 2)->size);
    restore_rig_dispose(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fetches_every_page_size_from_one_pack_or_several),
        cmocka_unit_test(fetches_with_any_number_of_threads),
        cmocka_unit_test(needs_a_request_for_the_map_and_two_for_a_pack),
        cmocka_unit_test(finds_a_flipped_bit_anywhere),
        cmocka_unit_test(finds_a_pack_that_was_cut),
        cmocka_unit_test(finds_a_pack_that_is_another_one),
        cmocka_unit_test(fails_when_any_call_of_the_store_fails),
        cmocka_unit_test(fails_when_any_write_fails),
        cmocka_unit_test(stops_when_canceled),
        cmocka_unit_test(tells_of_every_byte),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

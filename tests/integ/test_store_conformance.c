/* Goal: every kind of store keeps the one contract of store/object_store.h.
 *
 * usage: test_store_conformance STORE      STORE: dir, or a server whose settings the environment
 * tells as HOLDFAST_TEST_S3_*, see tests/README.md
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/io.h"
#include "base/random.h"
#include "base/secret.h"
#include "s3/client.h"
#include "store/dir_store.h"
#include "store/object_store.h"
#include "store/s3_store.h"
#include "tests/harness/temp_dir.h"
#include "tests/harness/test.h"

#define PART_SIZE ((size_t)5 << 20) /* S3's smallest */

static bool on_disk;

static const char *setting(const char *name)
{
    const char *value = getenv(name); /* NOLINT(concurrency-mt-unsafe): nobody sets it */

    if (value == NULL)
        fail_msg("%s is not set", name);
    return value;
}

/* Whoever runs this against a server that is different says so: it is no accident. */
static bool is_told(const char *name, const char *word)
{
    const char *value = getenv(name); /* NOLINT(concurrency-mt-unsafe): nobody sets it */

    return value != NULL && strcmp(value, word) == 0;
}

/* A store in which nothing is. */
static int setup(void **state)
{
    struct object_store *store = NULL;
    char uuid[UUID_TEXT_SIZE], *dir;

    uuid_v4(uuid);
    if (on_disk) {
        dir = temp_dir_new();
        assert_int_equal(dir_store_new(dir, &store, NULL), 0);
        free(dir);
    } else {
        const char *text = setting("HOLDFAST_TEST_S3_SECRET_ACCESS_KEY");
        const bool is_virtual = is_told("HOLDFAST_TEST_S3_ADDRESSING", "virtual");
        struct secret secret = SECRET_INIT;
        struct s3_options options = {
            .bucket = setting("HOLDFAST_TEST_S3_BUCKET"),
            .endpoint = setting("HOLDFAST_TEST_S3_ENDPOINT"),
            .addressing = is_virtual ? S3_ADDRESSING_VIRTUAL_HOST : S3_ADDRESSING_AUTO,
            .region = setting("HOLDFAST_TEST_S3_REGION"),
            .access_key_id = setting("HOLDFAST_TEST_S3_ACCESS_KEY_ID"),
            .secret_access_key = &secret,
        };

        assert_int_equal(secret_set(&secret, text, strlen(text), NULL), 0);
        assert_int_equal(s3_store_new(&options, uuid, &store, NULL), 0);
        secret_dispose(&secret);
    }
    *state = store;
    return 0;
}

static int teardown(void **state)
{
    struct object_store *store = *state;

    if (on_disk)
        temp_dir_free(strdup(store->url + strlen("file://")));
    object_store_free(store);
    return 0;
}

static int put(struct object_store *store, const char *key, const char *text,
               enum object_put_mode mode)
{
    return object_put_bytes(store, key, text, strlen(text), mode, NULL);
}

/* The bytes of a range as text in *buf, or the failure. */
static int get(struct object_store *store, const char *key, uint64_t offset, uint64_t len,
               struct buf *buf)
{
    struct io_sink *sink = NULL;
    int r;

    buf_clear(buf);
    assert_int_equal(buf_sink_new(buf, &sink, NULL), 0);
    r = object_get(store, key, offset, len, sink, NULL, NULL);
    io_sink_free(sink);
    return r;
}

static void an_object_comes_back_whole_and_in_ranges(void **state)
{
    struct object_info info = { 0, 0 };
    struct buf buf = BUF_INIT(1000);

    assert_int_equal(put(*state, "a/b.zst", "0123456789", OBJECT_PUT_PLAIN), 0);
    assert_int_equal(get(*state, "a/b.zst", 0, OBJECT_TO_END, &buf), 0);
    assert_string_equal(buf.ptr, "0123456789");
    assert_int_equal(get(*state, "a/b.zst", 3, 4, &buf), 0);
    assert_string_equal(buf.ptr, "3456");
    assert_int_equal(get(*state, "a/b.zst", 9, OBJECT_TO_END, &buf), 0);
    assert_string_equal(buf.ptr, "9");
    assert_int_equal(get(*state, "a/b.zst", 0, 10, &buf), 0);
    assert_string_equal(buf.ptr, "0123456789");
    assert_int_equal(object_head(*state, "a/b.zst", &info, NULL), 0);
    assert_int_equal(info.size, 10);
    buf_dispose(&buf);
}

static void an_empty_object_is_an_object(void **state)
{
    struct object_info info = { 9, 9 };
    struct buf buf = BUF_INIT(10);

    assert_int_equal(put(*state, "empty", "", OBJECT_PUT_PLAIN), 0);
    assert_int_equal(get(*state, "empty", 0, OBJECT_TO_END, &buf), 0);
    assert_int_equal(buf.len, 0);
    assert_int_equal(object_head(*state, "empty", &info, NULL), 0);
    assert_int_equal(info.size, 0);
    buf_dispose(&buf);
}

static void less_than_was_asked_for_is_corruption(void **state)
{
    struct buf buf = BUF_INIT(1000);

    assert_int_equal(put(*state, "short", "0123456789", OBJECT_PUT_PLAIN), 0);
    assert_int_equal(get(*state, "short", 5, 6, &buf), ERR_CORRUPT);
    assert_int_equal(get(*state, "short", 11, 1, &buf), ERR_CORRUPT);
    buf_dispose(&buf);
}

static void what_is_not_there_is_not_found(void **state)
{
    const char *keys[] = { "none" };
    struct object_info info;
    struct buf buf = BUF_INIT(10);

    assert_int_equal(get(*state, "none", 0, OBJECT_TO_END, &buf), ERR_NOT_FOUND);
    assert_int_equal(object_head(*state, "none", &info, NULL), ERR_NOT_FOUND);
    assert_int_equal(object_delete(*state, keys, 1, NULL), 0); /* is as good as deleted */
    buf_dispose(&buf);
}

static void an_object_that_is_there_is_not_replaced_by_a_conditional_put(void **state)
{
    struct buf buf = BUF_INIT(100);
    const int r = put(*state, "once", "first", OBJECT_PUT_IF_ABSENT);

    if (r == ERR_UNSUPPORTED) { /* a store may say so; the catalogue then does without */
        print_message("  no conditional writes here\n");
        return;
    }
    assert_int_equal(r, 0);
    if (is_told("HOLDFAST_TEST_CONDITIONAL", "ignored")) { /* the catalogue finds that out too */
        print_message("  conditions are ignored here\n");
        return;
    }
    assert_int_equal(put(*state, "once", "second", OBJECT_PUT_IF_ABSENT), ERR_EXISTS);
    assert_int_equal(get(*state, "once", 0, OBJECT_TO_END, &buf), 0);
    assert_string_equal(buf.ptr, "first");
    buf_dispose(&buf);
}

static int note(void *context, const char *key, const struct object_info *info, struct err *err)
{
    (void)err;
    buf_addf(context, info == NULL ? "%s " : "%s:%u ", key,
             info == NULL ? 0 : (unsigned)info->size);
    return 0;
}

static void listings_are_in_byte_order_below_a_prefix(void **state)
{
    static const char *const keys[] = { "l/b", "l/a-1", "l/a/x", "l/a0", "l/a.1", "m", "l/a/w" };
    static const struct {
        const char *prefix, *start_after, *expected;
    } cases[] = {
        { "l/", NULL, "l/a-1:2 l/a.1:2 l/a/w:2 l/a/x:2 l/a0:2 l/b:2 " },
        { "l/a", NULL, "l/a-1:2 l/a.1:2 l/a/w:2 l/a/x:2 l/a0:2 " },
        { "l/a/", NULL, "l/a/w:2 l/a/x:2 " },
        { "l/", "l/a/w", "l/a/x:2 l/a0:2 l/b:2 " },
        { "", "l/b", "m:2 " },
        { "x", NULL, "" },
    };
    struct buf seen = BUF_INIT(1000);

    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        assert_int_equal(put(*state, keys[i], "xy", OBJECT_PUT_PLAIN), 0);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        buf_clear(&seen);
        assert_int_equal(
            object_list(*state, cases[i].prefix, cases[i].start_after, note, &seen, NULL), 0);
        assert_string_equal(seen.ptr, cases[i].expected);
    }
    buf_clear(&seen);
    assert_int_equal(object_list_prefixes(*state, "", note, &seen, NULL), 0);
    assert_string_equal(seen.ptr, "l/ ");
    buf_clear(&seen);
    assert_int_equal(object_list_prefixes(*state, "l/", note, &seen, NULL), 0);
    assert_string_equal(seen.ptr, "l/a/ ");
    buf_dispose(&seen);
}

static void deleted_objects_are_gone_and_others_stay(void **state)
{
    const char *gone[] = { "d/1", "d/2", "d/none" };
    struct buf seen = BUF_INIT(1000);

    assert_int_equal(put(*state, "d/1", "x", OBJECT_PUT_PLAIN), 0);
    assert_int_equal(put(*state, "d/2", "x", OBJECT_PUT_PLAIN), 0);
    assert_int_equal(put(*state, "d/3", "x", OBJECT_PUT_PLAIN), 0);
    assert_int_equal(object_delete(*state, gone, 3, NULL), 0);
    assert_int_equal(object_list(*state, "d/", NULL, note, &seen, NULL), 0);
    assert_string_equal(seen.ptr, "d/3:1 ");
    buf_dispose(&seen);
}

static int send_part(struct object_upload *upload, unsigned part, const uint8_t *data, size_t size)
{
    struct io_source *body = NULL;
    size_t len = size - part * PART_SIZE;
    int r;

    if (len > PART_SIZE)
        len = PART_SIZE;
    assert_int_equal(memory_source_new(data + part * PART_SIZE, len, &body, NULL), 0);
    r = upload->ops->part(upload, part, body, NULL);
    io_source_free(body);
    return r;
}

/* Part 1 goes last, as a backup's does. */
static void a_large_object_in_parts_is_there_only_when_finished(void **state)
{
    const size_t size = 2 * PART_SIZE + 12345;
    struct object_upload *upload = NULL;
    struct object_info info;
    struct buf buf = BUF_INIT(3 * PART_SIZE);
    uint8_t *data = malloc(size);

    assert_non_null(data);
    random_bytes(data, size);
    assert_int_equal(object_upload_new(*state, "big", PART_SIZE, &upload, NULL), 0);
    assert_int_equal(send_part(upload, 1, data, size), 0);
    assert_int_equal(send_part(upload, 2, data, size), 0);
    assert_int_equal(object_head(*state, "big", &info, NULL), ERR_NOT_FOUND);
    assert_int_equal(send_part(upload, 0, data, size), 0);
    assert_int_equal(upload->ops->finish(upload, size, NULL), 0);
    object_upload_free(upload);
    assert_int_equal(get(*state, "big", 0, OBJECT_TO_END, &buf), 0);
    assert_int_equal(buf.len, size);
    assert_memory_equal(buf.ptr, data, size);
    assert_int_equal(get(*state, "big", PART_SIZE - 5, 10, &buf), 0);
    assert_memory_equal(buf.ptr, data + PART_SIZE - 5, 10);
    buf_dispose(&buf);
    free(data);
}

static void a_large_object_that_is_aborted_leaves_nothing(void **state)
{
    struct object_upload *upload = NULL;
    struct object_info info;
    struct buf seen = BUF_INIT(1000);
    uint8_t *data = calloc(1, PART_SIZE);

    assert_non_null(data);
    assert_int_equal(object_upload_new(*state, "gone", PART_SIZE, &upload, NULL), 0);
    assert_int_equal(send_part(upload, 0, data, PART_SIZE), 0);
    upload->ops->abort(upload);
    upload->ops->abort(upload);
    object_upload_free(upload);
    assert_int_equal(object_head(*state, "gone", &info, NULL), ERR_NOT_FOUND);
    assert_int_equal(object_list(*state, "", NULL, note, &seen, NULL), 0);
    assert_string_equal(seen.ptr, "");
    buf_dispose(&seen);
    free(data);
}

static size_t abort_before(struct object_store *store, const char *prefix, int64_t before_ms,
                           bool dry_run)
{
    size_t count = 99;

    assert_int_equal(object_abort_uploads(store, prefix, before_ms, dry_run, &count, NULL), 0);
    return count;
}

/* What a killed program leaves behind is found by another one. */
static void uploads_that_were_never_finished_can_be_given_up(void **state)
{
    const int64_t hour_ms = 3600000, now_ms = object_now_ms(*state);
    static const char *const keys[] = { "mine/packs/1", "mine/packs/2", "other/packs/1" };
    struct object_upload *uploads[3] = { NULL };
    uint8_t *data = calloc(1, PART_SIZE);

    assert_non_null(data);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(object_upload_new(*state, keys[i], PART_SIZE, &uploads[i], NULL), 0);
        assert_int_equal(send_part(uploads[i], 0, data, PART_SIZE), 0);
    }
    assert_int_equal(abort_before(*state, "mine/", now_ms - hour_ms, false), 0);
    if (is_told("HOLDFAST_TEST_UPLOADS", "by-key")) { /* MinIO lists those of one key only */
        print_message("  unfinished uploads are not found by a prefix here\n");
        assert_int_equal(abort_before(*state, keys[0], now_ms + hour_ms, false), 1);
        assert_int_equal(abort_before(*state, keys[1], now_ms + hour_ms, false), 1);
    } else {
        assert_int_equal(abort_before(*state, "mine/", now_ms + hour_ms, true), 2);
        assert_int_equal(abort_before(*state, "mine/", now_ms + hour_ms, false), 2);
    }
    assert_int_equal(abort_before(*state, "mine/", now_ms + hour_ms, false), 0);
    assert_true(uploads[0]->ops->finish(uploads[0], PART_SIZE, NULL) < 0);
    assert_int_equal(uploads[2]->ops->finish(uploads[2], PART_SIZE, NULL), 0);
    assert_int_equal(abort_before(*state, "none/", now_ms + hour_ms, false), 0);
    for (size_t i = 0; i < 3; i++)
        object_upload_free(uploads[i]);
    free(data);
}

/* Servers give whole seconds. */
static void its_clock_is_the_one_that_dates_objects(void **state)
{
    struct object_info info;
    int64_t before_ms, after_ms;

    before_ms = object_now_ms(*state);
    assert_int_equal(put(*state, "dated", "x", OBJECT_PUT_PLAIN), 0);
    after_ms = object_now_ms(*state);
    assert_int_equal(object_head(*state, "dated", &info, NULL), 0);
    assert_true(info.modified_ms >= before_ms - 2000 && info.modified_ms <= after_ms + 2000);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        CASE(an_object_comes_back_whole_and_in_ranges),
        CASE(an_empty_object_is_an_object),
        CASE(less_than_was_asked_for_is_corruption),
        CASE(what_is_not_there_is_not_found),
        CASE(an_object_that_is_there_is_not_replaced_by_a_conditional_put),
        CASE(listings_are_in_byte_order_below_a_prefix),
        CASE(deleted_objects_are_gone_and_others_stay),
        CASE(a_large_object_in_parts_is_there_only_when_finished),
        CASE(a_large_object_that_is_aborted_leaves_nothing),
        CASE(uploads_that_were_never_finished_can_be_given_up),
        CASE(its_clock_is_the_one_that_dates_objects),
#undef CASE
    };

    if (argc != 2) {
        (void)fprintf(stderr, "usage: test_store_conformance dir|STORE\n");
        return 2;
    }
    on_disk = strcmp(argv[1], "dir") == 0;
    return cmocka_run_group_tests(tests, NULL, NULL);
}

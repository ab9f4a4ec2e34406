/* Goal: keys gain the store's prefix on their way out and lose it on their way back. */
#include "store/s3_store.h"

#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/io.h"
#include "base/secret.h"
#include "s3/client.h"
#include "store/object_store.h"
#include "tests/harness/fake_clock.h"
#include "tests/harness/fake_transport.h"
#include "tests/harness/test.h"

#define ETAG "ETag: \"e\"\n"

#define LIST_BODY                                                                                  \
    "<ListBucketResult><IsTruncated>false</IsTruncated>"                                           \
    "<Contents><Key>pre/fix/</Key><Size>0</Size></Contents>"                                       \
    "<Contents><Key>pre/fix/a</Key><Size>5</Size>"                                                 \
    "<LastModified>2026-11-23T06:00:00.000Z</LastModified></Contents>"                             \
    "<CommonPrefixes><Prefix>pre/fix/sub/</Prefix></CommonPrefixes></ListBucketResult>"

struct rig {
    struct fake_transport fake;
    struct fake_clock clock;
    struct object_store *store;
};

static int64_t lock_ms; /* of the next rig */

static void rig_init(struct rig *rig, const char *prefix, const struct fake_reply *replies,
                     size_t count)
{
    struct secret secret = SECRET_INIT;
    struct s3_options options = {
        .bucket = "bucket",
        .endpoint = "http://s3.test",
        .access_key_id = "AKID",
        .secret_access_key = &secret,
        .lock = { lock_ms > 0 ? S3_LOCK_GOVERNANCE : S3_LOCK_NONE, lock_ms },
    };

    memset(rig, 0, sizeof(*rig));
    fake_transport_init(&rig->fake, replies, count);
    fake_clock_init(&rig->clock, INT64_C(1795417528000));
    options.transport = &rig->fake.transport;
    options.clock = &rig->clock.clock;
    assert_int_equal(secret_set(&secret, "secret", 6, NULL), 0);
    assert_int_equal(s3_store_new(&options, prefix, &rig->store, NULL), 0);
    secret_dispose(&secret);
}

static void rig_dispose(struct rig *rig)
{
    assert_int_equal(rig->fake.replied_count, rig->fake.reply_count);
    object_store_free(rig->store);
    fake_transport_dispose(&rig->fake);
}

static void objects_lie_below_the_prefix(void **state)
{
    static const struct fake_reply replies[] = {
        FAKE_REPLY(200, ETAG, NULL),
        FAKE_REPLY(200, "Content-Length: 3", "abc"),
        FAKE_REPLY(204, NULL, NULL),
    };
    const char *keys[] = { "a/b" };
    struct io_sink *sink = NULL;
    struct buf buf = BUF_INIT(10);
    struct rig rig;

    (void)state;
    rig_init(&rig, "/pre/fix/", replies, 3);
    assert_string_equal(rig.store->url, "s3://bucket/pre/fix?endpoint=http://s3.test");
    assert_int_equal(object_put_bytes(rig.store, "a/b", "abc", 3, OBJECT_PUT_PLAIN, NULL), 0);
    assert_string_equal(rig.fake.requests[0].url.ptr, "http://s3.test/bucket/pre/fix/a/b");
    assert_null(fake_request_header(&rig.fake, 0, "If-None-Match"));
    assert_int_equal(buf_sink_new(&buf, &sink, NULL), 0);
    assert_int_equal(object_get(rig.store, "a/b", 0, OBJECT_TO_END, sink, NULL, NULL), 0);
    assert_string_equal(buf.ptr, "abc");
    assert_int_equal(object_delete(rig.store, keys, 1, NULL), 0);
    assert_string_equal(rig.fake.requests[2].url.ptr, "http://s3.test/bucket/pre/fix/a/b");
    io_sink_free(sink);
    buf_dispose(&buf);
    rig_dispose(&rig);
}

static void a_put_if_absent_is_conditional(void **state)
{
    static const struct fake_reply replies[] = { FAKE_REPLY(412, NULL, NULL) };
    struct rig rig;

    (void)state;
    rig_init(&rig, NULL, replies, 1);
    assert_string_equal(rig.store->url, "s3://bucket?endpoint=http://s3.test");
    assert_int_equal(object_put_bytes(rig.store, "a", "", 0, OBJECT_PUT_IF_ABSENT, NULL),
                     ERR_EXISTS);
    assert_string_equal(fake_request_header(&rig.fake, 0, "If-None-Match"), "*");
    rig_dispose(&rig);
}

static int note(void *context, const char *key, const struct object_info *info, struct err *err)
{
    (void)err;
    buf_addf(context, "%s=%d ", key, info == NULL ? -1 : (int)info->size);
    return 0;
}

static void listings_are_relative_to_the_prefix(void **state)
{
    static const struct fake_reply replies[] = { FAKE_REPLY(200, NULL, LIST_BODY),
                                                 FAKE_REPLY(200, NULL, LIST_BODY) };
    struct buf seen = BUF_INIT(100);
    struct rig rig;

    (void)state;
    rig_init(&rig, "pre/fix", replies, 2);
    assert_int_equal(object_list(rig.store, "", "Z", note, &seen, NULL), 0);
    assert_string_equal(seen.ptr, "a=5 "); /* not the empty name of the prefix itself */
    assert_non_null(strstr(rig.fake.requests[0].url.ptr, "prefix=pre%2Ffix%2F"));
    assert_non_null(strstr(rig.fake.requests[0].url.ptr, "start-after=pre%2Ffix%2FZ"));
    buf_clear(&seen);
    assert_int_equal(object_list_prefixes(rig.store, "", note, &seen, NULL), 0);
    assert_string_equal(seen.ptr, "sub/=-1 ");
    buf_dispose(&seen);
    rig_dispose(&rig);
}

static void an_upload_that_is_dropped_is_aborted(void **state)
{
    static const struct fake_reply replies[] = {
        FAKE_REPLY(200, NULL,
                   "<InitiateMultipartUploadResult><UploadId>ID</UploadId>"
                   "</InitiateMultipartUploadResult>"),
        FAKE_REPLY(204, NULL, NULL),
    };
    struct object_upload *upload = NULL;
    struct rig rig;

    (void)state;
    rig_init(&rig, "p", replies, 2);
    assert_int_equal(object_upload_new(rig.store, "k", 8 << 20, &upload, NULL), 0);
    assert_int_equal(upload->ops->direct_fd(upload), -1);
    object_upload_free(upload);
    assert_int_equal(rig.fake.requests[1].method, HTTP_DELETE);
    assert_non_null(strstr(rig.fake.requests[1].url.ptr, "/bucket/p/k?uploadId=ID"));
    rig_dispose(&rig);
}

static void part_sizes_allow_for_ten_thousand_parts(void **state)
{
    uint64_t size = 0;
    struct rig rig;

    (void)state;
    rig_init(&rig, NULL, NULL, 0);
    assert_int_equal(object_part_size(rig.store, 1000, 0, &size, NULL), 0);
    assert_int_equal(size, 5 << 20);
    assert_int_equal(object_part_size(rig.store, UINT64_C(1) << 40, 0, &size, NULL), 0);
    assert_true((UINT64_C(1) << 40) / size < 10000);
    rig_dispose(&rig);
}

/* Scaleway takes a thousand parts only. */
static void a_server_of_fewer_parts_gets_larger_ones(void **state)
{
    struct secret secret = SECRET_INIT;
    const struct s3_options options = {
        .bucket = "bucket",
        .endpoint = "https://s3.fr-par.scw.cloud",
        .access_key_id = "AKID",
        .secret_access_key = &secret,
    };
    struct object_store *store = NULL;
    uint64_t size = 0;

    (void)state;
    assert_int_equal(secret_set(&secret, "secret", 6, NULL), 0);
    assert_int_equal(s3_store_new(&options, NULL, &store, NULL), 0);
    assert_int_equal(object_part_size(store, 1000, 0, &size, NULL), 0);
    assert_int_equal(size, 5 << 20);
    assert_int_equal(object_part_size(store, UINT64_C(1) << 40, 16 << 20, &size, NULL), 0);
    assert_true((UINT64_C(1) << 40) / size < 1000);
    object_store_free(store);
    secret_dispose(&secret);
}

static void counters_are_those_of_the_client(void **state)
{
    static const struct fake_reply replies[] = { FAKE_REPLY(200, ETAG, NULL) };
    struct s3_counters counters;
    struct rig rig;

    (void)state;
    rig_init(&rig, NULL, replies, 1);
    assert_int_equal(object_put_bytes(rig.store, "a", "abc", 3, OBJECT_PUT_PLAIN, NULL), 0);
    s3_store_counters(rig.store, &counters);
    assert_int_equal(counters.put, 1);
    assert_int_equal(counters.get, 0);
    rig_dispose(&rig);
}

/* Locks are longer than promised by a quarter, and a day at least. */
static void what_is_put_is_locked_for_longer_than_promised(void **state)
{
    static const struct {
        int64_t promise_days;
        const char *until;
    } rows[] = { { 1, "2026-11-25T07:05:28Z" },
                 { 4, "2026-11-28T07:05:28Z" },
                 { 8, "2026-12-03T07:05:28Z" } };
    static const struct fake_reply replies[] = { FAKE_REPLY(200, ETAG, NULL),
                                                 FAKE_REPLY(200, NULL, "<Retention/>"),
                                                 FAKE_REPLY(200, ETAG, NULL) };
    int64_t until_ms;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct rig rig;

        lock_ms = rows[i].promise_days * 86400000;
        rig_init(&rig, "p", replies, 3);
        lock_ms = 0;
        assert_int_equal(rig.store->lock_promise_ms, rows[i].promise_days * 86400000);
        assert_int_equal(object_put_bytes(rig.store, "a", "abc", 3, OBJECT_PUT_PLAIN, NULL), 0);
        assert_string_equal(
            fake_request_header(&rig.fake, 0, "x-amz-object-lock-retain-until-date"),
            rows[i].until);
        assert_int_equal(object_lock(rig.store, "a", &until_ms, NULL), 0);
        assert_int_equal(until_ms, INT64_C(1795417528000) + rig.store->lock_ms);
        assert_string_equal(rig.fake.requests[2].url.ptr, "http://s3.test/bucket/p/a?retention=");
        rig_dispose(&rig);
    }
}

static void without_a_lock_nothing_is_locked(void **state)
{
    int64_t until_ms = 7;
    struct rig rig;

    (void)state;
    rig_init(&rig, NULL, NULL, 0);
    assert_int_equal(rig.store->lock_ms, 0);
    assert_int_equal(object_lock(rig.store, "a", &until_ms, NULL), ERR_UNSUPPORTED);
    assert_int_equal(until_ms, 7);
    rig_dispose(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(objects_lie_below_the_prefix),
        cmocka_unit_test(a_put_if_absent_is_conditional),
        cmocka_unit_test(listings_are_relative_to_the_prefix),
        cmocka_unit_test(an_upload_that_is_dropped_is_aborted),
        cmocka_unit_test(part_sizes_allow_for_ten_thousand_parts),
        cmocka_unit_test(a_server_of_fewer_parts_gets_larger_ones),
        cmocka_unit_test(counters_are_those_of_the_client),
        cmocka_unit_test(what_is_put_is_locked_for_longer_than_promised),
        cmocka_unit_test(without_a_lock_nothing_is_locked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

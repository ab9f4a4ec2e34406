/* Goal: the store shows of each key what was the newest at its moment, deleted or overwritten since
 * or not; it asks for a folder's versions once, and never writes. */
#include "store/version_store.h"

#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/io.h"
#include "base/secret.h"
#include "s3/client.h"
#include "store/dir_store.h"
#include "store/object_store.h"
#include "store/s3_store.h"
#include "tests/harness/fake_clock.h"
#include "tests/harness/fake_transport.h"
#include "tests/harness/temp_dir.h"
#include "tests/harness/test.h"

#define AS_OF_MS INT64_C(1795417528000) /* 2026-11-23T07:05:28Z */
#define ENABLED                                                                                    \
    FAKE_REPLY(200, NULL,                                                                          \
               "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>")
#define TIME(time) "<LastModified>2026-11-23T" time "Z</LastModified>"
#define VERSION(key, id, time)                                                                     \
    "<Version><Key>p/" key "</Key><VersionId>" id                                                  \
    "</VersionId><IsLatest>false</IsLatest>" TIME(time) "<Size>3</Size></Version>"
#define MARKER(key, id, time)                                                                      \
    "<DeleteMarker><Key>p/" key "</Key><VersionId>" id "</VersionId>" TIME(time) "</DeleteMarker>"

/* As servers have it: the newest of a key first. */
static const char versions[] = "<ListVersionsResult>"
    /* deleted, and overwritten, afterwards */
    MARKER("db/m/1", "1c", "07:05:29") VERSION("db/m/1", "1b", "07:05:28")
        VERSION("db/m/1", "1a", "07:05:00") VERSION("db/m/2", "2b", "09:00:00")
            VERSION("db/m/2", "2a", "07:00:00")
    /* not there yet; deleted before; put again after that */
    VERSION("db/m/3", "3a", "07:05:29") MARKER("db/m/4", "4b", "07:05:28")
        VERSION("db/m/4", "4a", "07:05:28") VERSION("db/m/5", "5c", "07:00:00")
            MARKER("db/m/5", "5b", "06:59:00")
                VERSION("db/m/5", "5a", "06:58:00") "</ListVersionsResult>";

struct rig {
    struct fake_transport fake;
    struct fake_clock clock;
    struct object_store *store;
    struct err err;
    int r;
};

static void rig_init(struct rig *rig, const struct fake_reply *replies, size_t count)
{
    struct secret secret = SECRET_INIT;
    struct s3_options options = { .bucket = "bucket",
                                  .endpoint = "http://s3.test",
                                  .access_key_id = "AKID",
                                  .secret_access_key = &secret };
    struct object_store *present = NULL;

    memset(rig, 0, sizeof(*rig));
    fake_transport_init(&rig->fake, replies, count);
    fake_clock_init(&rig->clock, AS_OF_MS + 5000000);
    options.transport = &rig->fake.transport;
    options.clock = &rig->clock.clock;
    assert_int_equal(secret_set(&secret, "secret", 6, NULL), 0);
    assert_int_equal(s3_store_new(&options, "p", &present, NULL), 0);
    secret_dispose(&secret);
    rig->r = version_store_new(present, AS_OF_MS, &rig->store, &rig->err);
}

static void rig_dispose(struct rig *rig)
{
    assert_int_equal(rig->fake.replied_count, rig->fake.reply_count);
    object_store_free(rig->store);
    fake_transport_dispose(&rig->fake);
}

static int note(void *context, const char *key, const struct object_info *info, struct err *err)
{
    (void)err;
    buf_addf(context, "%s=%d ", key, info == NULL ? -1 : (int)info->size);
    return 0;
}

static void shows_what_there_was(void **state)
{
    const struct fake_reply replies[] = { ENABLED, FAKE_REPLY(200, NULL, versions) };
    struct object_info info = { 0, 0 };
    struct buf seen = BUF_INIT(200);
    struct rig rig;

    (void)state;
    rig_init(&rig, replies, 2);
    assert_int_equal(rig.r, 0);
    assert_int_equal(object_list(rig.store, "db/m/", NULL, note, &seen, NULL), 0);
    assert_string_equal(seen.ptr, "db/m/1=3 db/m/2=3 db/m/5=3 ");
    assert_non_null(strstr(rig.fake.requests[1].url.ptr, "prefix=p%2Fdb%2Fm%2F"));
    buf_clear(&seen);
    assert_int_equal(object_list(rig.store, "db/m/2", "db/m/1", note, &seen, NULL), 0);
    assert_string_equal(seen.ptr, "db/m/2=3 ");
    assert_int_equal(object_head(rig.store, "db/m/1", &info, NULL), 0);
    assert_int_equal(info.modified_ms, AS_OF_MS);
    assert_int_equal(object_head(rig.store, "db/m/3", &info, NULL), ERR_NOT_FOUND);
    assert_int_equal(object_head(rig.store, "db/m/4", &info, &rig.err), ERR_NOT_FOUND);
    assert_non_null(strstr(rig.err.msg, "was not there at"));
    assert_int_equal(object_head(rig.store, "db/m/6", &info, NULL), ERR_NOT_FOUND);
    buf_dispose(&seen);
    rig_dispose(&rig);
}

static void reads_the_version_of_then(void **state)
{
    static const struct {
        const char *key, *url;
    } rows[] = { { "db/m/1", "http://s3.test/bucket/p/db/m/1?versionId=1b" },
                 { "db/m/2", "http://s3.test/bucket/p/db/m/2?versionId=2a" },
                 { "db/m/5", "http://s3.test/bucket/p/db/m/5?versionId=5c" } };
    const struct fake_reply replies[] = { ENABLED, FAKE_REPLY(200, NULL, versions),
                                          FAKE_REPLY(200, "Content-Length: 3", "abc"),
                                          FAKE_REPLY(200, "Content-Length: 3", "abc"),
                                          FAKE_REPLY(200, "Content-Length: 3", "abc") };
    struct rig rig;

    (void)state;
    rig_init(&rig, replies, 5);
    for (size_t i = 0; i < 3; i++) {
        struct buf text = BUF_INIT(10);
        struct io_sink *sink = NULL;

        assert_int_equal(buf_sink_new(&text, &sink, NULL), 0);
        assert_int_equal(object_get(rig.store, rows[i].key, 0, OBJECT_TO_END, sink, NULL, NULL), 0);
        assert_string_equal(text.ptr, "abc");
        assert_string_equal(rig.fake.requests[2 + i].url.ptr, rows[i].url);
        io_sink_free(sink);
        buf_dispose(&text);
    }
    rig_dispose(&rig);
}

static void folders_are_those_of_then(void **state)
{
    const struct fake_reply replies[] = {
        ENABLED,
        FAKE_REPLY(200, NULL,
                   "<ListVersionsResult>" VERSION("a/1", "1", "07:00:00")
                       VERSION("a/2", "1", "07:00:00") VERSION("b/1", "1", "08:00:00")
                           VERSION("c/x/1", "1", "07:00:00") MARKER("d/1", "2", "07:01:00")
                               VERSION("d/1", "1", "07:00:00") "</ListVersionsResult>"),
    };
    struct buf seen = BUF_INIT(200);
    struct rig rig;

    (void)state;
    rig_init(&rig, replies, 2);
    assert_int_equal(object_list_prefixes(rig.store, "", note, &seen, NULL), 0);
    assert_string_equal(seen.ptr, "a/=-1 c/=-1 ");
    buf_clear(&seen);
    assert_int_equal(object_list(rig.store, "c/x/", NULL, note, &seen, NULL), 0);
    assert_string_equal(seen.ptr, "c/x/1=3 ");
    buf_dispose(&seen);
    rig_dispose(&rig);
}

static void nothing_is_written(void **state)
{
    const struct fake_reply replies[] = { ENABLED };
    const char *keys[] = { "a" };
    struct object_upload *upload = NULL;
    int64_t until_ms;
    size_t count;
    struct rig rig;

    (void)state;
    rig_init(&rig, replies, 1);
    assert_int_equal(object_put_bytes(rig.store, "a", "", 0, OBJECT_PUT_PLAIN, NULL), ERR_REFUSED);
    assert_int_equal(object_delete(rig.store, keys, 1, NULL), ERR_REFUSED);
    assert_int_equal(object_upload_new(rig.store, "a", 1, &upload, NULL), ERR_REFUSED);
    assert_int_equal(object_abort_uploads(rig.store, "a/", 1, false, &count, NULL), ERR_REFUSED);
    assert_int_equal(object_lock(rig.store, "a", &until_ms, NULL), ERR_REFUSED);
    assert_non_null(s3_store_client(version_store_present(rig.store)));
    rig_dispose(&rig);
}

static void only_a_versioned_bucket_will_do(void **state)
{
    static const struct {
        struct fake_reply reply;
        int code;
    } rows[] = {
        { FAKE_REPLY(200, NULL, "<VersioningConfiguration/>"), ERR_UNSUPPORTED },
        { FAKE_REPLY(501, NULL, "<Error><Code>NotImplemented</Code></Error>"), ERR_UNSUPPORTED },
        { FAKE_REPLY(403, NULL, "<Error><Code>AccessDenied</Code></Error>"), 0 },
        { FAKE_REPLY(404, NULL, "<Error><Code>NoSuchBucket</Code></Error>"), ERR_NOT_FOUND },
    };
    struct object_store *store = NULL;
    char *dir = temp_dir_new();

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct rig rig;

        rig_init(&rig, &rows[i].reply, 1);
        assert_int_equal(rig.r, rows[i].code);
        rig_dispose(&rig);
    }
    assert_int_equal(dir_store_new(dir, &store, NULL), 0);
    assert_ptr_equal(version_store_present(store), store);
    assert_int_equal(version_store_new(store, AS_OF_MS, &store, NULL), ERR_UNSUPPORTED);
    temp_dir_free(dir);
}

/* A folder whose listing fails is not taken for an empty one. */
static void a_failure_is_not_remembered(void **state)
{
    const struct fake_reply replies[] = { ENABLED, FAKE_REPLY(200, NULL, versions) };
    struct buf seen = BUF_INIT(200);
    struct rig rig;

    (void)state;
    rig_init(&rig, replies, 2);
    rig.fake.fault_at = 2;
    rig.fake.fault_code = ERR_DENIED;
    assert_int_equal(object_list(rig.store, "db/m/", NULL, note, &seen, NULL), ERR_DENIED);
    assert_int_equal(seen.len, 0);
    assert_int_equal(object_list(rig.store, "db/m/", NULL, note, &seen, NULL), 0);
    assert_string_equal(seen.ptr, "db/m/1=3 db/m/2=3 db/m/5=3 ");
    buf_dispose(&seen);
    rig_dispose(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shows_what_there_was),
        cmocka_unit_test(reads_the_version_of_then),
        cmocka_unit_test(folders_are_those_of_then),
        cmocka_unit_test(nothing_is_written),
        cmocka_unit_test(only_a_versioned_bucket_will_do),
        cmocka_unit_test(a_failure_is_not_remembered),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Goal: every version and every delete marker is reported once, in the server's order, over all
 * pages; a listing that cannot end does not go on for ever; a version is read by its id. */
#include "s3/versions.h"

#include <string.h>

#include "base/buf.h"
#include "base/io.h"
#include "tests/harness/s3_rig.h"
#include "tests/harness/test.h"

#define PAGE(inner) "<ListVersionsResult>" inner "</ListVersionsResult>"
#define AT          "<LastModified>2026-11-23T07:05:28.000Z</LastModified>"
#define VERSION(key, id, latest)                                                                   \
    "<Version><Key>" key "</Key><VersionId>" id "</VersionId><IsLatest>" latest "</IsLatest>" AT   \
    "<Size>5</Size></Version>"
#define MARKER(key, id)                                                                            \
    "<DeleteMarker><Key>" key "</Key><VersionId>" id "</VersionId><IsLatest>true</IsLatest>" AT    \
    "</DeleteMarker>"
#define MORE(key, id)                                                                              \
    "<IsTruncated>true</IsTruncated><NextKeyMarker>" key                                           \
    "</NextKeyMarker><NextVersionIdMarker>" id "</NextVersionIdMarker>"

static int collect(void *context, const struct s3_object_version *version, struct err *err)
{
    (void)err;
    assert_int_equal(version->info->modified_ms, S3_RIG_NOW_MS);
    assert_int_equal(version->info->size, version->is_delete_marker ? 0 : 5);
    buf_addf(context, "%s%s=%s%s;", version->is_delete_marker ? "-" : "", version->key,
             version->version_id, version->is_latest ? "!" : "");
    return 0;
}

static int stop(void *context, const struct s3_object_version *version, struct err *err)
{
    (void)context;
    return err_set(err, ERR_REFUSED, "enough at '%s'", version->key);
}

static void follows_pages_by_both_markers(void **state)
{
    static const struct fake_reply replies[] = {
        FAKE_REPLY(200, NULL,
                   PAGE(VERSION("p/a", "1", "true") MARKER("p/b", "3") MORE("p/b", "3"))),
        FAKE_REPLY(500, NULL, NULL),
        FAKE_REPLY(
            200, NULL,
            PAGE(VERSION("p/b", "2", "false") VERSION("p/c", "null", "true") MORE("p/c", ""))),
        FAKE_REPLY(200, NULL, PAGE("<IsTruncated>false</IsTruncated>")),
    };
    struct buf seen = BUF_INIT(200);
    struct s3_rig rig;

    (void)state;
    S3_RIG_INIT(&rig, replies);
    assert_int_equal(s3_list_object_versions(rig.client, "p/", collect, &seen, &rig.err), 0);
    assert_string_equal(seen.ptr, "p/a=1!;-p/b=3!;p/b=2;p/c=null!;");
    s3_rig_check(&rig, 0, HTTP_GET, "?max-keys=1000&prefix=p%2F&versions=");
    s3_rig_check(&rig, 2, HTTP_GET,
                 "?key-marker=p%2Fb&max-keys=1000&prefix=p%2F&version-id-marker=3&versions=");
    s3_rig_check(&rig, 3, HTTP_GET, "?key-marker=p%2Fc&max-keys=1000&prefix=p%2F&versions=");
    buf_dispose(&seen);
    s3_rig_dispose(&rig);
}

static void ends_by_itself(void **state)
{
    static const struct fake_reply replies[] = {
        FAKE_REPLY(200, NULL, PAGE(MORE("p/b", "3"))),
        FAKE_REPLY(200, NULL, PAGE(MORE("p/b", "3"))),
        FAKE_REPLY(200, NULL, PAGE("<IsTruncated>true</IsTruncated>")),
        FAKE_REPLY(200, NULL, PAGE("<Version><Key>k</Key>" AT "<Size>5</Size></Version>")),
        FAKE_REPLY(200, NULL, PAGE(VERSION("p/a", "1", "true") MORE("p/a", "1"))),
    };
    static const int codes[] = { ERR_PROTOCOL, ERR_PROTOCOL, ERR_PROTOCOL, ERR_REFUSED };
    struct s3_rig rig;

    (void)state;
    S3_RIG_INIT(&rig, replies);
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
        assert_int_equal(s3_list_object_versions(rig.client, "p/", stop, NULL, &rig.err), codes[i]);
    assert_string_equal(rig.err.msg, "enough at 'p/a'");
    s3_rig_dispose(&rig);
}

static void nothing_is_reported_twice_whichever_request_fails(void **state)
{
    static const struct fake_reply replies[] = {
        FAKE_REPLY(200, NULL, PAGE(VERSION("a", "1", "true") MORE("a", "1"))),
        FAKE_REPLY(200, NULL, PAGE(VERSION("b", "1", "true"))),
    };
    int r;

    (void)state;
    for (size_t n = 1;; n++) {
        struct buf seen = BUF_INIT(100);
        struct s3_rig rig;

        S3_RIG_INIT(&rig, replies);
        rig.fake.fault_at = n;
        rig.fake.fault_code = ERR_DENIED;
        r = s3_list_object_versions(rig.client, "", collect, &seen, &rig.err);
        assert_string_equal(seen.ptr == NULL ? "" : seen.ptr, n == 1   ? ""
                                                              : n == 2 ? "a=1!;"
                                                                       : "a=1!;b=1!;");
        assert_int_equal(r, n > 2 ? 0 : ERR_DENIED);
        buf_dispose(&seen);
        s3_rig_dispose_early(&rig);
        if (r == 0)
            break;
    }
}

static void a_version_is_read_by_its_id_and_resumed_by_it(void **state)
{
    static const struct fake_reply replies[] = {
        FAKE_REPLY(200, "ETag: \"e\"\nContent-Length: 5\n", "he"),
        FAKE_REPLY(206, "ETag: \"e\"\nContent-Range: bytes 2-4/5", "llo"),
        FAKE_REPLY(200, "Content-Length: 5", NULL),
    };
    static const struct s3_version_range whole = { "k", "a+/=", 0, S3_TO_END };
    static const struct s3_version_range nothing = { "k", "v", 3, 0 };
    struct s3_object_info info;
    struct buf text = BUF_INIT(10);
    struct io_sink *sink = NULL;
    struct s3_rig rig;

    (void)state;
    S3_RIG_INIT(&rig, replies);
    assert_int_equal(buf_sink_new(&text, &sink, NULL), 0);
    assert_int_equal(s3_get_object_version(rig.client, &whole, sink, &info, &rig.err), 0);
    assert_string_equal(text.ptr, "hello");
    s3_rig_check(&rig, 0, HTTP_GET, "/k?versionId=a%2B%2F%3D");
    s3_rig_check(&rig, 1, HTTP_GET, "/k?versionId=a%2B%2F%3D");
    assert_int_equal(s3_get_object_version(rig.client, &nothing, sink, &info, &rig.err), 0);
    s3_rig_check(&rig, 2, HTTP_HEAD, "/k?versionId=v");
    assert_int_equal(info.size, 5);
    io_sink_free(sink);
    buf_dispose(&text);
    s3_rig_dispose(&rig);
}

static void tells_whether_versions_are_kept(void **state)
{
    static const struct fake_reply replies[] = {
        FAKE_REPLY(200, NULL, "<VersioningConfiguration/>"),
        FAKE_REPLY(200, NULL,
                   "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"),
        FAKE_REPLY(200, NULL,
                   "<VersioningConfiguration><Status>Suspended</Status></VersioningConfiguration>"),
    };
    static const enum s3_versioning expected[] = { S3_VERSIONING_NONE, S3_VERSIONING_ENABLED,
                                                   S3_VERSIONING_SUSPENDED };
    struct s3_rig rig;

    (void)state;
    S3_RIG_INIT(&rig, replies);
    for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
        enum s3_versioning versioning = S3_VERSIONING_NONE;

        assert_int_equal(s3_get_bucket_versioning(rig.client, &versioning, &rig.err), 0);
        assert_int_equal(versioning, expected[i]);
    }
    s3_rig_check(&rig, 0, HTTP_GET, "?versioning=");
    s3_rig_dispose(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(follows_pages_by_both_markers),
        cmocka_unit_test(ends_by_itself),
        cmocka_unit_test(nothing_is_reported_twice_whichever_request_fails),
        cmocka_unit_test(a_version_is_read_by_its_id_and_resumed_by_it),
        cmocka_unit_test(tells_whether_versions_are_kept),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

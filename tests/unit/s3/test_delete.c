/* Goal: many objects go in few requests; each failure is named; a server without DeleteObjects is
 * served one by one. */
#include "tests/harness/test.h"

#include <stdio.h>
#include <string.h>

#include "tests/harness/s3_rig.h"

#define RESULT(inner) "<DeleteResult>" inner "</DeleteResult>"

static const char *const three[] = { "a", "b<&>\"c", "d" };

static void deletes_a_batch_with_content_md5(void **state)
{
    static const struct fake_reply replies[] = { FAKE_REPLY(200, NULL, RESULT("")) };
    struct s3_rig rig;

    (void)state;
    S3_RIG_INIT(&rig, replies);
    assert_int_equal(s3_delete_objects(rig.client, three, 3, &rig.err), 0);
    s3_rig_check(&rig, 0, HTTP_POST, "?delete=");
    assert_string_equal(rig.fake.requests[0].body.ptr,
                        "<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
                        "<Quiet>true</Quiet><Object><Key>a</Key></Object>"
                        "<Object><Key>b&lt;&amp;&gt;&quot;c</Key></Object>"
                        "<Object><Key>d</Key></Object></Delete>");
    /* openssl md5 -binary | base64 */
    assert_string_equal(fake_request_header(&rig.fake, 0, "Content-MD5"),
                        "bK9tYQfNAgEHASR/syNIUA==");
    s3_rig_dispose(&rig);
}

static void one_key_needs_no_document(void **state)
{
    static const struct fake_reply replies[] = { FAKE_REPLY(204, NULL, NULL) };
    struct s3_rig rig;

    (void)state;
    S3_RIG_INIT(&rig, replies);
    assert_int_equal(s3_delete_objects(rig.client, three, 1, &rig.err), 0);
    s3_rig_check(&rig, 0, HTTP_DELETE, "/a");
    s3_rig_dispose(&rig);
}

static void no_key_is_no_request(void **state)
{
    struct s3_rig rig;

    (void)state;
    s3_rig_init(&rig, NULL, 0);
    assert_int_equal(s3_delete_objects(rig.client, NULL, 0, &rig.err), 0);
    s3_rig_dispose(&rig);
}

static void sends_five_hundred_at_a_time_and_stops_at_a_failure(void **state)
{
    static const struct fake_reply replies[] = {
        FAKE_REPLY(200, NULL, RESULT("")),
        FAKE_REPLY(200, NULL, RESULT("<Error><Key>k700</Key><Code>AccessDenied</Code></Error>")),
    };
    static char names[1200][8];
    const char *keys[1200];
    struct s3_rig rig;

    (void)state;
    for (int i = 0; i < 1200; i++) {
        (void)snprintf(names[i], sizeof(names[i]), "k%d", i);
        keys[i] = names[i];
    }
    S3_RIG_INIT(&rig, replies);
    assert_int_equal(s3_delete_objects(rig.client, keys, 1200, &rig.err), ERR_DENIED);
    assert_non_null(strstr(rig.err.msg, "'k700'"));
    assert_string_equal(rig.err.s3_code, "AccessDenied");
    assert_non_null(strstr(rig.fake.requests[0].body.ptr, "<Key>k499</Key>"));
    assert_null(strstr(rig.fake.requests[0].body.ptr, "<Key>k500</Key>"));
    s3_rig_dispose(&rig);
}

static void what_was_not_there_is_deleted_too(void **state)
{
    static const struct fake_reply replies[] = { FAKE_REPLY(
        200, NULL, RESULT("<Error><Key>a</Key><Code>NoSuchKey</Code></Error>")) };
    struct s3_rig rig;

    (void)state;
    S3_RIG_INIT(&rig, replies);
    assert_int_equal(s3_delete_objects(rig.client, three, 3, &rig.err), 0);
    s3_rig_dispose(&rig);
}

static void falls_back_to_single_deletes(void **state)
{
    static const struct fake_reply firsts[] = {
        FAKE_REPLY(501, NULL, S3_ERROR("NotImplemented")),
        FAKE_REPLY(405, NULL, S3_ERROR("MethodNotAllowed")),
        FAKE_REPLY(400, NULL, S3_ERROR("MissingContentMD5")),
        FAKE_REPLY(200, NULL, "surprise"),
    };

    (void)state;
    for (size_t i = 0; i < sizeof(firsts) / sizeof(firsts[0]); i++) {
        const struct fake_reply replies[] = { firsts[i], FAKE_REPLY(204, NULL, NULL),
                                              FAKE_REPLY(204, NULL, NULL),
                                              FAKE_REPLY(204, NULL, NULL) };
        struct s3_rig rig;

        S3_RIG_INIT(&rig, replies);
        assert_int_equal(s3_delete_objects(rig.client, three, 3, &rig.err), 0);
        s3_rig_check(&rig, 2, HTTP_DELETE, "/b%3C%26%3E%22c");
        s3_rig_dispose(&rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(deletes_a_batch_with_content_md5),
        cmocka_unit_test(one_key_needs_no_document),
        cmocka_unit_test(no_key_is_no_request),
        cmocka_unit_test(sends_five_hundred_at_a_time_and_stops_at_a_failure),
        cmocka_unit_test(what_was_not_there_is_deleted_too),
        cmocka_unit_test(falls_back_to_single_deletes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Goal: a large object becomes visible whole or not at all, an answer that was lost is settled by
 * looking, and what failed is aborted. */
#include "tests/harness/test.h"

#include <string.h>

#include "base/io.h"
#include "tests/harness/s3_rig.h"

#define CREATED                                                                                    \
    FAKE_REPLY(200, NULL,                                                                          \
               "<InitiateMultipartUploadResult><UploadId>I/+D</UploadId>"                          \
               "</InitiateMultipartUploadResult>")
#define PART(etag)   FAKE_REPLY(200, "ETag: " etag, NULL)
#define COMPLETE_XML "<CompleteMultipartUploadResult><ETag></ETag></CompleteMultipartUploadResult>"
#define COMPLETED    FAKE_REPLY(200, NULL, "\n \n" COMPLETE_XML)
#define GONE         FAKE_REPLY(404, NULL, S3_ERROR("NoSuchUpload"))
#define IS_THERE(n)  FAKE_REPLY(200, "Content-Length: " n, NULL)

static struct s3_upload *begin(struct s3_rig *rig)
{
    struct s3_upload *upload = NULL;

    assert_int_equal(s3_create_multipart_upload(rig->client, "k y", &upload, &rig->err), 0);
    return upload;
}

static int send_part(struct s3_rig *rig, struct s3_upload *upload, unsigned number,
                     const char *text)
{
    struct io_source *body;
    int r;

    assert_int_equal(memory_source_new(text, strlen(text), &body, NULL), 0);
    r = s3_upload_part(upload, number, body, &rig->err);
    io_source_free(body);
    return r;
}

static void sends_parts_in_any_order_and_completes_them_in_theirs(void **state)
{
    static const struct fake_reply replies[] = { CREATED, PART("\"two\""), PART("\"one\""),
                                                 PART("\"two again\""), COMPLETED };
    struct s3_upload *upload;
    struct s3_rig rig;

    (void)state;
    S3_RIG_INIT(&rig, replies);
    upload = begin(&rig);
    s3_rig_check(&rig, 0, HTTP_POST, "/k%20y?uploads=");
    assert_int_equal(send_part(&rig, upload, 2, "world"), 0);
    s3_rig_check(&rig, 1, HTTP_PUT, "/k%20y?partNumber=2&uploadId=I%2F%2BD");
    assert_int_equal(send_part(&rig, upload, 1, "hello"), 0);
    assert_int_equal(send_part(&rig, upload, 2, "world"), 0);
    assert_int_equal(s3_complete_multipart_upload(upload, 2, &rig.err), 0);
    s3_rig_check(&rig, 4, HTTP_POST, "/k%20y?uploadId=I%2F%2BD");
    assert_string_equal(
        rig.fake.requests[4].body.ptr,
        "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
        "<Part><PartNumber>1</PartNumber><ETag>&quot;one&quot;</ETag></Part>"
        "<Part><PartNumber>2</PartNumber><ETag>&quot;two again&quot;</ETag></Part>"
        "</CompleteMultipartUpload>");
    assert_null(fake_request_header(&rig.fake, 4, "If-None-Match"));
    assert_true(rig.fake.requests[4].answer_timeout_ms >= 300000);
    s3_abort_multipart_upload(upload); /* a no-op now */
    s3_upload_free(upload);
    s3_rig_dispose(&rig);
}

static void a_part_without_an_etag_is_an_error(void **state)
{
    static const struct fake_reply replies[] = { CREATED, FAKE_REPLY(200, NULL, NULL) };
    struct s3_upload *upload;
    struct s3_rig rig;

    (void)state;
    S3_RIG_INIT(&rig, replies);
    upload = begin(&rig);
    assert_int_equal(send_part(&rig, upload, 1, "x"), ERR_PROTOCOL);
    assert_string_equal(rig.err.msg, "upload part 1 of 'k y': the answer has no ETag");
    s3_upload_free(upload);
    s3_rig_dispose(&rig);
}

static void an_upload_without_an_id_is_an_error(void **state)
{
    static const struct fake_reply replies[] = {
        FAKE_REPLY(200, NULL, "<InitiateMultipartUploadResult/>"),
        FAKE_REPLY(200, NULL, "nonsense"),
    };
    struct s3_upload *upload = NULL;
    struct s3_rig rig;

    (void)state;
    S3_RIG_INIT(&rig, replies);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(s3_create_multipart_upload(rig.client, "k", &upload, &rig.err),
                         ERR_PROTOCOL);
    }
    assert_null(upload);
    s3_rig_dispose(&rig);
}

/* How completing goes, after one part of five bytes. */
struct ending {
    const char *name;
    struct fake_reply replies[4];
    size_t reply_count;
    int code;
};

static const struct ending endings[] = {
    { "an error under status 200 is tried again",
      { FAKE_REPLY(200, NULL, S3_ERROR("InternalError")), COMPLETED },
      2,
      0 },
    { "an error under status 200 that no retry mends",
      { FAKE_REPLY(200, NULL, S3_ERROR("InvalidPart")) },
      1,
      ERR_PROTOCOL },
    { "the lost answer of a success", { { .code = ERR_NET }, GONE, IS_THERE("5") }, 3, 0 },
    { "an upload that is gone, and an object of another size",
      { { .code = ERR_TIMEOUT }, GONE, IS_THERE("4") },
      3,
      ERR_NOT_FOUND },
    { "an upload that is gone, and no object",
      { { .code = ERR_NET }, GONE, FAKE_REPLY(404, NULL, NULL) },
      3,
      ERR_NOT_FOUND },
    { "the same, and libcurl had sent it again by itself", { GONE, IS_THERE("5") }, 2, 0 },
    { "an upload that never was", { GONE, FAKE_REPLY(404, NULL, NULL) }, 2, ERR_NOT_FOUND },
    { "a success without a document, and the object is there",
      { FAKE_REPLY(200, NULL, NULL), IS_THERE("5") },
      2,
      0 },
    { "a success with half a document, and no object",
      { FAKE_REPLY(200, NULL, "<CompleteMultipart"), FAKE_REPLY(404, NULL, NULL) },
      2,
      ERR_PROTOCOL },
};

static void check_ending(const struct ending *ending)
{
    struct fake_reply replies[6] = { CREATED, PART("\"e\"") };
    struct s3_upload *upload;
    struct s3_rig rig;
    int r;

    memcpy(replies + 2, ending->replies, sizeof(ending->replies));
    s3_rig_init(&rig, replies, 2 + ending->reply_count);
    upload = begin(&rig);
    assert_int_equal(send_part(&rig, upload, 1, "hello"), 0);
    r = s3_complete_multipart_upload(upload, 1, &rig.err);
    if (r != ending->code)
        fail_msg("%s: %d %s", ending->name, r, rig.err.msg);
    s3_upload_free(upload);
    s3_rig_dispose(&rig);
}

static void settles_each_way_that_completing_can_end(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++)
        check_ending(&endings[i]);
}

static void aborts_even_after_a_cancel(void **state)
{
    static const struct fake_reply replies[] = { CREATED, FAKE_REPLY(500, NULL, NULL),
                                                 FAKE_REPLY(204, NULL, NULL) };
    struct s3_upload *upload;
    struct s3_rig rig;

    (void)state;
    S3_RIG_INIT(&rig, replies);
    upload = begin(&rig);
    cancel_set(&rig.cancel, 15);
    assert_int_equal(send_part(&rig, upload, 1, "x"), ERR_CANCELED);
    s3_abort_multipart_upload(upload);
    s3_rig_check(&rig, 2, HTTP_DELETE, "/k%20y?uploadId=I%2F%2BD");
    assert_null(rig.fake.requests[2].cancel);
    s3_abort_multipart_upload(upload); /* once is enough */
    s3_upload_free(upload);
    s3_rig_dispose(&rig);
}

static void an_abort_that_fails_is_said_in_the_log(void **state)
{
    static const struct fake_reply replies[] = { CREATED,
                                                 FAKE_REPLY(403, NULL, S3_ERROR("AccessDenied")),
                                                 CREATED, GONE };
    struct s3_upload *upload;
    struct s3_rig rig;

    (void)state;
    S3_RIG_INIT(&rig, replies);
    upload = begin(&rig);
    s3_abort_multipart_upload(upload);
    assert_non_null(strstr(rig.warnings, "'k y'"));
    assert_non_null(strstr(rig.warnings, "AccessDenied"));
    s3_upload_free(upload);
    rig.warnings[0] = '\0';
    upload = begin(&rig);
    s3_abort_multipart_upload(upload); /* it was gone already: nothing to say */
    assert_string_equal(rig.warnings, "");
    s3_upload_free(upload);
    s3_rig_dispose(&rig);
}

/* A fault that no retry mends, at each request in turn: never half an object, always an abort. */
static void whichever_request_fails_nothing_is_left(void **state)
{
    static const struct fake_reply replies[] = { CREATED, PART("\"1\""), PART("\"2\""), COMPLETED,
                                                 FAKE_REPLY(204, NULL, NULL) };
    bool done = false;

    (void)state;
    for (size_t at = 1; !done; at++) {
        struct s3_upload *upload = NULL;
        struct s3_rig rig;
        int r;

        S3_RIG_INIT(&rig, replies);
        rig.fake.fault_at = at;
        rig.fake.fault_code = ERR_DENIED;
        r = s3_create_multipart_upload(rig.client, "k y", &upload, &rig.err);
        if (r == 0)
            r = send_part(&rig, upload, 1, "hello");
        if (r == 0)
            r = send_part(&rig, upload, 2, "world");
        if (r == 0)
            r = s3_complete_multipart_upload(upload, 2, &rig.err);
        done = r == 0;
        assert_int_equal(r, done ? 0 : ERR_DENIED);
        assert_int_equal(done, at == 5);
        if (!done && upload != NULL) {
            rig.fake.replied_count = 4;
            s3_abort_multipart_upload(upload);
            s3_rig_check(&rig, rig.fake.request_count - 1, HTTP_DELETE, "/k%20y?uploadId=I%2F%2BD");
        }
        s3_upload_free(upload);
        s3_rig_dispose_early(&rig);
    }
}

static void chooses_part_sizes(void **state)
{
    static const struct {
        uint64_t object_size, wanted, expected; /* in MiB */
    } cases[] = {
        { 0, 0, 5 },     { 1, 8, 8 },        { 45000, 0, 5 },
        { 45001, 0, 6 }, { 144000, 16, 16 }, { 46080000, 0, 5120 },
    };
    uint64_t size = 7;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(
            s3_part_size_choose(cases[i].object_size << 20, cases[i].wanted << 20, &size, NULL), 0);
        assert_int_equal(size, cases[i].expected << 20);
        assert_true(size * 9000 >= cases[i].object_size << 20);
    }
    assert_int_equal(s3_part_size_choose(0, (UINT64_C(6) << 20) + 1, &size, NULL), 0);
    assert_int_equal(size, UINT64_C(7) << 20); /* whole MiB */
    size = 7;
    assert_int_equal(s3_part_size_choose(UINT64_MAX, 0, &size, NULL), ERR_LIMIT);
    assert_int_equal(s3_part_size_choose(1, S3_PART_SIZE_MAX + 1, &size, NULL), ERR_LIMIT);
    assert_int_equal(size, 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sends_parts_in_any_order_and_completes_them_in_theirs),
        cmocka_unit_test(a_part_without_an_etag_is_an_error),
        cmocka_unit_test(an_upload_without_an_id_is_an_error),
        cmocka_unit_test(settles_each_way_that_completing_can_end),
        cmocka_unit_test(aborts_even_after_a_cancel),
        cmocka_unit_test(an_abort_that_fails_is_said_in_the_log),
        cmocka_unit_test(whichever_request_fails_nothing_is_left),
        cmocka_unit_test(chooses_part_sizes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

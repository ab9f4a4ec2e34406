/* Goal: an object goes up as it is and comes down whole, each byte once, however often the
 * connection breaks; anything that is not what was asked for is refused. */
#include "tests/harness/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "tests/harness/s3_rig.h"

#define ETAG "ETag: \"e\"\n"

static int put(struct s3_rig *rig, const char *key, const char *text, bool if_absent)
{
    struct io_source *body;
    int r;

    assert_int_equal(memory_source_new(text, strlen(text), &body, NULL), 0);
    r = s3_put_object(rig->client, key, body, if_absent, &rig->err);
    io_source_free(body);
    return r;
}

/* Get into *text, which is made empty first. */
static int get(struct s3_rig *rig, uint64_t offset, uint64_t len, struct buf *text,
               struct s3_object_info *ret_info)
{
    struct io_sink *sink;
    int r;

    buf_clear(text);
    assert_int_equal(buf_sink_new(text, &sink, NULL), 0);
    r = s3_get_object(rig->client, "k", offset, len, sink, ret_info, &rig->err);
    io_sink_free(sink);
    return r;
}

static void puts_with_a_signed_payload(void **state)
{
    static const struct fake_reply replies[] = { FAKE_REPLY(200, ETAG, NULL) };
    struct s3_rig rig;

    (void)state;
    S3_RIG_INIT(&rig, replies);
    assert_int_equal(put(&rig, "a/b", "Welcome to Amazon S3.", false), 0);
    s3_rig_check(&rig, 0, HTTP_PUT, "/a/b");
    assert_string_equal(rig.fake.requests[0].body.ptr, "Welcome to Amazon S3.");
    assert_string_equal(fake_request_header(&rig.fake, 0, "x-amz-content-sha256"),
                        "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072");
    assert_null(fake_request_header(&rig.fake, 0, "If-None-Match"));
    s3_rig_dispose(&rig);
}

static void a_page_instead_of_an_answer_is_no_success(void **state)
{
    static const struct fake_reply pages[] = {
        FAKE_REPLY(200, NULL, "<html>Please log in.</html>"),
        FAKE_REPLY(200, "Content-Type: text/html; charset=utf-8\n" ETAG, "<html></html>"),
        { .status = 200, .headers = NULL, .body = NULL }, /* nor is nothing at all */
    };
    static const struct fake_reply talkative[] = { FAKE_REPLY(200, ETAG, "<Stored/>") };
    struct s3_rig rig;

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        const struct fake_reply replies[] = { pages[i] };

        S3_RIG_INIT(&rig, replies);
        assert_int_equal(put(&rig, "k", "hello", false), ERR_PROTOCOL);
        assert_true(rig.err.hint[0] != '\0');
        s3_rig_dispose(&rig);
    }
    S3_RIG_INIT(&rig, talkative); /* a server that says more than it must */
    assert_int_equal(put(&rig, "k", "hello", false), 0);
    s3_rig_dispose(&rig);
}

static void a_page_is_neither_an_object_nor_a_deletion(void **state)
{
    static const struct fake_reply replies[] = {
        FAKE_REPLY(200, "Content-Type: text/html\nContent-Length: 13\n" ETAG, "<html></html>"),
        FAKE_REPLY(200, "Content-Type: text/html\nContent-Length: 13\n", NULL),
        FAKE_REPLY(200, NULL, "<html></html>"),
    };
    struct buf text = BUF_INIT(100);
    struct s3_object_info info;
    struct s3_rig rig;

    (void)state;
    S3_RIG_INIT(&rig, replies);
    assert_int_equal(get(&rig, 0, S3_TO_END, &text, NULL), ERR_PROTOCOL);
    assert_true(rig.err.hint[0] != '\0');
    assert_int_equal(text.len, 0);
    assert_int_equal(s3_head_object(rig.client, "k", &info, &rig.err), ERR_PROTOCOL);
    assert_int_equal(s3_delete_object(rig.client, "k", &rig.err), ERR_PROTOCOL);
    s3_rig_dispose(&rig);
    buf_dispose(&text);
}

static void an_error_under_the_status_of_a_success_is_tried_again(void **state)
{
    static const struct fake_reply replies[] = {
        FAKE_REPLY(200, "Content-Length: 70\n", S3_ERROR("InternalError")),
        FAKE_REPLY(200, "Content-Length: 39\n", "<Error><Code>SlowDown</Code></Error>"),
        FAKE_REPLY(200, "Content-Length: 5\n" ETAG, "hello"),
    };
    struct buf text = BUF_INIT(100);
    struct s3_rig rig;

    (void)state;
    S3_RIG_INIT(&rig, replies);
    assert_int_equal(get(&rig, 0, S3_TO_END, &text, NULL), 0);
    assert_string_equal(text.ptr, "hello");
    s3_rig_dispose(&rig);
    buf_dispose(&text);
}

/* The object is as it was: nobody is to believe that it is damaged. */
static void a_length_that_was_announced_wrongly_is_no_damage(void **state)
{
    static const struct fake_reply replies[] = {
        FAKE_REPLY(200, ETAG "Content-Length: 9\n", "hello"), FAKE_REPLY(416, NULL, NULL)
    };
    struct buf text = BUF_INIT(100);
    struct s3_rig rig;

    (void)state;
    S3_RIG_INIT(&rig, replies);
    assert_int_equal(get(&rig, 0, S3_TO_END, &text, NULL), ERR_PROTOCOL);
    assert_string_equal(fake_request_header(&rig.fake, 1, "Range"), "bytes=5-8");
    buf_dispose(&text);
    s3_rig_dispose(&rig);
}

static void sends_the_whole_body_again_at_each_attempt(void **state)
{
    static const struct fake_reply replies[] = { FAKE_REPLY(500, NULL, NULL),
                                                 { .code = ERR_NET },
                                                 FAKE_REPLY(200, ETAG, NULL) };
    struct s3_counters counters;
    struct s3_rig rig;

    (void)state;
    S3_RIG_INIT(&rig, replies);
    assert_int_equal(put(&rig, "k", "hello", false), 0);
    for (size_t i = 0; i < 3; i++)
        assert_string_equal(rig.fake.requests[i].body.ptr, "hello");
    s3_client_counters(rig.client, &counters);
    assert_int_equal(counters.put, 3);
    assert_int_equal(counters.retries, 2);
    assert_int_equal(counters.sent_bytes, 15);
    s3_rig_dispose(&rig);
}

static void creates_only_what_is_absent_and_tells_the_two_refusals_apart(void **state)
{
    static const struct fake_reply replies[] = {
        FAKE_REPLY(200, ETAG, NULL),
        FAKE_REPLY(412, NULL, S3_ERROR("PreconditionFailed")),
        FAKE_REPLY(501, NULL, S3_ERROR("NotImplemented")),
        FAKE_REPLY(409, NULL, S3_ERROR("ConditionalRequestConflict")), /* tried again */
        FAKE_REPLY(200, ETAG, NULL),
    };
    struct s3_rig rig;

    (void)state;
    S3_RIG_INIT(&rig, replies);
    assert_int_equal(put(&rig, "k", "x", true), 0);
    assert_string_equal(fake_request_header(&rig.fake, 0, "If-None-Match"), "*");
    assert_non_null(strstr(fake_request_header(&rig.fake, 0, "Authorization"), "if-none-match"));
    assert_int_equal(put(&rig, "k", "x", true), ERR_EXISTS);
    assert_int_equal(put(&rig, "k", "x", true), ERR_UNSUPPORTED);
    assert_int_equal(put(&rig, "k", "x", true), 0);
    s3_rig_dispose(&rig);
}

static void damaged_uploads_are_repeated_twice_only(void **state)
{
    static const struct fake_reply replies[] = { FAKE_REPLY(400, NULL, S3_ERROR("BadDigest")),
                                                 FAKE_REPLY(400, NULL, S3_ERROR("BadDigest")),
                                                 FAKE_REPLY(400, NULL, S3_ERROR("BadDigest")) };
    struct s3_rig rig;

    (void)state;
    S3_RIG_INIT(&rig, replies);
    assert_int_equal(put(&rig, "k", "x", false), ERR_SERVER);
    s3_rig_dispose(&rig);
}

static void gets_a_whole_object_and_what_it_is(void **state)
{
    static const struct fake_reply replies[] = { FAKE_REPLY(
        200, ETAG "Content-Length: 11\nLast-Modified: Mon, 23 Nov 2026 07:05:28 GMT",
        "hello world") };
    struct buf text = BUF_INIT(100);
    struct s3_object_info info;
    struct s3_rig rig;

    (void)state;
    S3_RIG_INIT(&rig, replies);
    assert_int_equal(get(&rig, 0, S3_TO_END, &text, &info), 0);
    assert_string_equal(text.ptr, "hello world");
    assert_int_equal(info.size, 11);
    assert_int_equal(info.modified_ms, S3_RIG_NOW_MS);
    assert_string_equal(info.etag, "\"e\"");
    assert_null(fake_request_header(&rig.fake, 0, "Range"));
    buf_dispose(&text);
    s3_rig_dispose(&rig);
}

static void gets_ranges(void **state)
{
    static const struct fake_reply replies[] = {
        FAKE_REPLY(206, ETAG "Content-Range: bytes 2-4/11", "llo"),
        FAKE_REPLY(206, ETAG "Content-Range: bytes 6-10/11", "world"),
    };
    struct buf text = BUF_INIT(100);
    struct s3_object_info info;
    struct s3_rig rig;

    (void)state;
    S3_RIG_INIT(&rig, replies);
    assert_int_equal(get(&rig, 2, 3, &text, &info), 0);
    assert_string_equal(text.ptr, "llo");
    assert_int_equal(info.size, 11); /* the object's, not the range's */
    assert_string_equal(fake_request_header(&rig.fake, 0, "Range"), "bytes=2-4");
    assert_int_equal(get(&rig, 6, S3_TO_END, &text, &info), 0);
    assert_string_equal(text.ptr, "world");
    assert_string_equal(fake_request_header(&rig.fake, 1, "Range"), "bytes=6-");
    buf_dispose(&text);
    s3_rig_dispose(&rig);
}

static void an_empty_object_and_an_empty_range_are_fine(void **state)
{
    static const struct fake_reply replies[] = { FAKE_REPLY(200, ETAG "Content-Length: 0", NULL),
                                                 FAKE_REPLY(200, ETAG "Content-Length: 7", NULL) };
    struct buf text = BUF_INIT(100);
    struct s3_object_info info;
    struct s3_rig rig;

    (void)state;
    S3_RIG_INIT(&rig, replies);
    assert_int_equal(get(&rig, 0, S3_TO_END, &text, &info), 0);
    assert_int_equal(text.len, 0);
    assert_int_equal(get(&rig, 3, 0, &text, &info), 0);
    assert_int_equal(text.len, 0);
    assert_int_equal(info.size, 7);
    buf_dispose(&text);
    s3_rig_dispose(&rig);
}

static void resumes_where_it_broke_guarded_by_the_etag(void **state)
{
    static const struct fake_reply replies[] = {
        { .status = 200, .headers = ETAG "Content-Length: 11", .body = "hello", .code = ERR_NET },
        { .code = ERR_TIMEOUT },
        FAKE_REPLY(206, ETAG "Content-Range: bytes 5-10/11", " world"),
    };
    struct buf text = BUF_INIT(100);
    struct s3_rig rig;

    (void)state;
    S3_RIG_INIT(&rig, replies);
    assert_int_equal(get(&rig, 0, S3_TO_END, &text, NULL), 0);
    assert_string_equal(text.ptr, "hello world");
    assert_string_equal(fake_request_header(&rig.fake, 2, "Range"), "bytes=5-10");
    assert_string_equal(fake_request_header(&rig.fake, 2, "If-Match"), "\"e\"");
    buf_dispose(&text);
    s3_rig_dispose(&rig);
}

static void takes_an_answer_that_ends_early_for_a_broken_one(void **state)
{
    static const struct fake_reply replies[] = {
        FAKE_REPLY(206, ETAG "Content-Range: bytes 2-6/11", "llo"), /* two bytes are missing */
        FAKE_REPLY(206, ETAG "Content-Range: bytes 5-6/11", " w"),
    };
    struct buf text = BUF_INIT(100);
    struct s3_rig rig;

    (void)state;
    S3_RIG_INIT(&rig, replies);
    assert_int_equal(get(&rig, 2, 5, &text, NULL), 0);
    assert_string_equal(text.ptr, "llo w");
    buf_dispose(&text);
    s3_rig_dispose(&rig);
}

static void what_breaks_after_the_last_byte_is_whole(void **state)
{
    static const struct fake_reply replies[] = {
        { .status = 200, .headers = "Content-Length: 5", .body = "hello", .code = ERR_NET },
    };
    struct buf text = BUF_INIT(100);
    struct s3_rig rig;

    (void)state;
    S3_RIG_INIT(&rig, replies);
    assert_int_equal(get(&rig, 0, S3_TO_END, &text, NULL), 0);
    assert_string_equal(text.ptr, "hello");
    buf_dispose(&text);
    s3_rig_dispose(&rig);
}

/* One byte an attempt, far more attempts than ten. */
static void progress_renews_the_budget(void **state)
{
    struct fake_reply replies[40];
    char headers[40][64], bytes[40][2];
    struct buf text = BUF_INIT(100);
    struct s3_rig rig;

    (void)state;
    for (int i = 0; i < 40; i++) {
        (void)snprintf(headers[i], sizeof(headers[i]), "Content-Range: bytes %d-39/40", i);
        bytes[i][0] = (char)('A' + i % 26);
        bytes[i][1] = '\0';
        replies[i] = (struct fake_reply){ 206, headers[i], bytes[i], ERR_NET };
    }
    S3_RIG_INIT(&rig, replies);
    assert_int_equal(get(&rig, 0, 40, &text, NULL), 0);
    assert_string_equal(text.ptr, "ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFGHIJKLMN");
    buf_dispose(&text);
    s3_rig_dispose(&rig);
}

static void without_progress_it_gives_up(void **state)
{
    struct fake_reply replies[11];
    struct buf text = BUF_INIT(100);
    struct s3_rig rig;

    (void)state;
    replies[0] = (struct fake_reply){ 200, "Content-Length: 5", "he", ERR_NET };
    for (size_t i = 1; i < 11; i++) /* the attempt that moved on counts as a failure, too */
        replies[i] = (struct fake_reply){ .code = ERR_NET };
    s3_rig_init(&rig, replies, 10);
    assert_int_equal(get(&rig, 0, S3_TO_END, &text, NULL), ERR_NET);
    assert_string_equal(text.ptr, "he");
    buf_dispose(&text);
    s3_rig_dispose(&rig);
}

static void refuses_an_object_that_changed_in_between(void **state)
{
    static const struct fake_reply second[] = {
        FAKE_REPLY(412, NULL, S3_ERROR("PreconditionFailed")),
        FAKE_REPLY(206, "ETag: \"other\"\nContent-Range: bytes 5-10/11", " w0rld"),
        FAKE_REPLY(206, ETAG "Content-Range: bytes 5-11/12", " world!"),
    };

    (void)state;
    for (size_t i = 0; i < sizeof(second) / sizeof(second[0]); i++) {
        const struct fake_reply replies[] = { { 200, ETAG "Content-Length: 11", "hello", ERR_NET },
                                              second[i] };
        struct buf text = BUF_INIT(100);
        struct s3_rig rig;

        S3_RIG_INIT(&rig, replies);
        assert_int_equal(get(&rig, 0, S3_TO_END, &text, NULL), ERR_CORRUPT);
        assert_string_equal(text.ptr, "hello");
        buf_dispose(&text);
        s3_rig_dispose(&rig);
    }
}

static void refuses_answers_to_another_question(void **state)
{
    static const struct {
        struct fake_reply reply;
        uint64_t offset, len;
        int code;
    } cases[] = {
        { FAKE_REPLY(200, "Content-Length: 11", "hello world"), 2, 3, ERR_PROTOCOL },
        { FAKE_REPLY(206, "Content-Range: bytes 0-4/11", "hello"), 0, S3_TO_END, ERR_PROTOCOL },
        { FAKE_REPLY(206, "Content-Range: bytes 0-2/11", "hel"), 2, 3, ERR_PROTOCOL },
        { FAKE_REPLY(206, "Content-Range: bytes 2-10/11", "llo world"), 2, 3, ERR_PROTOCOL },
        { FAKE_REPLY(206, "Content-Range: bytes 2-4/11", "llo world"), 2, 3, ERR_PROTOCOL },
        { FAKE_REPLY(206, "Content-Range: bytes 4-2/11", "llo"), 2, 3, ERR_PROTOCOL },
        { FAKE_REPLY(206, "Content-Range: bytes 2-4/*", "llo"), 2, 3, ERR_PROTOCOL },
        { FAKE_REPLY(206, "Content-Range: bytes 2-4/3", "llo"), 2, 3, ERR_PROTOCOL },
        { FAKE_REPLY(206, "Content-Range: bytes x", "llo"), 2, 3, ERR_PROTOCOL },
        { FAKE_REPLY(206, NULL, "llo"), 2, 3, ERR_PROTOCOL },
        { FAKE_REPLY(204, NULL, NULL), 0, S3_TO_END, ERR_PROTOCOL },
        { FAKE_REPLY(200, NULL, "x"), 0, S3_TO_END, ERR_PROTOCOL },
        { FAKE_REPLY(200, "Content-Length: 3", "hello"), 0, S3_TO_END, ERR_PROTOCOL },
        { FAKE_REPLY(206, "Content-Range: bytes 2-3/4", "ll"), 2, 3, ERR_CORRUPT },
        { FAKE_REPLY(416, NULL, S3_ERROR("InvalidRange")), 20, 3, ERR_CORRUPT },
        { FAKE_REPLY(404, NULL, S3_ERROR("NoSuchKey")), 0, S3_TO_END, ERR_NOT_FOUND },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct buf text = BUF_INIT(100);
        struct s3_rig rig;
        int r;

        s3_rig_init(&rig, &cases[i].reply, 1);
        r = get(&rig, cases[i].offset, cases[i].len, &text, NULL);
        if (r != cases[i].code)
            fail_msg("case %zu: %d, not %d: %s", i, r, cases[i].code, rig.err.msg);
        assert_int_equal(rig.fake.request_count, 1);
        buf_dispose(&text);
        s3_rig_dispose(&rig);
    }
}

static int refuse_bytes(struct io_sink *sink, const void *data, size_t len, struct err *err)
{
    (void)sink;
    (void)data;
    (void)len;
    return err_set(err, ERR_NET, "the sink's own network");
}

/* ERR_NET of a sink looks like one of ours, but asking the server again is no cure. */
static void a_sink_that_fails_ends_it_whatever_its_code(void **state)
{
    static const struct fake_reply replies[] = { FAKE_REPLY(200, "Content-Length: 11",
                                                            "hello world") };
    static const struct io_sink_ops ops = { .name = "broken", .write = refuse_bytes };
    struct io_sink sink = { &ops };
    struct s3_rig rig;

    (void)state;
    S3_RIG_INIT(&rig, replies);
    assert_int_equal(s3_get_object(rig.client, "k", 0, S3_TO_END, &sink, NULL, &rig.err), ERR_NET);
    assert_int_equal(rig.fake.request_count, 1);
    s3_rig_dispose(&rig);
}

/* Whichever request fails, the bytes that came are right and there is none too many. */
static void any_one_fault_is_survived(void **state)
{
    static const struct fake_reply replies[] = {
        { 206, ETAG "Content-Range: bytes 0-10/11", "hel", ERR_NET },
        { 206, ETAG "Content-Range: bytes 3-10/11", "lo wo", ERR_TIMEOUT },
        FAKE_REPLY(206, ETAG "Content-Range: bytes 8-10/11", "rld"),
    };
    size_t at = 0;
    struct s3_rig rig;
    bool reached;

    (void)state;
    do {
        struct buf text = BUF_INIT(11);

        S3_RIG_INIT(&rig, replies);
        rig.fake.fault_at = ++at;
        rig.fake.fault_code = ERR_NET;
        assert_int_equal(get(&rig, 0, 11, &text, NULL), 0);
        assert_string_equal(text.ptr, "hello world");
        reached = rig.fake.request_count >= at;
        buf_dispose(&text);
        s3_rig_dispose(&rig);
    } while (reached);
    assert_int_equal(at, 4);
}

static void heads(void **state)
{
    static const struct fake_reply replies[] = {
        FAKE_REPLY(200, ETAG "Content-Length: 42", NULL),
        FAKE_REPLY(404, "x-amz-request-id: R", NULL),
        FAKE_REPLY(200, ETAG, NULL),
    };
    struct s3_object_info info = { .size = 7 };
    struct s3_rig rig;

    (void)state;
    S3_RIG_INIT(&rig, replies);
    assert_int_equal(s3_head_object(rig.client, "k", &info, &rig.err), 0);
    assert_int_equal(info.size, 42);
    assert_int_equal(s3_head_object(rig.client, "k", &info, &rig.err), ERR_NOT_FOUND);
    assert_string_equal(rig.err.msg, "head 'k': HTTP 404 (request R)");
    assert_int_equal(s3_head_object(rig.client, "k", &info, &rig.err), ERR_PROTOCOL);
    assert_int_equal(info.size, 42); /* untouched by a failure */
    s3_rig_dispose(&rig);
}

static void deleting_what_is_not_there_is_fine_but_a_missing_bucket_is_not(void **state)
{
    static const struct fake_reply replies[] = { FAKE_REPLY(204, NULL, NULL),
                                                 FAKE_REPLY(404, NULL, S3_ERROR("NoSuchKey")),
                                                 FAKE_REPLY(404, NULL, NULL),
                                                 FAKE_REPLY(404, NULL, S3_ERROR("NoSuchBucket")) };
    struct s3_rig rig;

    (void)state;
    S3_RIG_INIT(&rig, replies);
    for (int i = 0; i < 3; i++)
        assert_int_equal(s3_delete_object(rig.client, "k", &rig.err), 0);
    assert_int_equal(s3_delete_object(rig.client, "k", &rig.err), ERR_NOT_FOUND);
    assert_string_equal(rig.err.msg, "delete 'k': HTTP 404 NoSuchBucket");
    assert_non_null(strstr(rig.err.hint, "create bucket 'bucket'"));
    s3_rig_dispose(&rig);
}

static void refuses_keys_before_it_sends_anything(void **state)
{
    struct buf text = BUF_INIT(1);
    struct s3_object_info info;
    struct io_sink *sink;
    struct s3_rig rig;

    (void)state;
    s3_rig_init(&rig, NULL, 0);
    assert_int_equal(buf_sink_new(&text, &sink, NULL), 0);
    assert_int_equal(put(&rig, "a\nb", "x", false), ERR_CONFIG);
    assert_int_equal(s3_get_object(rig.client, "", 0, 1, sink, NULL, &rig.err), ERR_CONFIG);
    assert_int_equal(s3_head_object(rig.client, "\xff", &info, &rig.err), ERR_CONFIG);
    assert_int_equal(s3_delete_object(rig.client, "", &rig.err), ERR_CONFIG);
    assert_int_equal(s3_get_object(rig.client, "k", 2, S3_TO_END - 1, sink, NULL, &rig.err),
                     ERR_CONFIG);
    io_sink_free(sink);
    buf_dispose(&text);
    s3_rig_dispose(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(puts_with_a_signed_payload),
        cmocka_unit_test(a_page_instead_of_an_answer_is_no_success),
        cmocka_unit_test(a_page_is_neither_an_object_nor_a_deletion),
        cmocka_unit_test(an_error_under_the_status_of_a_success_is_tried_again),
        cmocka_unit_test(a_length_that_was_announced_wrongly_is_no_damage),
        cmocka_unit_test(sends_the_whole_body_again_at_each_attempt),
        cmocka_unit_test(creates_only_what_is_absent_and_tells_the_two_refusals_apart),
        cmocka_unit_test(damaged_uploads_are_repeated_twice_only),
        cmocka_unit_test(gets_a_whole_object_and_what_it_is),
        cmocka_unit_test(gets_ranges),
        cmocka_unit_test(an_empty_object_and_an_empty_range_are_fine),
        cmocka_unit_test(resumes_where_it_broke_guarded_by_the_etag),
        cmocka_unit_test(takes_an_answer_that_ends_early_for_a_broken_one),
        cmocka_unit_test(what_breaks_after_the_last_byte_is_whole),
        cmocka_unit_test(progress_renews_the_budget),
        cmocka_unit_test(without_progress_it_gives_up),
        cmocka_unit_test(refuses_an_object_that_changed_in_between),
        cmocka_unit_test(refuses_answers_to_another_question),
        cmocka_unit_test(a_sink_that_fails_ends_it_whatever_its_code),
        cmocka_unit_test(any_one_fault_is_survived),
        cmocka_unit_test(heads),
        cmocka_unit_test(deleting_what_is_not_there_is_fine_but_a_missing_bucket_is_not),
        cmocka_unit_test(refuses_keys_before_it_sends_anything),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

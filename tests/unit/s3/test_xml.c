/* Goal: what servers send is read as it is meant, in all their dialects, and what is hostile or
 * broken is refused whole. */
#include "tests/harness/test.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "s3/xml.h"

static void reads_error_documents(void **state)
{
    static const char *const texts[] = {
        "<Error><Code>NoSuchKey</Code><Message>m</Message><RequestId>r</RequestId></Error>",
        "\n \t<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>NoSuchKey</Code>"
        "<Message>m</Message><RequestId>r</RequestId></Error>",
        "<Error xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Code>NoSuchKey</Code>"
        "<Message>m</Message><RequestId>r</RequestId></Error>",
        "<a:Error xmlns:a=\"urn:x\"><a:Code>NoSuchKey</a:Code><a:Message>m</a:Message>"
        "<a:RequestId>r</a:RequestId></a:Error>",
        "<ErrorResponse><Error><Code>NoSuchKey</Code><Message>m</Message><RequestId>r</RequestId>"
        "</Error></ErrorResponse>",
        "<Error><Code><![CDATA[NoSuchKey]]></Code><Message>m</Message><RequestId>r</RequestId>"
        "</Error>",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct s3_xml_error error;

        assert_true(s3_xml_error_parse(str_from(texts[i]), &error));
        assert_string_equal(error.code, "NoSuchKey");
        assert_string_equal(error.message, "m");
        assert_string_equal(error.request_id, "r");
        assert_string_equal(error.region, "");
    }
}

static void takes_nothing_else_for_an_error(void **state)
{
    static const char *const texts[] = {
        "",
        "   ",
        "<Error>",
        "plain",
        "<html><body/></html>",
        "<ErrorResponse/>",
        "<!DOCTYPE html><Error/>",
        "<ListBucketResult/>",
        "<Error/>trailing",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct s3_xml_error error = { .code = "untouched" };

        assert_false(s3_xml_error_parse(str_from(texts[i]), &error));
        assert_string_equal(error.code, "untouched");
    }
}

static void cuts_and_cleans_what_goes_into_messages(void **state)
{
    struct buf text = BUF_INIT(4096);
    struct s3_xml_error error;

    (void)state;
    buf_add_text(&text, "<Error><Code>");
    for (int i = 0; i < 100; i++)
        buf_add_char(&text, 'c');
    buf_add_text(&text, "</Code><Message>a\r\nb\tc</Message></Error>");
    assert_true(s3_xml_error_parse(buf_str(&text), &error));
    assert_int_equal(strlen(error.code), sizeof(error.code) - 1);
    assert_null(strpbrk(error.message, "\r\n\t"));
    buf_dispose(&text);
}

static void expands_no_entity_and_reads_no_dtd(void **state)
{
    static const char bomb[] =
        "<?xml version=\"1.0\"?><!DOCTYPE Error [<!ENTITY a \"aaaaaaaaaa\">"
        "<!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;\">]><Error><Code>&b;</Code></Error>";
    static const char file[] = "<?xml version=\"1.0\"?><!DOCTYPE Error [<!ENTITY x SYSTEM "
                               "\"file:///etc/passwd\">]><Error><Code>&x;</Code></Error>";
    struct s3_xml_error error;

    (void)state;
    assert_false(s3_xml_error_parse(str_from(bomb), &error));
    assert_false(s3_xml_error_parse(str_from(file), &error));
    /* The same in UTF-16, where "<!DOCTYPE" looks different. */
    {
        char wide[2 * sizeof(file)];

        for (size_t i = 0; i < sizeof(file) - 1; i++) {
            wide[2 * i] = file[i];
            wide[2 * i + 1] = '\0';
        }
        assert_false(s3_xml_error_parse((struct str){ wide, 2 * (sizeof(file) - 1) }, &error));
    }
}

static void refuses_what_is_larger_than_any_answer(void **state)
{
    const size_t len = S3_XML_LEN_MAX + 1;
    char *text = malloc(len);
    struct s3_xml_error error;

    (void)state;
    assert_non_null(text);
    memset(text, 'x', len);
    memcpy(text, "<Error>", 7);
    memcpy(text + len - 8, "</Error>", 8);
    assert_true(s3_xml_error_parse((struct str){ text + len - 15, 0 }, &error) == false);
    assert_false(s3_xml_error_parse((struct str){ text, len }, &error));
    free(text);
}

static void reads_a_page(void **state)
{
    static const char text[] =
        "<ListBucketResult xmlns=\"http://doc.s3.amazonaws.com/2006-03-01/\">"
        "<EncodingType>url</EncodingType><IsTruncated>true</IsTruncated>"
        "<NextContinuationToken>a%2Fb+c</NextContinuationToken>"
        "<Contents><Key>x+y%2B%C3%BC%01</Key><LastModified>2026-11-23T07:05:28.250Z</LastModified>"
        "<ETag>&quot;e&quot;</ETag><Size>18446744073709551615</Size></Contents>"
        "<CommonPrefixes><Prefix>p%2F</Prefix></CommonPrefixes></ListBucketResult>";
    struct s3_list_page page;

    (void)state;
    assert_int_equal(s3_xml_list_parse(str_from(text), &page, NULL), 0);
    assert_true(page.is_truncated);
    assert_string_equal(page.next_token, "a%2Fb+c"); /* opaque */
    assert_int_equal(page.item_count, 1);
    assert_string_equal(page.items[0].key, "x y+\xc3\xbc\x01");
    assert_string_equal(page.items[0].info.etag, "\"e\"");
    assert_true(page.items[0].info.size == UINT64_MAX);
    assert_int_equal(page.items[0].info.modified_ms, INT64_C(1795417528250));
    assert_int_equal(page.prefix_count, 1);
    assert_string_equal(page.prefixes[0].key, "p/");
    s3_list_page_dispose(&page);
    s3_list_page_dispose(&page); /* may be repeated */
}

static void refuses_broken_pages_and_leaves_nothing_behind(void **state)
{
#define P(inner) "<ListBucketResult>" inner "</ListBucketResult>"
    static const char *const texts[] = {
        "",
        "<ListBucketResult>",
        "<ListAllMyBucketsResult/>",
        P("<IsTruncated>true</IsTruncated>"),
        P("<IsTruncated>true</IsTruncated><NextContinuationToken/>"),
        P("<Contents><Key>k</Key></Contents>"),
        P("<Contents><Key>k</Key><Size>-1</Size></Contents>"),
        P("<Contents><Key>k</Key><Size>1e3</Size></Contents>"),
        P("<Contents><Key>k</Key><Size>1</Size><LastModified>x</LastModified></Contents>"),
        P("<EncodingType>url</EncodingType><Contents><Key>%zz</Key><Size>1</Size></Contents>"),
        P("<EncodingType>url</EncodingType><Contents><Key>%00</Key><Size>1</Size></Contents>"),
        P("<Contents><Key>&#x1;</Key><Size>1</Size></Contents>"),
        P("<Contents><Key>a</Key><Size>1</Size></Contents>"
          "<Contents><Key>b</Key><Size>x</Size></Contents>"),
    };

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct s3_list_page page = { .item_count = 77 };

        assert_int_equal(s3_xml_list_parse(str_from(texts[i]), &page, NULL), ERR_PROTOCOL);
        assert_int_equal(page.item_count, 77); /* untouched */
    }
}

static void reads_unfinished_uploads(void **state)
{
    static const char text[] =
        "<ListMultipartUploadsResult><NextKeyMarker>k&amp;</NextKeyMarker><NextUploadIdMarker/>"
        "<IsTruncated>true</IsTruncated><Upload><Key>k&amp;</Key><UploadId>u</UploadId>"
        "<Initiated>2026-11-23T07:05:28Z</Initiated></Upload></ListMultipartUploadsResult>";
    struct s3_list_page page;

    (void)state;
    assert_int_equal(s3_xml_uploads_parse(str_from(text), &page, NULL), 0);
    assert_string_equal(page.items[0].key, "k&");
    assert_string_equal(page.items[0].upload_id, "u");
    assert_string_equal(page.next_key, "k&");
    assert_null(page.next_upload_id);
    s3_list_page_dispose(&page);
    assert_int_equal(
        s3_xml_uploads_parse(STR_LIT("<ListMultipartUploadsResult><IsTruncated>true</IsTruncated>"
                                     "</ListMultipartUploadsResult>"),
                             &page, NULL),
        ERR_PROTOCOL);
}

static void reads_the_multipart_answers(void **state)
{
    char *id = NULL;

    (void)state;
    assert_int_equal(s3_xml_initiate_parse(STR_LIT("<InitiateMultipartUploadResult><UploadId>a+/="
                                                   "</UploadId></InitiateMultipartUploadResult>"),
                                           &id, NULL),
                     0);
    assert_string_equal(id, "a+/=");
    free(id);
    assert_int_equal(s3_xml_complete_parse(STR_LIT("  \n<CompleteMultipartUploadResult/>"), NULL),
                     0);
    assert_int_equal(s3_xml_complete_parse(STR_LIT("<Error/>"), NULL), ERR_PROTOCOL);
}

static void names_the_first_key_that_stays(void **state)
{
    struct s3_xml_error error;
    struct err err = { 0 };

    (void)state;
    assert_int_equal(
        s3_xml_delete_parse(
            STR_LIT("<DeleteResult><Deleted><Key>a</Key></Deleted>"
                    "<Error><Key>b</Key><Code>NoSuchKey</Code></Error>"
                    "<Error><Key>c</Key><Code>AccessDenied</Code></Error></DeleteResult>"),
            &error, &err),
        ERR_SERVER);
    assert_string_equal(err.msg, "delete 'c': AccessDenied");
    assert_string_equal(error.code, "AccessDenied");
    assert_int_equal(s3_xml_delete_parse(STR_LIT("<DeleteResult/>"), &error, &err), 0);
    assert_int_equal(s3_xml_delete_parse(STR_LIT("<Nothing/>"), &error, &err), ERR_PROTOCOL);
}

static void escapes_what_xml_reserves(void **state)
{
    struct buf to = BUF_INIT(100);

    (void)state;
    s3_xml_escape(&to, "a<b>&\"c'\xc3\xbc");
    assert_string_equal(to.ptr, "a&lt;b&gt;&amp;&quot;c'\xc3\xbc");
    buf_dispose(&to);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_error_documents),
        cmocka_unit_test(takes_nothing_else_for_an_error),
        cmocka_unit_test(cuts_and_cleans_what_goes_into_messages),
        cmocka_unit_test(expands_no_entity_and_reads_no_dtd),
        cmocka_unit_test(refuses_what_is_larger_than_any_answer),
        cmocka_unit_test(reads_a_page),
        cmocka_unit_test(refuses_broken_pages_and_leaves_nothing_behind),
        cmocka_unit_test(reads_unfinished_uploads),
        cmocka_unit_test(reads_the_multipart_answers),
        cmocka_unit_test(names_the_first_key_that_stays),
        cmocka_unit_test(escapes_what_xml_reserves),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

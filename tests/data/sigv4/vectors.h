/*
 * vectors.h - published test vectors of AWS Signature Version 4, as one table.
 *
 * Inputs and results are AWS's; a hash of the canonical request is given where it is published.
 *   docs:  docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html and
 *          sigv4-query-string-auth.html, sigv4-streaming.html, sigv4-streaming-trailers.html
 *   suite: AWS's Signature Version 4 test suite, github.com/awslabs/aws-c-auth,
 *          tests/aws-signing-test-suite/v4/<case>, of the same names
 *   extra: made for what the docs leave out; two independent implementations (botocore is one)
 *          agree on each
 * Left out: the docs' other chunked upload, which signs Content-Length (a proxy may rewrite it),
 * and the suite's cases whose paths are normalised, which S3 never does.
 */
#ifndef TESTS_DATA_SIGV4_VECTORS_H
#define TESTS_DATA_SIGV4_VECTORS_H

#include "s3/http.h"
#include "s3/sigv4.h"
#include "s3/uri.h"

#define VECTOR_COUNT_MAX 8

struct sigv4_vector {
    const char *name;
    const char *access_key_id, *secret_access_key;
    const char *date_time, *region, *service;
    const char *method;
    const char *raw_path; /* encoded by the code under test */
    struct uri_param params[VECTOR_COUNT_MAX];
    const char *headers[2 * VECTOR_COUNT_MAX]; /* name, value, ..., beside x-amz-date */
    const char *payload_hash;                  /* also sent, when sends_hash */
    bool sends_hash;
    bool is_presigned;            /* only the host is signed, the date is in the query */
    const char *canonical_sha256; /* NULL: not published */
    const char *signature;
};

#define DOCS_KEYS                                                                                  \
    .access_key_id = "AKIAIOSFODNN7EXAMPLE",                                                       \
    .secret_access_key = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",                               \
    .date_time = "20130524T000000Z", .region = "us-east-1", .service = "s3"
#define SUITE_KEYS                                                                                 \
    .access_key_id = "AKIDEXAMPLE",                                                                \
    .secret_access_key = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",                               \
    .date_time = "20150830T123600Z", .region = "us-east-1", .service = "service"

#define DOCS_HOST    "examplebucket.s3.amazonaws.com"
#define EXTRA_HOST   "examplebucket.s3.us-east-1.amazonaws.com"
#define SUITE_HOST   "example.amazonaws.com"
#define HASH_OF_BODY "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072"

static const struct sigv4_vector sigv4_vectors[] = {
    { .name = "docs: GET of a range",
      DOCS_KEYS,
      .method = "GET",
      .raw_path = "/test.txt",
      .headers = { "Host", DOCS_HOST, "Range", "bytes=0-9" },
      .payload_hash = SIGV4_EMPTY_SHA256,
      .sends_hash = true,
      .canonical_sha256 = "7344ae5b7ee6c3e7e6b0fe0640412a37625d1fbfff95c48bbb2dc43964946972",
      .signature = "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41" },
    { .name = "docs: PUT",
      DOCS_KEYS,
      .method = "PUT",
      .raw_path = "/test$file.text",
      .headers = { "Date", "Fri, 24 May 2013 00:00:00 GMT", "Host", DOCS_HOST,
                   "x-amz-storage-class", "REDUCED_REDUNDANCY" },
      .payload_hash = HASH_OF_BODY,
      .sends_hash = true,
      .canonical_sha256 = "9e0e90d9c76de8fa5b200d8c849cd5b8dc7a3be3951ddb7f6a76b4158342019d",
      .signature = "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd" },
    { .name = "docs: GET of the lifecycle",
      DOCS_KEYS,
      .method = "GET",
      .raw_path = "/",
      .params = { { "lifecycle", NULL } },
      .headers = { "Host", DOCS_HOST },
      .payload_hash = SIGV4_EMPTY_SHA256,
      .sends_hash = true,
      .canonical_sha256 = "9766c798316ff2757b517bc739a67f6213b4ab36dd5da2f94eaebf79c77395ca",
      .signature = "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543" },
    { .name = "docs: list",
      DOCS_KEYS,
      .method = "GET",
      .raw_path = "/",
      .params = { { "prefix", "J" }, { "max-keys", "2" } },
      .headers = { "Host", DOCS_HOST },
      .payload_hash = SIGV4_EMPTY_SHA256,
      .sends_hash = true,
      .canonical_sha256 = "df57d21db20da04d7fa30298dd4488ba3a2b47ca3a489c74750e0f1e7df1b9b7",
      .signature = "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7" },
    { .name = "docs: presigned GET",
      DOCS_KEYS,
      .method = "GET",
      .raw_path = "/test.txt",
      .params = { { "X-Amz-Algorithm", "AWS4-HMAC-SHA256" },
                  { "X-Amz-Credential", "AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request" },
                  { "X-Amz-Date", "20130524T000000Z" },
                  { "X-Amz-Expires", "86400" },
                  { "X-Amz-SignedHeaders", "host" } },
      .headers = { "Host", DOCS_HOST },
      .payload_hash = "UNSIGNED-PAYLOAD",
      .is_presigned = true,
      .canonical_sha256 = "3bfa292879f6447bbcda7001decf97f4a54dc650c8942174ae0a9121cf58ad04",
      .signature = "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404" },
    { .name = "docs: trailer seed",
      DOCS_KEYS,
      .method = "PUT",
      .raw_path = "/examplebucket/chunkObject.txt",
      .headers = { "Host", "s3.amazonaws.com", "Content-Encoding", "aws-chunked",
                   "x-amz-decoded-content-length", "66560", "x-amz-storage-class",
                   "REDUCED_REDUNDANCY", "x-amz-trailer", "x-amz-checksum-crc32c" },
      .payload_hash = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
      .sends_hash = true,
      .canonical_sha256 = "44d48b8c2f70eae815a0198cc73d7a546a73a93359c070abbaa5e6c7de112559",
      .signature = "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e" },
    { .name = "extra: a key of every kind of character",
      DOCS_KEYS,
      .method = "GET",
      .raw_path = "/a b+c%d=e&f/\xc3\xbc~'(!)*.db",
      .headers = { "Host", EXTRA_HOST },
      .payload_hash = SIGV4_EMPTY_SHA256,
      .sends_hash = true,
      .canonical_sha256 = "8c18ab98d66f4ef3c734b86bd9d4ab8463ffe1cb33a5522f8ae47abaefe80576",
      .signature = "8a75ae2bb111bac65a5900ed4c10a42459a01fe037dca0938d685d89c026b2a5" },
    { .name = "extra: a path that nobody may normalise",
      DOCS_KEYS,
      .method = "GET",
      .raw_path = "/examplebucket//x/../y/./z",
      .headers = { "Host", "s3.us-east-1.amazonaws.com" },
      .payload_hash = SIGV4_EMPTY_SHA256,
      .sends_hash = true,
      .canonical_sha256 = "4a9b3a02131d33ce804f469038f62467e7e802ee4e2bdb66387cb40fb6dbd9f9",
      .signature = "1de0a10fcd5f4a8f1d65181767ee26f03db1ddea665b2b27f37e9a92f6cb0454" },
    { .name = "extra: a page of a listing",
      DOCS_KEYS,
      .method = "GET",
      .raw_path = "/",
      .params = { { "list-type", "2" },
                  { "prefix", "db/\xc3\xa9 &+/" },
                  { "delimiter", "/" },
                  { "encoding-type", "url" },
                  { "max-keys", "1000" },
                  { "continuation-token", "1ueGcxLPRx1Tr/XYExHnhbYLgveDs2J/wm36Hy4vbOwM=" } },
      .headers = { "Host", EXTRA_HOST },
      .payload_hash = SIGV4_EMPTY_SHA256,
      .sends_hash = true,
      .canonical_sha256 = "bbd6f9b1d44c4a7ca7c8b3598903b56b9a87ee2beb80ce71893214c3f81e0d2e",
      .signature = "1a957108efba6180ca12535edad1c3d67b8dc985f621d3e3b6559cf05582bc5e" },
    { .name = "extra: a header whose name begins with another's",
      DOCS_KEYS,
      .method = "POST",
      .raw_path = "/k",
      .params = { { "uploads", NULL } },
      .headers = { "Host", EXTRA_HOST, "x-amz-server-side-encryption-aws-kms-key-id", "alias/k",
                   "x-amz-server-side-encryption", "aws:kms", "x-amz-storage-class",
                   "STANDARD_IA" },
      .payload_hash = SIGV4_EMPTY_SHA256,
      .sends_hash = true,
      .canonical_sha256 = "7264bbe904c74c51b3da31fb4cad2a5c3a0963451bffc0eeb7a0d631b3c67c55",
      .signature = "714710c03ae9b2eec5ecdd082fa185435e010eed982c3d4a0c1e611754395e61" },
    { .name = "extra: a part with an unsigned payload",
      DOCS_KEYS,
      .method = "PUT",
      .raw_path = "/k",
      .params = { { "uploadId", "VXBsb2FkIElE.+/=" }, { "partNumber", "7" } },
      .headers = { "Host", EXTRA_HOST, "x-amz-checksum-crc32c", "sOO8/Q==" },
      .payload_hash = "UNSIGNED-PAYLOAD",
      .sends_hash = true,
      .canonical_sha256 = "50d1d8b7860c9870dd2b216f88461442c1b68161be6c22716ade8319e2514434",
      .signature = "457465a426a36b6937d7502347d06a798e46af10c29a6e62e6c0db7de1fb1db5" },
    { .name = "extra: a session token, a port, another region",
      .access_key_id = "AKIAIOSFODNN7EXAMPLE",
      .secret_access_key = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
      .date_time = "20130524T000000Z",
      .region = "garage",
      .service = "s3",
      .method = "PUT",
      .raw_path = "/bkt/lock.json",
      .headers = { "Host", "minio.local:9000", "Content-MD5",
                   "u2y1xo30ZSlByvZSo2by2A==", "Content-Type", "application/json", "If-None-Match",
                   "*", "x-amz-security-token", "IQoJb3JpZ2luX2VjEXAMPLE//////////w==" },
      .payload_hash = "015abd7f5cc57a2dd94b7590f04ad8084273905ee33ec5cebeae62276a97f862",
      .sends_hash = true,
      .canonical_sha256 = "b32bf33f99c3398e3c0aee21afd2d630348443c7e26819aaa6d4f6713051a99b",
      .signature = "b406033b7749fa1e9f500fa611010346b173b3a29dc5b48439aaf144db0a327c" },
    { .name = "suite: get-vanilla",
      SUITE_KEYS,
      .method = "GET",
      .raw_path = "/",
      .headers = { "Host", SUITE_HOST },
      .payload_hash = SIGV4_EMPTY_SHA256,
      .signature = "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31" },
    { .name = "suite: get-vanilla-query-order-encoded",
      SUITE_KEYS,
      .method = "GET",
      .raw_path = "/",
      .params = { { "Param-3", "Value3" }, { "Param", "Value2" }, { "\xe1\x88\xb4", "Value1" } },
      .headers = { "Host", SUITE_HOST },
      .payload_hash = SIGV4_EMPTY_SHA256,
      .signature = "371d3713e185cc334048618a97f809c9ffe339c62934c032af5a0e595648fcac" },
    { .name = "suite: get-utf8",
      SUITE_KEYS,
      .method = "GET",
      .raw_path = "/\xe1\x88\xb4",
      .headers = { "Host", SUITE_HOST },
      .payload_hash = SIGV4_EMPTY_SHA256,
      .signature = "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85" },
    { .name = "suite: get-space-unnormalized",
      SUITE_KEYS,
      .method = "GET",
      .raw_path = "/example space/",
      .headers = { "Host", SUITE_HOST },
      .payload_hash = SIGV4_EMPTY_SHA256,
      .signature = "652487583200325589f1fba4c7e578f72c47cb61beeca81406b39ddec1366741" },
    { .name = "suite: get-slashes-unnormalized",
      SUITE_KEYS,
      .method = "GET",
      .raw_path = "//example//",
      .headers = { "Host", SUITE_HOST },
      .payload_hash = SIGV4_EMPTY_SHA256,
      .signature = "87cca117541a147f6df867677d98a7d80dff226d2bfca9e4ffa899665623c7e5" },
    { .name = "suite: get-header-value-trim",
      SUITE_KEYS,
      .method = "GET",
      .raw_path = "/",
      .headers = { "Host", SUITE_HOST, "My-Header1", " value1", "My-Header2", " \"a   b   c\"" },
      .payload_hash = SIGV4_EMPTY_SHA256,
      .signature = "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736" },
    { .name = "suite: get-vanilla-with-session-token",
      SUITE_KEYS,
      .method = "GET",
      .raw_path = "/",
      .headers = { "Host", SUITE_HOST, "X-Amz-Security-Token",
                   "6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267" },
      .payload_hash = SIGV4_EMPTY_SHA256,
      .signature = "07ec1639c89043aa0e3e2de82b96708f198cceab042d4a97044c66dd9f74e7f8" },
};

#endif

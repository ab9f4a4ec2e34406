/* Goal: of whatever is written as an endpoint, what is accepted makes a URL that nothing can break
 * out of, and resolving what was resolved changes nothing.  The input is
 * "bucket\nregion\nendpoint". */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "s3/endpoint.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check_chars(const char *text, const char *others)
{
    for (; *text != '\0'; text++) {
        const char c = *text;

        assert((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               strchr(others, c) != NULL);
    }
}

/* Path-style, and without the bucket at the path's end: what is left is an endpoint again. */
static void check_stable(const struct s3_endpoint_options *options, const struct s3_endpoint *first)
{
    const size_t path_len = strlen(first->path) - strlen(options->bucket) - 1;
    struct s3_endpoint_options again = { .bucket = options->bucket,
                                         .region = first->region,
                                         .addressing = S3_ADDRESSING_PATH };
    struct s3_endpoint second = S3_ENDPOINT_INIT;
    struct buf text = BUF_INIT(16384);

    buf_addf(&text, "%s://%s%.*s", first->scheme, first->host, (int)path_len, first->path);
    again.endpoint = text.ptr;
    assert(text.len > 2048 || s3_endpoint_resolve(&again, &second, NULL) == 0);
    if (second.host != NULL) {
        assert(strcmp(second.scheme, first->scheme) == 0);
        assert(strcmp(second.region, first->region) == 0);
    }
    s3_endpoint_dispose(&second);
    buf_dispose(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    char *text = str_dup((struct str){ (const char *)data, len });
    char *region, *endpoint;
    struct s3_endpoint resolved = S3_ENDPOINT_INIT;
    struct s3_endpoint_options options = { .addressing = S3_ADDRESSING_AUTO };

    if (text == NULL)
        return 0;
    region = text + strcspn(text, "\n");
    endpoint = region + (*region != '\0' ? 1 + strcspn(region + 1, "\n") : 0);
    options.bucket = text;
    if (*region != '\0')
        *region++ = '\0';
    if (*endpoint != '\0')
        *endpoint++ = '\0';
    options.region = region;
    options.endpoint = endpoint;
    if (s3_endpoint_resolve(&options, &resolved, NULL) == 0) {
        check_chars(resolved.host, ".-_:[]");
        check_chars(resolved.path, "/-._~%");
        assert(s3_region_is_valid(resolved.region));
        s3_endpoint_dispose(&resolved);
        options.addressing = S3_ADDRESSING_PATH;
        assert(s3_endpoint_resolve(&options, &resolved, NULL) == 0);
        check_stable(&options, &resolved);
        s3_endpoint_dispose(&resolved);
    }
    free(text);
    return 0;
}

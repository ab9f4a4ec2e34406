/* Where a bucket is, for test_endpoint_botocore.py: a JSON object a line on standard input, with
 * bucket, region, endpoint, addressing (0 auto, 1 path), dualstack and fips; for each, a line with
 * the URL, or one that begins with "error: ". */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/err.h"
#include "s3/endpoint.h"

static const char *text(const json_t *root, const char *name)
{
    return json_string_value(json_object_get(root, name));
}

static void answer(const json_t *root)
{
    const struct s3_endpoint_options options = {
        .bucket = text(root, "bucket"),
        .region = text(root, "region"),
        .endpoint = text(root, "endpoint"),
        .addressing = (enum s3_addressing)json_integer_value(json_object_get(root, "addressing")),
        .dualstack = json_is_true(json_object_get(root, "dualstack")),
        .fips = json_is_true(json_object_get(root, "fips")),
    };
    struct s3_endpoint endpoint = S3_ENDPOINT_INIT;
    struct err err = { 0 };

    if (s3_endpoint_resolve(&options, &endpoint, &err) < 0) {
        (void)printf("error: %s\n", err.msg);
    } else {
        (void)printf("%s://%s%s %s\n", endpoint.scheme, endpoint.host, endpoint.path,
                     endpoint.region);
    }
    s3_endpoint_dispose(&endpoint);
}

int main(void)
{
    char *line = NULL;
    size_t size = 0;

    while (getline(&line, &size, stdin) > 0) {
        json_t *root = json_loads(line, 0, NULL);

        if (!json_is_object(root)) {
            (void)fprintf(stderr, "not an object: %s", line);
            return EXIT_FAILURE;
        }
        answer(root);
        json_decref(root);
    }
    free(line);
    return EXIT_SUCCESS;
}

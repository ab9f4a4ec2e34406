/*
 * endpoint.h - where a bucket is: scheme, host, path prefix and region, from what was configured.
 *
 * Pure.  AWS is addressed virtual-hosted (the bucket in the host's name) where the bucket's name
 * allows it, every other server path-style; endpoints may have a path of their own.
 *
 * Source: docs.aws.amazon.com/AmazonS3/latest/userguide/VirtualHosting.html
 */
#ifndef S3_ENDPOINT_H
#define S3_ENDPOINT_H

#include <stdbool.h>

#include "s3/client.h"

struct err;

#define S3_REGION_LEN_MAX 63

struct s3_endpoint_options {
    const char *bucket;
    const char *endpoint; /* NULL or empty: AWS */
    const char *region;   /* NULL or empty: from the endpoint's host, else us-east-1 */
    enum s3_addressing addressing;
    bool dualstack, fips; /* AWS's hosts that have IPv6 too, and those with validated modules; none
                             with an endpoint */
};

struct s3_endpoint {
    char *scheme; /* "http" or "https" */
    char *host;   /* with the port unless it is the scheme's own: what Host: says */
    char *path;   /* canonical, before "/key": "" or "/storage/v1/s3/bucket" */
    char *region;
    bool is_aws;
    bool dualstack, fips; /* of AWS: what its host's name says */
};

#define S3_ENDPOINT_INIT                                                                           \
    {                                                                                              \
        NULL, NULL, NULL, NULL, false, false, false                                                \
    }

/* ERR_CONFIG names the option at fault.  Overwrites *ret_endpoint, which must be disposed of. */
int s3_endpoint_resolve(const struct s3_endpoint_options *options, struct s3_endpoint *ret_endpoint,
                        struct err *err);
void s3_endpoint_dispose(struct s3_endpoint *endpoint);

/* The DNS suffix of AWS's hosts in a region: "amazonaws.com" nearly everywhere. */
const char *s3_endpoint_aws_suffix(const char *region);

/* Whether text may go into a host name and a credential scope: 1 to 63 of a-z 0-9 - _. */
bool s3_region_is_valid(const char *text);

#endif

/*
 * configured.h - the way to the server as AWS's variables and profiles describe it, for what the
 * options leave open.
 *
 * Each has the order of AWS's own tools: the option, the variable, the profile.  For the endpoint:
 * AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, the profile's services, the profile.
 *
 * Source: docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html and
 * feature-endpoints.html
 */
#ifndef S3_CONFIGURED_H
#define S3_CONFIGURED_H

#include <stdbool.h>

struct err;
struct s3_options;
struct s3_profiles;

#define S3_ORIGIN_SIZE 128

/* Values are borrowed from the options, the environment or the profiles; NULL: nobody says. */
struct s3_configured {
    const char *endpoint;
    const char *region;
    const char *ca_file;
    bool dualstack, fips;
    char
        endpoint_from[S3_ORIGIN_SIZE]; /* "as set", "AWS_ENDPOINT_URL", "profile 'x'"; "": nobody */
    char region_from[S3_ORIGIN_SIZE];
};

/* profile is the one that is meant.  ERR_CONFIG when what should be true or false is neither. */
int s3_configured_find(const struct s3_options *options, const struct s3_profiles *profiles,
                       const char *profile, struct s3_configured *ret_configured, struct err *err);

#endif

/*
 * credentials_chain.h - where credentials come from: the first place that says it has any.
 *
 * In this order: the options; the environment (AWS_ACCESS_KEY_ID...), then its web identity
 * (AWS_WEB_IDENTITY_TOKEN_FILE), neither of them when the options name a profile; the profile; the
 * container's endpoint; the instance metadata service.  What a profile can be: keys, a role to be
 * assumed from another profile or source, a web identity, a program that prints keys.
 *
 * Source: docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html
 */
#ifndef S3_CREDENTIALS_CHAIN_H
#define S3_CREDENTIALS_CHAIN_H

#include <stdbool.h>

struct err;
struct s3_credentials_source;
struct s3_profiles;
struct s3_source_context;
struct secret;

/* All may be NULL or unset; borrowed for the call. */
struct s3_credentials_options {
    const char *access_key_id;
    const struct secret *secret_access_key;
    const struct secret *session_token;
    const char *profile; /* else AWS_PROFILE, else "default" */
    const char *region;  /* for STS, as the next */
    bool fips;
};

/* Which profile is meant: the options', else AWS_PROFILE's, else "default". */
const char *s3_profile_name(const char *option);

/* Asks nobody yet.  profiles is borrowed for the call, context as long as the source lives.
 * ERR_CONFIG when a place says half of what is needed, or none has any: the message lists them. */
int s3_credentials_choose(const struct s3_credentials_options *options,
                          const struct s3_profiles *profiles,
                          const struct s3_source_context *context,
                          struct s3_credentials_source **ret_source, struct err *err);

/* No place has any: err, which says why the last one has not, becomes an ERR_CONFIG that lists
 * them all. */
int s3_credentials_none(struct err *err);

#endif

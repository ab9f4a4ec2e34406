/*
 * credentials.h - who signs: an access key, its secret and, when temporary, a session token.
 *
 * Sources, the first that has any wins: the options; AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and
 * AWS_SESSION_TOKEN (unless the options name a profile); the shared credentials file.  Half a pair
 * is an error, never a reason to look further: it is a slip, and another key is not what was meant.
 *
 * Source: docs.aws.amazon.com/sdkref/latest/guide/file-format.html and
 * docs.aws.amazon.com/sdkref/latest/guide/feature-static-credentials.html
 */
#ifndef S3_CREDENTIALS_H
#define S3_CREDENTIALS_H

#include "base/buf.h"
#include "base/secret.h"

struct err;

struct s3_credentials {
    char *access_key_id;
    struct secret secret_access_key;
    struct secret session_token; /* unset for long-term keys */
};

#define S3_CREDENTIALS_INIT                                                                        \
    {                                                                                              \
        NULL, SECRET_INIT, SECRET_INIT                                                             \
    }

/* All may be NULL or unset. */
struct s3_credentials_options {
    const char *access_key_id;
    const struct secret *secret_access_key;
    const struct secret *session_token;
    const char *profile; /* else AWS_PROFILE, else "default" */
};

/* ERR_CONFIG when a source is incomplete, or when none has any; the hint lists them. */
int s3_credentials_load(const struct s3_credentials_options *options,
                        struct s3_credentials *ret_credentials, struct err *err);
void s3_credentials_dispose(struct s3_credentials *credentials); /* wipes; may be repeated */

/* Read one profile from the text of a shared credentials file.  name is the file's, for messages.
 * ERR_NOT_FOUND when there is no such profile or it has no keys; ERR_CONFIG for half a pair. */
int s3_profile_parse(struct str text, const char *name, const char *profile,
                     struct s3_credentials *ret_credentials, struct err *err);

#endif

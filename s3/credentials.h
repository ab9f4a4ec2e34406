/*
 * credentials.h - who signs: an access key, its secret and, when temporary, a session token.
 *
 * A value and what checks it; where it comes from is credentials_chain.h, who keeps it fresh is
 * credentials_provider.h.
 */
#ifndef S3_CREDENTIALS_H
#define S3_CREDENTIALS_H

#include <stdint.h>

#include "base/buf.h"
#include "base/secret.h"

struct err;

struct s3_credentials {
    char *access_key_id;
    struct secret secret_access_key;
    struct secret session_token; /* unset for long-term keys */
    int64_t expires_ms;          /* since 1970; 0: nobody said that they end */
};

#define S3_CREDENTIALS_INIT                                                                        \
    {                                                                                              \
        NULL, SECRET_INIT, SECRET_INIT, 0                                                          \
    }

int s3_credentials_copy(struct s3_credentials *to, const struct s3_credentials *from,
                        struct err *err);
void s3_credentials_dispose(struct s3_credentials *credentials); /* wipes; may be repeated */

/* The three values as the user knows them, for messages. */
struct s3_credentials_names {
    const char *where; /* "the configuration", "profile 'x'" */
    const char *id, *secret, *token;
};

/* Check and copy what a source has: 1 when it has a pair, 0 when it has nothing.  Half a pair is
 * ERR_CONFIG, never a reason to look further: it is a slip, and another key is not what was meant.
 * So are characters that could end a header's line. */
int s3_credentials_take(const struct s3_credentials_names *names, struct str id, struct str secret,
                        struct str token, struct s3_credentials *credentials, struct err *err);

/* The variable's value; NULL when it is unset or empty. */
const char *s3_env(const char *name);
/* Whether the variable says "true", in any case. */
bool s3_env_is_true(const char *name);

#endif

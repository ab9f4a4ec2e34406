#include "s3/credentials.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/err.h"

#define KEY_ID_LEN_MAX 256   /* bytes; AWS has 128 */
#define SECRET_LEN_MAX 1024  /* bytes */
#define TOKEN_LEN_MAX  16384 /* bytes; AWS names no limit, and the longest seen have 4 KiB */

const char *s3_env(const char *name)
{
    const char *value = getenv(name); /* NOLINT(concurrency-mt-unsafe): nothing calls setenv */

    return value != NULL && value[0] != '\0' ? value : NULL;
}

bool s3_env_is_true(const char *name)
{
    const char *value = s3_env(name);

    return value != NULL && strcasecmp(value, "true") == 0;
}

/* Printable, so that nothing of it can end a header line. */
static bool is_printable(const char *text, size_t len, bool space_too)
{
    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)text[i] < (space_too ? 0x20 : 0x21) || text[i] == 0x7f)
            return false;
    }
    return true;
}

static int refuse(const struct s3_credentials_names *names, const char *which, const char *why,
                  struct err *err)
{
    (void)err_set(err, ERR_CONFIG, "%s of %s %s", which, names->where, why);
    err_hint(err, "set %s and %s together, each on one line", names->id, names->secret);
    return ERR_CONFIG;
}

int s3_credentials_take(const struct s3_credentials_names *names, struct str id, struct str secret,
                        struct str token, struct s3_credentials *credentials, struct err *err)
{
    int r;

    if (id.len == 0 && secret.len == 0 && token.len == 0)
        return 0;
    if (id.len == 0)
        return refuse(names, names->id, "is missing", err);
    if (secret.len == 0)
        return refuse(names, names->secret, "is missing", err);
    if (id.len > KEY_ID_LEN_MAX || !is_printable(id.ptr, id.len, false))
        return refuse(names, names->id, "is not an access key id", err);
    if (secret.len > SECRET_LEN_MAX || !is_printable(secret.ptr, secret.len, true))
        return refuse(names, names->secret, "is not a secret access key", err);
    if (token.len > TOKEN_LEN_MAX || !is_printable(token.ptr, token.len, false))
        return refuse(names, names->token, "is not a session token", err);
    free(credentials->access_key_id);
    credentials->access_key_id = str_dup(id);
    if (credentials->access_key_id == NULL)
        return err_nomem(err);
    r = secret_set(&credentials->secret_access_key, secret.ptr, secret.len, err);
    if (r == 0 && token.len > 0)
        r = secret_set(&credentials->session_token, token.ptr, token.len, err);
    return r < 0 ? r : 1;
}

int s3_credentials_copy(struct s3_credentials *to, const struct s3_credentials *from,
                        struct err *err)
{
    struct s3_credentials copy = S3_CREDENTIALS_INIT;
    int r;

    copy.expires_ms = from->expires_ms;
    copy.access_key_id = strdup(from->access_key_id);
    r = copy.access_key_id == NULL ? err_nomem(err) : 0;
    if (r == 0)
        r = secret_copy(&copy.secret_access_key, &from->secret_access_key, err);
    if (r == 0)
        r = secret_copy(&copy.session_token, &from->session_token, err);
    if (r < 0) {
        s3_credentials_dispose(&copy);
        return r;
    }
    s3_credentials_dispose(to);
    *to = copy;
    return 0;
}

void s3_credentials_dispose(struct s3_credentials *credentials)
{
    free(credentials->access_key_id);
    secret_dispose(&credentials->secret_access_key);
    secret_dispose(&credentials->session_token);
    *credentials = (struct s3_credentials)S3_CREDENTIALS_INIT;
}

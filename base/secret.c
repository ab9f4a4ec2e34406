#include "base/secret.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>

#include "base/err.h"

int secret_set(struct secret *secret, const char *text, size_t len, struct err *err)
{
    char *copy = malloc(len + 1);

    if (copy == NULL)
        return err_nomem(err);
    if (len > 0)
        memcpy(copy, text, len);
    copy[len] = '\0';
    secret_dispose(secret);
    secret->ptr = copy;
    secret->len = len;
    return 0;
}

int secret_copy(struct secret *to, const struct secret *from, struct err *err)
{
    if (from == NULL || from->ptr == NULL) {
        secret_dispose(to);
        return 0;
    }
    return secret_set(to, from->ptr, from->len, err);
}

bool secret_is_set(const struct secret *secret)
{
    return secret != NULL && secret->len > 0;
}

void secret_dispose(struct secret *secret)
{
    if (secret->ptr != NULL) {
        OPENSSL_cleanse(secret->ptr, secret->len);
        free(secret->ptr);
    }
    *secret = (struct secret)SECRET_INIT;
}

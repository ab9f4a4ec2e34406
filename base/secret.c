#include "base/secret.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <openssl/crypto.h>

#include "base/err.h"

/* Pages of its own for each, so that they can be kept out of core dumps and of the swap. */
static size_t pages_for(size_t size)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);

    return (size + page - 1) / page * page;
}

static char *pages_new(size_t size)
{
    void *pages =
        mmap(NULL, pages_for(size), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (pages == MAP_FAILED)
        return NULL;
    /* Both are a favour: a kernel or a limit may refuse, and the secret is needed all the same. */
    (void)madvise(pages, pages_for(size), MADV_DONTDUMP);
    (void)mlock(pages, pages_for(size));
    return pages;
}

int secret_set(struct secret *secret, const char *text, size_t len, struct err *err)
{
    char *copy = pages_new(len + 1);

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
        (void)munmap(secret->ptr, pages_for(secret->len + 1));
    }
    *secret = (struct secret)SECRET_INIT;
}

#include "s3/md5.h"

#include <stdlib.h>

#include <openssl/evp.h>

#include "base/cancel.h"
#include "base/err.h"
#include "base/io.h"

#define MD5_LEN   16
#define CHUNK_LEN (256u << 10)

static int unsupported(struct err *err)
{
    return err_set(err, ERR_UNSUPPORTED, "cannot compute MD5");
}

/* "-fips" because a library in FIPS mode would refuse MD5, which serves no security purpose here.
 */
static int begin(EVP_MD_CTX **ret_context, struct err *err)
{
    EVP_MD *md5 = EVP_MD_fetch(NULL, "MD5", "-fips");
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    int r = 0;

    if (md5 == NULL || context == NULL || EVP_DigestInit_ex(context, md5, NULL) != 1) {
        EVP_MD_CTX_free(context);
        context = NULL;
        r = unsupported(err);
    }
    EVP_MD_free(md5);
    *ret_context = context;
    return r;
}

static int end(EVP_MD_CTX *context, char ret_md5[S3_MD5_SIZE], struct err *err)
{
    uint8_t digest[EVP_MAX_MD_SIZE];

    if (EVP_DigestFinal_ex(context, digest, NULL) != 1)
        return unsupported(err);
    (void)EVP_EncodeBlock((uint8_t *)ret_md5, digest, MD5_LEN);
    return 0;
}

int s3_md5_text(struct str text, char ret_md5[S3_MD5_SIZE], struct err *err)
{
    EVP_MD_CTX *context;
    int r;

    r = begin(&context, err);
    if (r < 0)
        return r;
    r = EVP_DigestUpdate(context, text.ptr, text.len) == 1 ? end(context, ret_md5, err)
                                                           : unsupported(err);
    EVP_MD_CTX_free(context);
    return r;
}

int s3_md5_source(struct io_source *source, const struct cancel *cancel, char ret_md5[S3_MD5_SIZE],
                  struct err *err)
{
    uint8_t *chunk = malloc(CHUNK_LEN);
    EVP_MD_CTX *context = NULL;
    size_t len = 1;
    int r;

    r = chunk != NULL ? begin(&context, err) : err_nomem(err);
    if (r == 0)
        r = io_rewind(source, err);
    while (r == 0 && len > 0) {
        r = cancel_check(cancel, err);
        if (r == 0)
            r = io_read(source, chunk, CHUNK_LEN, &len, err);
        if (r == 0 && EVP_DigestUpdate(context, chunk, len) != 1)
            r = unsupported(err);
    }
    if (r == 0)
        r = end(context, ret_md5, err);
    EVP_MD_CTX_free(context);
    free(chunk);
    return r;
}

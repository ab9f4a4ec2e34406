#include "s3/client_certificate.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "base/err.h"
#include "base/parse.h"
#include "base/secret.h"

/* For OpenSSL's question, which must never go to a terminal. */
struct question {
    const struct secret *password;
    bool was_asked;
};

static int answer(char *to, int size, int for_writing, void *context)
{
    struct question *question = context;
    const struct secret *password = question->password;

    (void)for_writing;
    question->was_asked = true;
    if (password == NULL || !secret_is_set(password) || password->len > (size_t)size)
        return -1;
    memcpy(to, password->ptr, password->len);
    return (int)password->len;
}

static int refuse_certificate(const char *path, struct err *err)
{
    (void)err_set(err, ERR_CONFIG, "client_cert: there is no certificate in '%s'", path);
    err_hint(err, "it must be a PEM file with -----BEGIN CERTIFICATE----- in it");
    return ERR_CONFIG;
}

static int open_file(const char *setting, const char *path, BIO **ret_file, struct err *err)
{
    *ret_file = BIO_new_file(path, "r");
    if (*ret_file != NULL)
        return 0;
    (void)err_set_errno(err, "%s: open '%s'", setting, path);
    if (err != NULL)
        err->code = ERR_CONFIG;
    return ERR_CONFIG;
}

static int read_certificate(const char *path, X509 **ret_certificate, struct err *err)
{
    BIO *file;
    int r;

    r = open_file("client_cert", path, &file, err);
    if (r < 0)
        return r;
    *ret_certificate = PEM_read_bio_X509(file, NULL, NULL, NULL);
    (void)BIO_free(file);
    return *ret_certificate != NULL ? 0 : refuse_certificate(path, err);
}

static int read_key(const char *setting, const char *path, const struct secret *password,
                    EVP_PKEY **ret_key, struct err *err)
{
    struct question question = { password, false };
    BIO *file;
    int r;

    r = open_file(setting, path, &file, err);
    if (r < 0)
        return r;
    *ret_key = PEM_read_bio_PrivateKey(file, NULL, answer, &question);
    (void)BIO_free(file);
    if (*ret_key != NULL)
        return 0;
    if (!question.was_asked) {
        (void)err_set(err, ERR_CONFIG, "%s: there is no private key in '%s'", setting, path);
        err_hint(err,
                 "it must be a PEM file with -----BEGIN PRIVATE KEY----- in it: see client_key");
    } else if (password == NULL || !secret_is_set(password)) {
        (void)err_set(err, ERR_CONFIG, "%s: the key in '%s' is encrypted", setting, path);
        err_hint(err, "set client_key_password, or better client_key_password_file");
    } else {
        (void)err_set(err, ERR_CONFIG, "%s: client_key_password does not open the key in '%s'",
                      setting, path);
        err_hint(err, "openssl pkey -in FILE -noout tells whether a password is right");
    }
    return ERR_CONFIG;
}

static int64_t time_ms(const ASN1_TIME *time)
{
    struct tm tm;

    return ASN1_TIME_to_tm(time, &tm) == 1 ? (int64_t)timegm(&tm) * 1000 : 0;
}

static int check_validity(const X509 *certificate, const char *path, int64_t now_ms,
                          int64_t *ret_ends_ms, struct err *err)
{
    const int64_t begins_ms = time_ms(X509_get0_notBefore(certificate));
    const int64_t ends_ms = time_ms(X509_get0_notAfter(certificate));
    char when[FORMAT_TIME_SIZE];

    *ret_ends_ms = ends_ms;
    if (now_ms >= begins_ms && now_ms < ends_ms)
        return 0;
    format_time_utc(now_ms < begins_ms ? begins_ms : ends_ms, false, when);
    (void)err_set(err, ERR_CONFIG, "client_cert: the certificate in '%s' %s %s", path,
                  now_ms < begins_ms ? "is not valid before" : "has expired, on", when);
    err_hint(err, "renew it, or set this machine's clock right");
    return ERR_CONFIG;
}

int client_certificate_check(const struct client_certificate *files, int64_t now_ms,
                             int64_t *ret_ends_ms, struct err *err)
{
    const bool has_cert = files->cert_file != NULL && files->cert_file[0] != '\0';
    const bool has_key = files->key_file != NULL && files->key_file[0] != '\0';
    X509 *certificate = NULL;
    EVP_PKEY *key = NULL;
    int r;

    *ret_ends_ms = 0;
    if (!has_cert) {
        if (!has_key)
            return 0;
        (void)err_set(err, ERR_CONFIG, "client_key is set, but client_cert is not");
        err_hint(err, "client_cert names the certificate that belongs to the key");
        return ERR_CONFIG;
    }
    r = read_certificate(files->cert_file, &certificate, err);
    if (r == 0) {
        r = has_key ? read_key("client_key", files->key_file, files->key_password, &key, err)
                    : read_key("client_cert", files->cert_file, files->key_password, &key, err);
    }
    if (r == 0 && X509_check_private_key(certificate, key) != 1) {
        r = err_set(err, ERR_CONFIG, "the key in '%s' is not that of the certificate in '%s'",
                    has_key ? files->key_file : files->cert_file, files->cert_file);
        err_hint(err, "client_cert and client_key must have been made together; the client's own "
                      "certificate comes first in the file");
    }
    if (r == 0)
        r = check_validity(certificate, files->cert_file, now_ms, ret_ends_ms, err);
    EVP_PKEY_free(key);
    X509_free(certificate);
    ERR_clear_error(); /* OpenSSL's own list of this thread, which libcurl looks at */
    return r;
}

/* Goal: a client certificate that no server would take is found out before any is asked, with what
 * to do about it. */
#include "tests/harness/test.h"

#include "s3/client_certificate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "base/err.h"
#include "base/file.h"
#include "base/secret.h"
#include "tests/harness/temp_dir.h"

#define HOUR_MS  INT64_C(3600000)
#define PASSWORD "hunter2"

/* A certificate for the hour from now on, its key in clear and encrypted, and another key. */
struct files {
    char *dir;
    char *cert, *key, *locked_key, *other_key, *both, *missing;
    int64_t now_ms;
};

static FILE *open_new(const struct files *files, const char *name, char **ret_path)
{
    FILE *file;

    *ret_path = path_join(files->dir, name);
    file = fopen(*ret_path, "we");
    assert_non_null(file);
    return file;
}

static X509 *make_certificate(EVP_PKEY *key)
{
    X509 *certificate = X509_new();

    assert_int_equal(ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1), 1);
    assert_non_null(X509_gmtime_adj(X509_getm_notBefore(certificate), 0));
    assert_non_null(X509_gmtime_adj(X509_getm_notAfter(certificate), 3600));
    assert_int_equal(X509_set_pubkey(certificate, key), 1);
    assert_true(X509_sign(certificate, key, EVP_sha256()) > 0);
    return certificate;
}

static void write_key(const struct files *files, const char *name, EVP_PKEY *key,
                      const char *password, char **ret_path)
{
    FILE *file = open_new(files, name, ret_path);
    const int len = password != NULL ? (int)strlen(password) : 0;

    assert_int_equal(PEM_write_PKCS8PrivateKey(file, key,
                                               password != NULL ? EVP_aes_256_cbc() : NULL,
                                               password, len, NULL, NULL),
                     1);
    assert_int_equal(fclose(file), 0);
}

static void files_init(struct files *files)
{
    EVP_PKEY *key = EVP_EC_gen("P-256"), *other = EVP_EC_gen("P-256");
    X509 *certificate = make_certificate(key);
    FILE *file;

    memset(files, 0, sizeof(*files));
    files->dir = temp_dir_new();
    files->now_ms = (int64_t)time(NULL) * 1000 + 60000;
    file = open_new(files, "cert.pem", &files->cert);
    assert_int_equal(PEM_write_X509(file, certificate), 1);
    assert_int_equal(fclose(file), 0);
    write_key(files, "key.pem", key, NULL, &files->key);
    write_key(files, "locked.pem", key, PASSWORD, &files->locked_key);
    write_key(files, "other.pem", other, NULL, &files->other_key);
    file = open_new(files, "both.pem", &files->both);
    assert_int_equal(PEM_write_PKCS8PrivateKey(file, key, NULL, NULL, 0, NULL, NULL), 1);
    assert_int_equal(PEM_write_X509(file, certificate), 1);
    assert_int_equal(fclose(file), 0);
    files->missing = path_join(files->dir, "missing.pem");
    X509_free(certificate);
    EVP_PKEY_free(key);
    EVP_PKEY_free(other);
}

static void files_dispose(struct files *files)
{
    char *const paths[] = { files->cert,      files->key,  files->locked_key,
                            files->other_key, files->both, files->missing };

    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
        free(paths[i]);
    temp_dir_free(files->dir);
}

static void check_good(const struct client_certificate *certificate, int64_t now_ms)
{
    struct err err = { 0 };
    int64_t ends_ms = 0;

    if (client_certificate_check(certificate, now_ms, &ends_ms, &err) < 0)
        fail_msg("%s", err.msg);
    assert_true(ends_ms > now_ms && ends_ms <= now_ms + HOUR_MS);
}

static void takes_what_belongs_together(void **state)
{
    char text[] = PASSWORD;
    const struct secret password = { text, sizeof(text) - 1 };
    struct files files;
    int64_t ends_ms = 1;

    (void)state;
    files_init(&files);
    check_good(&(struct client_certificate){ files.cert, files.key, NULL }, files.now_ms);
    check_good(&(struct client_certificate){ files.both, NULL, NULL }, files.now_ms);
    check_good(&(struct client_certificate){ files.both, "", &password }, files.now_ms);
    check_good(&(struct client_certificate){ files.cert, files.locked_key, &password },
               files.now_ms);
    assert_int_equal(
        client_certificate_check(&(struct client_certificate){ "", NULL, NULL }, 0, &ends_ms, NULL),
        0);
    assert_int_equal(ends_ms, 0);
    files_dispose(&files);
}

static void check_bad(const struct client_certificate *certificate, int64_t now_ms,
                      const char *says, const char *hint)
{
    struct err err = { 0 };
    int64_t ends_ms;

    assert_int_equal(client_certificate_check(certificate, now_ms, &ends_ms, &err), ERR_CONFIG);
    assert_int_equal(err.code, ERR_CONFIG);
    if (strstr(err.msg, says) == NULL || strstr(err.hint, hint) == NULL)
        fail_msg("'%s' (%s) does not say '%s' (%s)", err.msg, err.hint, says, hint);
    assert_null(strstr(err.msg, PASSWORD));
}

static void says_what_is_wrong_with_the_rest(void **state)
{
    char text[] = PASSWORD "?";
    const struct secret wrong = { text, sizeof(text) - 1 };
    struct files f;

    (void)state;
    files_init(&f);
    check_bad(&(struct client_certificate){ NULL, f.key, NULL }, f.now_ms, "client_cert is not",
              "client_cert names");
    check_bad(&(struct client_certificate){ f.missing, f.key, NULL }, f.now_ms, f.missing, "");
    check_bad(&(struct client_certificate){ f.key, f.key, NULL }, f.now_ms, "no certificate",
              "BEGIN CERTIFICATE");
    check_bad(&(struct client_certificate){ f.cert, f.missing, NULL }, f.now_ms, "client_key", "");
    check_bad(&(struct client_certificate){ f.cert, NULL, NULL }, f.now_ms, "no private key",
              "client_key");
    check_bad(&(struct client_certificate){ f.cert, f.other_key, NULL }, f.now_ms, "is not that of",
              "together");
    check_bad(&(struct client_certificate){ f.cert, f.locked_key, NULL }, f.now_ms, "encrypted",
              "client_key_password");
    check_bad(&(struct client_certificate){ f.cert, f.locked_key, &wrong }, f.now_ms,
              "does not open", "password");
    check_bad(&(struct client_certificate){ f.both, NULL, NULL }, f.now_ms + HOUR_MS, "has expired",
              "renew it");
    check_bad(&(struct client_certificate){ f.both, NULL, NULL }, f.now_ms - HOUR_MS,
              "not valid before", "clock");
    files_dispose(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_what_belongs_together),
        cmocka_unit_test(says_what_is_wrong_with_the_rest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

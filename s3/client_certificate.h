/*
 * client_certificate.h - a certificate that shows the server who we are, and whether it can.
 *
 * Files are PEM.  They are read again for each connection, so that another program may renew them.
 */
#ifndef S3_CLIENT_CERTIFICATE_H
#define S3_CLIENT_CERTIFICATE_H

#include <stdint.h>

struct err;
struct secret;

struct client_certificate {
    const char *cert_file;             /* NULL or empty: none */
    const char *key_file;              /* NULL or empty: the key is in cert_file */
    const struct secret *key_password; /* NULL or unset: the key has none */
};

/**
 * Whether the files hold a certificate that is valid at now_ms and the key that belongs to it.
 *
 * @param[out] ret_ends_ms until when it is valid; 0 when there is none
 *
 * Errors: ERR_CONFIG, with a hint.
 */
int client_certificate_check(const struct client_certificate *files, int64_t now_ms,
                             int64_t *ret_ends_ms, struct err *err);

#endif

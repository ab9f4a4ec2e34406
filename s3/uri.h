/*
 * uri.h - percent-encoding as S3 signs it, and query strings in canonical order.  Pure.
 *
 * What is built here is sent byte for byte as it is signed: servers differ in what they encode
 * again before they compare, and all agree on text that is canonical already.
 *
 * Source: docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html (UriEncode)
 */
#ifndef S3_URI_H
#define S3_URI_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

struct err;

#define URI_PARAM_COUNT_MAX 64

struct uri_param {
    const char *name;
    const char *value; /* NULL is the empty value: "uploads" is sent as "uploads=" */
};

/* Append text with every byte but A-Z a-z 0-9 - . _ ~ as %XX; '/' is kept in paths. */
void uri_encode(struct buf *to, struct str text, bool keep_slash);

/* Append the decoded text; plus_is_space is how listings with encoding-type=url have it.
 * ERR_PROTOCOL when a '%' is not followed by two hex digits. */
int uri_decode(struct buf *to, struct str text, bool plus_is_space, struct err *err);

/* Append "a=1&b=" encoded and sorted by encoded name, then by encoded value; ERR_LIMIT past
 * URI_PARAM_COUNT_MAX. */
int uri_query(struct buf *to, const struct uri_param *params, size_t param_count, struct err *err);

#endif

/*
 * md5.h - the value of a Content-MD5 header, which S3 asks for where requests delete or lock.
 *
 * What is sent is signed with its SHA-256 all the same: this is for servers that insist.
 */
#ifndef S3_MD5_H
#define S3_MD5_H

#include "base/buf.h"

struct cancel;
struct err;
struct io_source;

#define S3_MD5_SIZE 25 /* base64 of 16 bytes, and the NUL */

/* ERR_UNSUPPORTED where the library has no MD5. */
int s3_md5_text(struct str text, char ret_md5[S3_MD5_SIZE], struct err *err);
/* Read source to its end, from its beginning. */
int s3_md5_source(struct io_source *source, const struct cancel *cancel, char ret_md5[S3_MD5_SIZE],
                  struct err *err);

#endif

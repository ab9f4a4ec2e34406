/*
 * s3_rig.h - an S3 client on a fake transport and a fake clock, for the tests of its operations.
 *
 * The bucket is "bucket" at http://s3.test, region us-east-1, ten attempts.
 */
#ifndef TESTS_HARNESS_S3_RIG_H
#define TESTS_HARNESS_S3_RIG_H

#include "base/cancel.h"
#include "base/err.h"
#include "s3/client.h"
#include "tests/harness/fake_clock.h"
#include "tests/harness/fake_transport.h"

#define S3_RIG_NOW_MS  INT64_C(1795417528000) /* Mon, 23 Nov 2026 07:05:28 GMT */
#define S3_RIG_URL     "http://s3.test/bucket"
#define S3_ERROR(code) "<?xml version=\"1.0\"?><Error><Code>" code "</Code></Error>"

struct s3_rig {
    struct fake_transport fake;
    struct fake_clock clock;
    struct cancel cancel;
    struct s3_client *client;
    struct err err;
    char warnings[4096]; /* what was logged at WARN, each line with its end */
};

void s3_rig_init(struct s3_rig *rig, const struct fake_reply *replies, size_t reply_count);
/* Fails the test when replies are left over. */
void s3_rig_dispose(struct s3_rig *rig);
/* As above, when an operation is meant to end before its script does. */
void s3_rig_dispose_early(struct s3_rig *rig);

#define S3_RIG_INIT(rig, replies) s3_rig_init(rig, replies, sizeof(replies) / sizeof((replies)[0]))

/* Fails the test unless request `index` was this one; url begins after S3_RIG_URL. */
void s3_rig_check(const struct s3_rig *rig, size_t index, enum http_method method, const char *url);

#endif

/*
 * credentials_rig.h - sources of credentials on a fake transport and a fake clock, and an
 * environment without any of AWS's variables.
 */
#ifndef TESTS_HARNESS_CREDENTIALS_RIG_H
#define TESTS_HARNESS_CREDENTIALS_RIG_H

#include "base/cancel.h"
#include "base/err.h"
#include "s3/credentials.h"
#include "s3/credentials_source.h"
#include "tests/harness/fake_clock.h"
#include "tests/harness/fake_transport.h"

#define CREDENTIALS_RIG_NOW_MS INT64_C(1795417528000) /* Mon, 23 Nov 2026 07:05:28 GMT */

struct credentials_rig {
    struct fake_transport fake;
    struct fake_clock clock;
    struct cancel cancel;
    struct s3_source_context context;
    struct err err;
};

void credentials_rig_init(struct credentials_rig *rig, const struct fake_reply *replies,
                          size_t reply_count);
void credentials_rig_dispose(struct credentials_rig *rig); /* no reply may be left over */

#define CREDENTIALS_RIG_INIT(rig, replies)                                                         \
    credentials_rig_init(rig, replies, sizeof(replies) / sizeof((replies)[0]))

/* Frees source after one fetch, which must give these; token NULL: none. */
void credentials_rig_expect(struct credentials_rig *rig, struct s3_credentials_source *source,
                            const char *id, const char *secret, const char *token);
/* Frees source after one fetch, which must fail with code and a message that has says in it. */
void credentials_rig_expect_error(struct credentials_rig *rig, struct s3_credentials_source *source,
                                  int code, const char *says);

/* Unset AWS_..., HOME; then no test can ask a real instance.  A cmocka setup function. */
int credentials_rig_no_environment(void **state);
void credentials_rig_set(const char *name, const char *value); /* NULL: unset */

#endif

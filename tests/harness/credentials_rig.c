#include "tests/harness/credentials_rig.h"

#include "tests/harness/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void credentials_rig_init(struct credentials_rig *rig, const struct fake_reply *replies,
                          size_t reply_count)
{
    memset(rig, 0, sizeof(*rig));
    fake_transport_init(&rig->fake, replies, reply_count);
    fake_clock_init(&rig->clock, CREDENTIALS_RIG_NOW_MS);
    rig->context.transport = &rig->fake.transport;
    rig->context.clock = &rig->clock.clock;
    rig->context.cancel = &rig->cancel;
}

void credentials_rig_dispose(struct credentials_rig *rig)
{
    const size_t left = rig->fake.reply_count - rig->fake.replied_count;

    fake_transport_dispose(&rig->fake);
    assert_int_equal(left, 0);
}

void credentials_rig_expect(struct credentials_rig *rig, struct s3_credentials_source *source,
                            const char *id, const char *secret, const char *token)
{
    struct s3_credentials found = S3_CREDENTIALS_INIT;
    const int r = source->ops->fetch(source, &found, &rig->err);

    s3_credentials_source_free(source);
    if (r < 0)
        fail_msg("%s", rig->err.msg);
    assert_string_equal(found.access_key_id, id);
    assert_string_equal(found.secret_access_key.ptr, secret);
    assert_int_equal(secret_is_set(&found.session_token), token != NULL);
    if (token != NULL)
        assert_string_equal(found.session_token.ptr, token);
    s3_credentials_dispose(&found);
}

void credentials_rig_expect_error(struct credentials_rig *rig, struct s3_credentials_source *source,
                                  int code, const char *says)
{
    struct s3_credentials found = S3_CREDENTIALS_INIT;
    const int r = source->ops->fetch(source, &found, &rig->err);

    s3_credentials_source_free(source);
    assert_null(found.access_key_id);
    if (r != code || rig->err.code != code || strstr(rig->err.msg, says) == NULL)
        fail_msg("%d, '%s' is not %d, '%s'", r, rig->err.msg, code, says);
}

void credentials_rig_set(const char *name, const char *value)
{
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): one thread */
    assert_int_equal(value != NULL ? setenv(name, value, 1) : unsetenv(name), 0);
}

int credentials_rig_no_environment(void **state)
{
    size_t i = 0;

    (void)state;
    while (environ[i] != NULL) {
        char name[128];

        (void)snprintf(name, sizeof(name), "%.*s", (int)strcspn(environ[i], "="), environ[i]);
        if (strncmp(name, "AWS_", 4) == 0 || strcmp(name, "HOME") == 0) {
            credentials_rig_set(name, NULL); /* the next one takes its place */
        } else {
            i++;
        }
    }
    return 0;
}

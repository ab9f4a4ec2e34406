#include "tests/harness/s3_rig.h"

#include "tests/harness/test.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/secret.h"

static void keep_warning(void *context, enum log_level level, const char *line)
{
    struct s3_rig *rig = context;
    const size_t len = strlen(rig->warnings);

    if (level == LOG_LEVEL_WARN)
        (void)snprintf(rig->warnings + len, sizeof(rig->warnings) - len, "%s\n", line);
}

void s3_rig_init(struct s3_rig *rig, const struct fake_reply *replies, size_t reply_count)
{
    struct secret secret = SECRET_INIT;
    const struct s3_options options = {
        .bucket = "bucket",
        .endpoint = "http://s3.test",
        .access_key_id = "AKID",
        .secret_access_key = &secret,
        .cancel = &rig->cancel,
        .clock = &rig->clock.clock,
        .transport = &rig->fake.transport,
    };

    memset(rig, 0, sizeof(*rig));
    fake_transport_init(&rig->fake, replies, reply_count);
    fake_clock_init(&rig->clock, S3_RIG_NOW_MS);
    log_set_sink(keep_warning, rig, LOG_LEVEL_DEBUG);
    assert_int_equal(secret_set(&secret, "SECRET", 6, NULL), 0);
    assert_int_equal(s3_client_new(&options, &rig->client, &rig->err), 0);
    secret_dispose(&secret);
}

void s3_rig_dispose_early(struct s3_rig *rig)
{
    s3_client_free(rig->client);
    fake_transport_dispose(&rig->fake);
    log_set_sink(NULL, NULL, LOG_LEVEL_ERROR);
}

void s3_rig_dispose(struct s3_rig *rig)
{
    const size_t left = rig->fake.reply_count - rig->fake.replied_count;

    s3_rig_dispose_early(rig);
    assert_int_equal(left, 0);
}

void s3_rig_check(const struct s3_rig *rig, size_t index, enum http_method method, const char *url)
{
    char whole[4096];

    assert_true(index < rig->fake.request_count);
    (void)snprintf(whole, sizeof(whole), "%s%s", S3_RIG_URL, url);
    assert_string_equal(http_method_name(rig->fake.requests[index].method),
                        http_method_name(method));
    assert_string_equal(rig->fake.requests[index].url.ptr, whole);
}

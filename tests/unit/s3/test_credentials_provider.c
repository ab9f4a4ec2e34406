/* Goal: credentials are fresh for all threads, are fetched no more often than needed, and a fetch
 * that fails is no failure while the old ones are valid. */
#include "tests/harness/test.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "s3/credentials_provider.h"
#include "tests/harness/credentials_rig.h"

#define NOW    CREDENTIALS_RIG_NOW_MS
#define MINUTE INT64_C(60000)

/* The n-th fetch gives key "K<n>" that ends at ends_ms, or fails. */
struct script {
    struct s3_credentials_source source;
    int64_t ends_ms;
    int code;
    unsigned count;
    bool is_slow; /* waits for go, having said begun */
    sem_t begun, go;
};

static int script_fetch(struct s3_credentials_source *source, struct s3_credentials *ret,
                        struct err *err)
{
    static const struct s3_credentials_names names = { "test", "id", "secret", "token" };
    struct script *self = (struct script *)source;
    char id[16];
    int r;

    self->count++;
    if (self->is_slow) {
        (void)sem_post(&self->begun);
        (void)sem_wait(&self->go);
    }
    if (self->code < 0)
        return err_set(err, self->code, "scripted failure");
    (void)snprintf(id, sizeof(id), "K%u", self->count);
    r = s3_credentials_take(&names, str_from(id), STR_LIT("s"), STR_LIT("t"), ret, err);
    ret->expires_ms = self->ends_ms;
    return r < 0 ? r : 0;
}

static void script_free(struct s3_credentials_source *source)
{
    (void)source;
}

static struct s3_credentials_provider *begin(struct script *script)
{
    static const struct s3_credentials_source_ops ops = { script_fetch, script_free };
    struct s3_credentials_provider *provider = NULL;

    memset(script, 0, sizeof(*script));
    script->source = (struct s3_credentials_source){ &ops, "the test", false, false };
    script->ends_ms = NOW + 60 * MINUTE;
    assert_int_equal(sem_init(&script->begun, 0, 0), 0);
    assert_int_equal(sem_init(&script->go, 0, 0), 0);
    assert_int_equal(s3_credentials_provider_new(&script->source, &provider, NULL), 0);
    return provider;
}

static uint64_t expect(struct s3_credentials_provider *provider, int64_t now_ms, const char *id)
{
    struct s3_credentials found = S3_CREDENTIALS_INIT;
    struct err err = { 0 };
    uint64_t generation = 0;

    if (s3_credentials_provider_get(provider, now_ms, &found, &generation, &err) < 0)
        fail_msg("%s", err.msg);
    assert_string_equal(found.access_key_id, id);
    s3_credentials_dispose(&found);
    return generation;
}

static void expect_error(struct s3_credentials_provider *provider, int64_t now_ms, int code)
{
    struct s3_credentials found = S3_CREDENTIALS_INIT;
    struct err err = { 0 };
    uint64_t generation = 0;

    assert_int_equal(s3_credentials_provider_get(provider, now_ms, &found, &generation, &err),
                     code);
    assert_int_equal(err.code, code);
    assert_string_equal(err.msg, "scripted failure");
}

static void are_fetched_once_and_again_minutes_before_they_end(void **state)
{
    struct s3_credentials_provider *provider;
    struct script script;

    (void)state;
    provider = begin(&script);
    expect(provider, NOW, "K1");
    expect(provider, NOW + 53 * MINUTE, "K1");
    assert_int_equal(script.count, 1);
    script.ends_ms = NOW + 120 * MINUTE;
    expect(provider, NOW + 56 * MINUTE, "K2");
    expect(provider, NOW + 60 * MINUTE, "K2");
    assert_int_equal(script.count, 2);
    s3_credentials_provider_free(provider);
}

static void short_lived_ones_are_replaced_at_half_their_life(void **state)
{
    struct s3_credentials_provider *provider;
    struct script script;

    (void)state;
    provider = begin(&script);
    script.ends_ms = NOW + 4000;
    expect(provider, NOW, "K1");
    expect(provider, NOW + 1999, "K1");
    expect(provider, NOW + 2000, "K2");
    s3_credentials_provider_free(provider);
}

static void those_that_do_not_end_stay(void **state)
{
    struct s3_credentials_provider *provider;
    struct script script;

    (void)state;
    provider = begin(&script);
    script.ends_ms = 0;
    expect(provider, NOW, "K1");
    expect(provider, NOW + 1000000 * MINUTE, "K1");
    s3_credentials_provider_free(provider);
}

static void a_failure_is_tolerated_while_the_old_ones_are_valid(void **state)
{
    struct s3_credentials_provider *provider;
    struct script script;

    (void)state;
    provider = begin(&script);
    expect(provider, NOW, "K1");
    script.code = ERR_NET;
    expect(provider, NOW + 57 * MINUTE, "K1");
    expect(provider, NOW + 57 * MINUTE + 1, "K1"); /* not at every request */
    assert_int_equal(script.count, 2);
    expect(provider, NOW + 59 * MINUTE, "K1");
    assert_int_equal(script.count, 3);
    expect_error(provider, NOW + 60 * MINUTE, ERR_NET);
    script.code = 0;
    script.ends_ms = NOW + 120 * MINUTE;
    expect(provider, NOW + 61 * MINUTE, "K5");
    s3_credentials_provider_free(provider);
}

static void without_any_a_failure_is_one(void **state)
{
    struct s3_credentials_provider *provider;
    struct script script;

    (void)state;
    provider = begin(&script);
    script.code = ERR_DENIED;
    expect_error(provider, NOW, ERR_DENIED);
    script.code = 0;
    expect(provider, NOW, "K2");
    s3_credentials_provider_free(provider);
}

static void what_the_server_refuses_is_replaced_at_once(void **state)
{
    struct s3_credentials_provider *provider;
    struct script script;
    uint64_t first, second;

    (void)state;
    provider = begin(&script);
    first = expect(provider, NOW, "K1");
    assert_true(s3_credentials_provider_expire(provider, first));
    second = expect(provider, NOW, "K2");
    assert_true(second != first);
    assert_true(s3_credentials_provider_expire(provider, first)); /* somebody who is late */
    expect(provider, NOW, "K2");
    assert_true(s3_credentials_provider_expire(provider, second));
    script.code = ERR_NET;
    expect_error(provider, NOW, ERR_NET); /* refused ones are not valid, whatever their end */
    s3_credentials_provider_free(provider);
}

static void there_is_no_replacing_fixed_ones(void **state)
{
    struct s3_credentials_provider *provider;
    struct script script;
    uint64_t generation;

    (void)state;
    provider = begin(&script);
    script.source.is_fixed = true;
    generation = expect(provider, NOW, "K1");
    assert_false(s3_credentials_provider_expire(provider, generation));
    expect(provider, NOW, "K1");
    s3_credentials_provider_free(provider);
}

static void those_that_have_ended_on_arrival_are_tried_all_the_same(void **state)
{
    struct s3_credentials_provider *provider;
    struct script script;

    (void)state; /* it is this machine's clock that may be wrong */
    provider = begin(&script);
    script.ends_ms = NOW - 1;
    expect(provider, NOW, "K1");
    expect(provider, NOW + 1, "K1");
    expect(provider, NOW + 2 * MINUTE, "K2");
    s3_credentials_provider_free(provider);
}

struct asker {
    struct s3_credentials_provider *provider;
    int64_t now_ms;
    char id[16];
};

static void *ask(void *context)
{
    struct asker *asker = context;
    struct s3_credentials found = S3_CREDENTIALS_INIT;
    uint64_t generation;

    if (s3_credentials_provider_get(asker->provider, asker->now_ms, &found, &generation, NULL) == 0)
        (void)snprintf(asker->id, sizeof(asker->id), "%s", found.access_key_id);
    s3_credentials_dispose(&found);
    return NULL;
}

static void others_go_on_with_the_old_ones_while_one_fetches(void **state)
{
    struct asker asker = { .now_ms = NOW + 57 * MINUTE };
    struct script script;
    pthread_t thread;

    (void)state;
    asker.provider = begin(&script);
    expect(asker.provider, NOW, "K1");
    script.is_slow = true;
    script.ends_ms = NOW + 120 * MINUTE;
    assert_int_equal(pthread_create(&thread, NULL, ask, &asker), 0);
    (void)sem_wait(&script.begun);
    expect(asker.provider, NOW + 57 * MINUTE, "K1"); /* does not wait */
    (void)sem_post(&script.go);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_string_equal(asker.id, "K2");
    assert_int_equal(script.count, 2);
    s3_credentials_provider_free(asker.provider);
}

static void without_valid_ones_all_wait_for_one_fetch(void **state)
{
    struct asker askers[4] = { { 0 } };
    struct script script;
    struct s3_credentials_provider *provider;
    pthread_t threads[4];

    (void)state;
    provider = begin(&script);
    script.is_slow = true;
    for (size_t i = 0; i < 4; i++) {
        askers[i] = (struct asker){ provider, NOW, "" };
        assert_int_equal(pthread_create(&threads[i], NULL, ask, &askers[i]), 0);
    }
    (void)sem_wait(&script.begun);
    (void)sem_post(&script.go);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_string_equal(askers[i].id, "K1");
    }
    assert_int_equal(script.count, 1);
    s3_credentials_provider_free(provider);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(are_fetched_once_and_again_minutes_before_they_end),
        cmocka_unit_test(short_lived_ones_are_replaced_at_half_their_life),
        cmocka_unit_test(those_that_do_not_end_stay),
        cmocka_unit_test(a_failure_is_tolerated_while_the_old_ones_are_valid),
        cmocka_unit_test(without_any_a_failure_is_one),
        cmocka_unit_test(what_the_server_refuses_is_replaced_at_once),
        cmocka_unit_test(there_is_no_replacing_fixed_ones),
        cmocka_unit_test(those_that_have_ended_on_arrival_are_tried_all_the_same),
        cmocka_unit_test(others_go_on_with_the_old_ones_while_one_fetches),
        cmocka_unit_test(without_valid_ones_all_wait_for_one_fetch),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

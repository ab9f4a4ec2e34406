/* Goal: a commit is there once or not at all, and two writers lose nothing. */
#include "snapshot/catalog.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/io.h"
#include "store/object_store.h"
#include "tests/harness/fault_store.h"
#include "tests/harness/memory_store.h"
#include "tests/harness/test.h"

/* Time passes at once: waits for another try cost nothing. */
static int64_t no_ms(struct clock *clock)
{
    (void)clock;
    return INT64_C(1795413600000);
}

static void no_sleep(struct clock *clock, int64_t ms, const struct cancel *cancel)
{
    (void)clock;
    (void)ms;
    (void)cancel;
}

static const struct clock_ops still_ops = { no_ms, no_ms, no_sleep };
static struct clock still = { &still_ops };
static const struct catalog_commit_options options = { .clock = &still, .attempts_max = 10 };

/* A change that adds one backup, the number-th. */
static int add(void *context, struct manifest *manifest, struct err *err)
{
    const int number = *(int *)context;
    struct backup_record backup = { .page_size = 512, .page_count = 1, .size = 512 };
    struct pack_record pack = { .size = 100, .slot_count = 1 };
    char host[] = "h", path[] = "/p";

    (void)snprintf(backup.id, sizeof(backup.id), "00000000-0000-4000-8000-%012d", number);
    memcpy(pack.id, backup.id, sizeof(pack.id));
    backup.created_at_ms = no_ms(NULL) + number;
    backup.host = host;
    backup.path = path;
    return manifest_add_backup(manifest, &backup, &pack, NULL, 0, err);
}

static int commit(struct object_store *store, int number, struct err *err)
{
    struct manifest manifest = MANIFEST_INIT;
    int r;

    r = catalog_load(store, "app", true, &manifest, err);
    if (r == 0)
        r = catalog_commit(store, &manifest, add, &number, &options, err);
    manifest_dispose(&manifest);
    return r;
}

/* How often the number-th backup is listed. */
static int listed(struct object_store *store, int number, size_t *ret_count)
{
    struct manifest manifest = MANIFEST_INIT;
    char id[UUID_TEXT_SIZE];
    int found = 0;

    if (ret_count != NULL)
        *ret_count = 0;
    if (catalog_load(store, "app", true, &manifest, NULL) < 0)
        return -1;
    (void)snprintf(id, sizeof(id), "00000000-0000-4000-8000-%012d", number);
    for (size_t i = 0; i < manifest.backup_count; i++)
        found += strcmp(manifest.backups[i].id, id) == 0;
    if (ret_count != NULL)
        *ret_count = manifest.backup_count;
    manifest_dispose(&manifest);
    return found;
}

static struct object_store *new_store(struct memory_quirks *quirks)
{
    struct object_store *store = NULL;

    assert_int_equal(memory_store_new(quirks, &store, NULL), 0);
    return store;
}

static void each_commit_is_a_generation_of_its_own(void **state)
{
    static const enum memory_conditional kinds[] = { MEMORY_SUPPORTS, MEMORY_REFUSES,
                                                     MEMORY_IGNORES };

    (void)state;
    for (size_t k = 0; k < 3; k++) {
        struct memory_quirks quirks = { .conditional = kinds[k] };
        struct object_store *store = new_store(&quirks);
        struct manifest manifest = MANIFEST_INIT;

        for (int i = 1; i <= 3; i++)
            assert_int_equal(commit(store, i, NULL), 0);
        assert_int_equal(catalog_load(store, "app", false, &manifest, NULL), 0);
        assert_int_equal(manifest.generation, 3);
        assert_int_equal(manifest.backup_count, 3);
        assert_int_equal(manifest.conditional_writes, (int)kinds[k]); /* found out, and kept */
        assert_int_equal(memory_store_count(store), 3);               /* and no probe is left */
        manifest_dispose(&manifest);
        object_store_free(store);
    }
}

static void a_steady_commit_is_one_request_after_the_load(void **state)
{
    struct memory_quirks quirks = { .conditional = MEMORY_SUPPORTS };
    struct object_store *store = new_store(&quirks);

    (void)state;
    assert_int_equal(commit(store, 1, NULL), 0);
    quirks.calls = 0;
    assert_int_equal(commit(store, 2, NULL), 0);
    assert_int_equal(quirks.calls, 3); /* LIST, GET, PUT */
    object_store_free(store);
}

static void whatever_call_fails_nothing_is_lost_or_halved(void **state)
{
    (void)state;
    for (int kind = MEMORY_SUPPORTS; kind <= MEMORY_IGNORES; kind++) {
        for (int lose = 0; lose < 2; lose++) {
            int n = 0, r;

            do {
                struct memory_quirks quirks = { .conditional = (enum memory_conditional)kind };
                struct object_store *store = new_store(&quirks);
                size_t count = 0;
                int found;

                assert_int_equal(commit(store, 1, NULL), 0);
                quirks.calls = 0;
                *(lose ? &quirks.lose_at : &quirks.fail_at) = ++n;
                r = commit(store, 2, NULL);
                quirks.fail_at = quirks.lose_at = 0;
                assert_int_equal(listed(store, 1, &count), 1);
                found = listed(store, 2, NULL);
                assert_true(found == 1 || (found == 0 && r < 0));
                assert_int_equal(count, 1 + found);
                assert_int_equal(commit(store, 3, NULL), 0); /* and it goes on */
                object_store_free(store);
            } while (r < 0);
            assert_true(n > 3);
        }
    }
}

/* The answer to the PUT is lost, the client sends it again, and 412 is our own success. */
static void an_answer_that_was_lost_is_no_defeat(void **state)
{
    struct memory_quirks quirks = { .conditional = MEMORY_SUPPORTS, .retry_lost = 1 };
    struct object_store *store = new_store(&quirks);
    struct manifest manifest = MANIFEST_INIT;

    (void)state;
    assert_int_equal(commit(store, 1, NULL), 0);
    quirks.calls = 0;
    quirks.lose_at = 3;
    assert_int_equal(commit(store, 2, NULL), 0);
    assert_int_equal(listed(store, 2, NULL), 1);
    assert_int_equal(catalog_load(store, "app", false, &manifest, NULL), 0);
    assert_int_equal(manifest.generation, 2); /* and not written once more */
    manifest_dispose(&manifest);
    object_store_free(store);
}

struct rival {
    struct object_store *store;
    int left, next;
    bool busy;
};

static void rival_commits(void *context, const char *key)
{
    struct rival *rival = context;

    if (rival->busy || rival->left == 0 || strstr(key, "/manifest/") == NULL)
        return;
    rival->busy = true;
    rival->left--;
    assert_int_equal(commit(rival->store, rival->next++, NULL), 0);
    rival->busy = false;
}

static void a_rival_that_is_faster_five_times_costs_five_more_tries(void **state)
{
    struct memory_quirks quirks = { .conditional = MEMORY_SUPPORTS };
    struct object_store *store = new_store(&quirks);
    struct rival rival = { store, 5, 100, false };
    size_t count = 0;

    (void)state;
    assert_int_equal(commit(store, 1, NULL), 0);
    quirks.before_put = rival_commits;
    quirks.context = &rival;
    assert_int_equal(commit(store, 2, NULL), 0);
    assert_int_equal(listed(store, 2, &count), 1);
    assert_int_equal(count, 7);
    for (int i = 100; i < 105; i++)
        assert_int_equal(listed(store, i, NULL), 1);
    object_store_free(store);
}

static void a_rival_that_never_stops_ends_in_a_clear_error(void **state)
{
    struct memory_quirks quirks = { .conditional = MEMORY_SUPPORTS };
    struct object_store *store = new_store(&quirks);
    struct rival rival = { store, 10, 100, false };
    struct err err = { 0 };

    (void)state;
    assert_int_equal(commit(store, 1, NULL), 0);
    quirks.before_put = rival_commits;
    quirks.context = &rival;
    assert_int_equal(commit(store, 2, &err), ERR_BUSY);
    assert_non_null(strstr(err.msg, "somebody else"));
    object_store_free(store);
}

static void objects_of_other_names_are_no_manifests(void **state)
{
    static const char *const names[] = { "app/manifest/0000000009.json.bak",
                                         "app/manifest/000000009.json", "app/manifest/latest",
                                         "application/manifest/0000000009.json",
                                         "app/manifest/0000000000.json" };
    struct memory_quirks quirks = { .conditional = MEMORY_SUPPORTS };
    struct object_store *store = new_store(&quirks);

    (void)state;
    assert_int_equal(commit(store, 1, NULL), 0);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        assert_int_equal(object_put_bytes(store, names[i], "x", 1, OBJECT_PUT_PLAIN, NULL), 0);
    assert_int_equal(listed(store, 1, NULL), 1);
    object_store_free(store);
}

static void a_garbage_manifest_is_named(void **state)
{
    struct memory_quirks quirks = { .conditional = MEMORY_SUPPORTS };
    struct object_store *store = new_store(&quirks);
    struct manifest manifest = MANIFEST_INIT;
    struct err err = { 0 };

    (void)state;
    assert_int_equal(catalog_load(store, "app", false, &manifest, &err), ERR_NOT_FOUND);
    assert_int_equal(
        object_put_bytes(store, "app/manifest/0000000001.json", "x", 1, OBJECT_PUT_PLAIN, NULL), 0);
    assert_int_equal(catalog_load(store, "app", true, &manifest, &err), ERR_CORRUPT);
    assert_non_null(strstr(err.msg, "app/manifest/0000000001.json"));
    assert_string_not_equal(err.hint, "");
    assert_int_equal(catalog_load(store, "../app", true, &manifest, &err), ERR_CONFIG);
    object_store_free(store);
}

/* Put a copy of the manifest of "app", generation 1, at key, and load it as database's newest. */
static int load_copy(const char *database, const char *key, struct err *err)
{
    struct memory_quirks quirks = { .conditional = MEMORY_SUPPORTS };
    struct object_store *store = new_store(&quirks);
    struct buf text = BUF_INIT(MANIFEST_LEN_MAX);
    struct manifest manifest = MANIFEST_INIT;
    struct io_sink *sink = NULL;
    int r;

    assert_int_equal(commit(store, 1, NULL), 0);
    assert_int_equal(buf_sink_new(&text, &sink, NULL), 0);
    assert_int_equal(
        object_get(store, "app/manifest/0000000001.json", 0, OBJECT_TO_END, sink, NULL, NULL), 0);
    assert_int_equal(object_put_bytes(store, key, text.ptr, text.len, OBJECT_PUT_PLAIN, NULL), 0);
    r = catalog_load(store, database, false, &manifest, err);
    manifest_dispose(&manifest);
    io_sink_free(sink);
    buf_dispose(&text);
    object_store_free(store);
    return r;
}

static void a_manifest_in_anothers_place_is_refused(void **state)
{
    struct err err = { 0 };

    (void)state;
    assert_int_equal(load_copy("app", "app/manifest/0000000001.json", &err), 0);
    assert_int_equal(load_copy("app", "app/manifest/0000000007.json", &err), ERR_CORRUPT);
    assert_non_null(strstr(err.msg, "0000000007.json': is of generation 1"));
    assert_int_equal(load_copy("shop", "shop/manifest/0000000001.json", &err), ERR_CORRUPT);
    assert_non_null(strstr(err.msg, "is one of database 'app'"));
}

/* What the first GET of a manifest meets is garbage, and the second is not. */
struct damaged_way {
    struct object_store *store; /* behind the one that counts */
    struct buf text;
    unsigned gets;
};

static void damage_first(void *context, const char *operation, const char *key)
{
    struct damaged_way *way = context;

    if (strcmp(operation, "get") != 0)
        return;
    way->gets++;
    assert_int_equal(object_put_bytes(way->store, key, way->text.ptr,
                                      way->gets == 1 ? way->text.len / 2 : way->text.len,
                                      OBJECT_PUT_PLAIN, NULL),
                     0);
}

static void what_was_damaged_on_its_way_is_right_the_second_time(void **state)
{
    struct memory_quirks quirks = { .conditional = MEMORY_SUPPORTS };
    struct damaged_way way = { new_store(&quirks), BUF_INIT(MANIFEST_LEN_MAX), 0 };
    const struct fault_store_options faults = { .before = damage_first, .context = &way };
    struct fault_store_counters counters = { 0 };
    struct manifest manifest = MANIFEST_INIT;
    struct object_store *store = NULL;
    struct io_sink *sink = NULL;

    (void)state;
    assert_int_equal(commit(way.store, 1, NULL), 0);
    assert_int_equal(buf_sink_new(&way.text, &sink, NULL), 0);
    assert_int_equal(
        object_get(way.store, "app/manifest/0000000001.json", 0, OBJECT_TO_END, sink, NULL, NULL),
        0);
    assert_int_equal(fault_store_new(way.store, &faults, &counters, &store, NULL), 0);
    assert_int_equal(catalog_load(store, "app", false, &manifest, NULL), 0);
    assert_int_equal(manifest.generation, 1);
    assert_int_equal(way.gets, 2);
    manifest_dispose(&manifest);
    io_sink_free(sink);
    buf_dispose(&way.text);
    object_store_free(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_commit_is_a_generation_of_its_own),
        cmocka_unit_test(a_steady_commit_is_one_request_after_the_load),
        cmocka_unit_test(whatever_call_fails_nothing_is_lost_or_halved),
        cmocka_unit_test(an_answer_that_was_lost_is_no_defeat),
        cmocka_unit_test(a_rival_that_is_faster_five_times_costs_five_more_tries),
        cmocka_unit_test(a_rival_that_never_stops_ends_in_a_clear_error),
        cmocka_unit_test(objects_of_other_names_are_no_manifests),
        cmocka_unit_test(a_garbage_manifest_is_named),
        cmocka_unit_test(a_manifest_in_anothers_place_is_refused),
        cmocka_unit_test(what_was_damaged_on_its_way_is_right_the_second_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

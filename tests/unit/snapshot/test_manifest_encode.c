/* Goal: the document is the JSON that docs/format.md shows, field by field. */
#include "snapshot/manifest.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "tests/harness/manifest_fixture.h"
#include "tests/harness/test.h"

#define ID "aaaabbbb-0000-4000-8000-000000000001"

static void make(struct manifest *manifest)
{
    assert_int_equal(manifest_new("app", manifest, NULL), 0);
    manifest->page_hash_seed = UINT64_C(0xfedcba9876543210);
    manifest->generation = 42;
    manifest->written_at_ms = INT64_C(1795413600123);
    memcpy(manifest->writer, "bbbbbbbb-0000-4000-8000-000000000002", UUID_TEXT_SIZE);
    manifest_fixture_add(manifest, ID, INT64_C(1795413600000));
}

static void every_field_has_its_name_and_form(void **state)
{
    static const char expected[] =
        "{\"format\":1,\"generation\":42,\"written_at\":\"2026-11-23T06:00:00.123Z\","
        "\"writer\":\"bbbbbbbb-0000-4000-8000-000000000002\",\"database\":\"app\","
        "\"page_hash_seed\":\"fedcba9876543210\",\"encryption\":\"none\","
        "\"conditional_writes\":\"supported\",\"backups\":[{\"id\":\"" ID "\","
        "\"created_at\":\"2026-11-23T06:00:00.000Z\",\"trigger\":\"manual\",\"kind\":\"full\","
        "\"label\":\"label\",\"size\":40960,\"page_size\":4096,\"page_count\":10,\"num_tables\":3,"
        "\"stored_bytes\":5000,\"changed_pages\":10,"
        "\"database_hash\":\"ffeeddccbbaa99880100000000000000\",\"host\":\"host\","
        "\"path\":\"/data/app.db\",\"packs\":[0,1]}],\"packs\":[{\"id\":\"" ID "\","
        "\"size\":5000,\"slots\":10,\"hashes\":{\"offset\":4000,\"length\":500},"
        "\"map\":{\"offset\":4500,\"length\":100}}],\"deletions\":[]}";
    struct manifest manifest;
    struct buf text = BUF_INIT(10000);

    (void)state;
    make(&manifest);
    assert_int_equal(manifest_encode(&manifest, &text, NULL), 0);
    assert_string_equal(text.ptr, expected);
    buf_dispose(&text);
    manifest_dispose(&manifest);
}

static void fields_that_say_nothing_are_left_out_and_others_not(void **state)
{
    struct manifest manifest;
    struct buf text = BUF_INIT(10000);

    (void)state;
    make(&manifest);
    free(manifest.backups[0].label);
    manifest.backups[0].label = NULL;
    manifest.backups[0].verified_at_ms = 1000;
    manifest.backups[0].pinned = true;
    manifest.backups[0].guarded = true;
    manifest.backups[0].kind = BACKUP_INCREMENTAL;
    manifest.backups[0].trigger = TRIGGER_PRE_RESTORE;
    memcpy(manifest.packs[0].map_base, ID, UUID_TEXT_SIZE);
    manifest.packs[0].locked_until_ms = 2000;
    manifest.conditional_writes = CONDITIONAL_IGNORED;
    assert_int_equal(manifest_encode(&manifest, &text, NULL), 0);
    assert_null(strstr(text.ptr, "label"));
    assert_non_null(strstr(text.ptr, "\"verified_at\":\"1970-01-01T00:00:01.000Z\""));
    assert_non_null(strstr(text.ptr, "\"locked_until\":\"1970-01-01T00:00:02.000Z\""));
    assert_non_null(strstr(text.ptr, "\"pinned\":true"));
    assert_non_null(strstr(text.ptr, "\"guarded\":true"));
    assert_non_null(strstr(text.ptr, "\"kind\":\"incremental\""));
    assert_non_null(strstr(text.ptr, "\"trigger\":\"pre-restore\""));
    assert_non_null(strstr(text.ptr, "\"base\":\"" ID "\""));
    assert_non_null(strstr(text.ptr, "\"conditional_writes\":\"ignored\""));
    buf_dispose(&text);
    manifest_dispose(&manifest);
}

static void the_cap_of_the_buffer_holds(void **state)
{
    struct manifest manifest;
    struct buf text = BUF_INIT(100);

    (void)state;
    make(&manifest);
    assert_int_equal(manifest_encode(&manifest, &text, NULL), ERR_LIMIT);
    buf_dispose(&text);
    manifest_dispose(&manifest);
}

static void text_that_is_not_utf8_is_an_error(void **state)
{
    struct manifest manifest;
    struct buf text = BUF_INIT(10000);

    (void)state;
    make(&manifest);
    manifest.backups[0].label[0] = '\xff';
    assert_true(manifest_encode(&manifest, &text, NULL) < 0);
    buf_dispose(&text);
    manifest_dispose(&manifest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_field_has_its_name_and_form),
        cmocka_unit_test(fields_that_say_nothing_are_left_out_and_others_not),
        cmocka_unit_test(the_cap_of_the_buffer_holds),
        cmocka_unit_test(text_that_is_not_utf8_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Goal: a manifest comes back as it was written, and anything else is refused by name. */
#include "snapshot/manifest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "tests/harness/manifest_fixture.h"
#include "tests/harness/test.h"

#define ID    "aaaabbbb-0000-4000-8000-000000000001"
#define OTHER "cccccccc-0000-4000-8000-000000000003"

static char *document(void)
{
    struct manifest manifest = MANIFEST_INIT;
    struct buf text = BUF_INIT(10000);

    assert_int_equal(manifest_new("app", &manifest, NULL), 0);
    manifest.page_hash_seed = UINT64_C(0xfedcba9876543210);
    manifest.generation = 42;
    memcpy(manifest.writer, OTHER, UUID_TEXT_SIZE);
    manifest_fixture_add(&manifest, ID, INT64_C(1795413600123));
    manifest.deletions = calloc(1, sizeof(*manifest.deletions));
    assert_non_null(manifest.deletions);
    manifest.deletion_count = 1;
    memcpy(manifest.deletions[0].id, OTHER, UUID_TEXT_SIZE);
    manifest.deletions[0].since_ms = 5000;
    assert_int_equal(manifest_encode(&manifest, &text, NULL), 0);
    manifest_dispose(&manifest);
    return buf_detach(&text);
}

static void what_was_written_comes_back(void **state)
{
    struct manifest manifest = MANIFEST_INIT;
    struct buf again = BUF_INIT(10000);
    char *text = document();

    (void)state;
    assert_int_equal(manifest_parse(text, strlen(text), &manifest, NULL), 0);
    assert_true(manifest.page_hash_seed == UINT64_C(0xfedcba9876543210));
    assert_int_equal(manifest.backups[0].created_at_ms, INT64_C(1795413600123));
    assert_int_equal(manifest.deletions[0].since_ms, 5000);
    assert_int_equal(manifest.packs[0].hashes_offset, 4000);
    assert_int_equal(manifest_encode(&manifest, &again, NULL), 0);
    assert_string_equal(again.ptr, text);
    manifest_dispose(&manifest);
    buf_dispose(&again);
    free(text);
}

/* One text in the document replaced by another. */
static char *replaced(const char *text, const char *from, const char *to)
{
    const char *at = strstr(text, from);
    struct buf out = BUF_INIT(20000);

    assert_non_null(at);
    buf_add(&out, text, (size_t)(at - text));
    buf_add_text(&out, to);
    buf_add_text(&out, at + strlen(from));
    return buf_detach(&out);
}

static void each_field_that_is_wrong_is_named(void **state)
{
    static const struct {
        const char *from, *to, *word;
        int code;
    } cases[] = {
        { "\"format\":1", "\"format\":2", "format 2", ERR_UNSUPPORTED },
        { "\"format\":1", "\"format\":0", "not a manifest", ERR_CORRUPT },
        { "\"format\":1,", "", "not a manifest", ERR_CORRUPT },
        { "\"none\"", "\"aes\"", "encrypted", ERR_UNSUPPORTED },
        { "\"none\"", "\"a\\nb\"", "encrypted", ERR_UNSUPPORTED },
        { "\"none\"", "\"a\n", "not a manifest", ERR_CORRUPT },
        { "\"app\"", "\"../app\"", "database", ERR_CORRUPT },
        { "\"generation\":42", "\"generation\":-1", "generation", ERR_CORRUPT },
        { "\"generation\":42", "\"generation\":\"42\"", "generation", ERR_CORRUPT },
        { "\"writer\":\"c", "\"writer\":\"C", "writer", ERR_CORRUPT },
        { "fedcba9876543210", "fedcba987654321", "page_hash_seed", ERR_CORRUPT },
        { "\"supported\"", "\"maybe\"", "conditional_writes", ERR_CORRUPT },
        { "\"created_at\":\"2026", "\"created_at\":\"20x6", "created_at", ERR_CORRUPT },
        { "\"manual\"", "\"magic\"", "trigger", ERR_CORRUPT },
        { "\"full\"", "\"half\"", "kind", ERR_CORRUPT },
        { "\"size\":40960", "\"size\":40961", "size", ERR_CORRUPT },
        { "\"page_size\":4096", "\"page_size\":4095", "page_size", ERR_CORRUPT },
        { "\"page_count\":10", "\"page_count\":0", "size", ERR_CORRUPT },
        { "\"num_tables\":3", "\"num_tables\":4294967296", "num_tables", ERR_CORRUPT },
        { "\"database_hash\":\"ff", "\"database_hash\":\"fx", "database_hash", ERR_CORRUPT },
        { "\"host\":\"host\",", "", "host", ERR_CORRUPT },
        { "\"path\":\"/", "\"path\":\"\\u0000/", "not a manifest", ERR_CORRUPT },
        { "\"packs\":[0,1]", "\"packs\":[]", "packs", ERR_CORRUPT },
        { "\"packs\":[0,1]", "\"packs\":[0]", "packs", ERR_CORRUPT },
        { "\"packs\":[0,1]", "\"packs\":[0,0]", "packs", ERR_CORRUPT },
        { "\"packs\":[0,1]", "\"packs\":[0,2]", "not listed", ERR_CORRUPT },
        { "\"packs\":[0,1]", "\"packs\":[-1,2]", "packs", ERR_CORRUPT },
        { "\"packs\":[0,1]", "\"packs\":[0,1,0,1]", "packs", ERR_CORRUPT },
        { "\"packs\":[0,1]", "\"packs\":[0,\"1\"]", "packs", ERR_CORRUPT },
        { "\"packs\":[0,1]", "\"packs\":[0,4294967296]", "packs", ERR_CORRUPT },
        { "\"packs\":[{\"id\":\"a", "\"packs\":[{\"id\":\"b", "pack", ERR_CORRUPT },
        { "\"length\":500", "\"length\":1001", "hashes", ERR_CORRUPT },
        { "\"length\":100}", "\"length\":100,\"base\":\"" OTHER "\"}", "base", ERR_CORRUPT },
        { "\"deletions\"", "\"other\"", "deletions", ERR_CORRUPT },
        { "\"since\":\"", "\"since\":\"x", "since", ERR_CORRUPT },
        { "\"format\":1", "\"format\":1,\"format\":1", "not a manifest", ERR_CORRUPT },
    };
    char *text = document();

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct manifest manifest = MANIFEST_INIT;
        struct err err = { 0 };
        char *wrong = replaced(text, cases[i].from, cases[i].to);

        print_message("  %s -> %s\n", cases[i].from, cases[i].to);
        assert_int_equal(manifest_parse(wrong, strlen(wrong), &manifest, &err), cases[i].code);
        assert_non_null(strstr(err.msg, cases[i].word));
        assert_null(strchr(err.msg, '\n'));
        assert_int_equal(manifest.backup_count, 0);
        free(wrong);
    }
    free(text);
}

static void a_newer_format_comes_with_advice(void **state)
{
    struct manifest manifest = MANIFEST_INIT;
    struct err err = { 0 };
    static const char text[] = "{\"format\":99,\"everything\":\"else is new\"}";

    (void)state;
    assert_int_equal(manifest_parse(text, strlen(text), &manifest, &err), ERR_UNSUPPORTED);
    assert_non_null(strstr(err.hint, "upgrade"));
}

static void fields_of_the_future_are_ignored(void **state)
{
    struct manifest manifest = MANIFEST_INIT;
    char *text = document();
    char *newer = replaced(text, "\"database\"", "\"compression\":{\"x\":[1]},\"database\"");

    (void)state;
    assert_int_equal(manifest_parse(newer, strlen(newer), &manifest, NULL), 0);
    manifest_dispose(&manifest);
    free(newer);
    free(text);
}

static void a_document_cut_off_anywhere_is_refused(void **state)
{
    char *text = document();

    (void)state;
    for (size_t len = 0; len < strlen(text); len++) {
        struct manifest manifest = MANIFEST_INIT;

        assert_int_equal(manifest_parse(text, len, &manifest, NULL), ERR_CORRUPT);
    }
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_written_comes_back),
        cmocka_unit_test(each_field_that_is_wrong_is_named),
        cmocka_unit_test(a_newer_format_comes_with_advice),
        cmocka_unit_test(fields_of_the_future_are_ignored),
        cmocka_unit_test(a_document_cut_off_anywhere_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

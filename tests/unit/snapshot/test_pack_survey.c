/* Goal: a survey tells for each pack whether it is there, whose it is, and what of it is damaged.
 */
#include "snapshot/pack_survey.h"

#include <string.h>

#include "base/err.h"
#include "snapshot/verify.h"
#include "store/object_store.h"
#include "tests/harness/restore_rig.h"
#include "tests/harness/test.h"

#define BACKUPS 4

static size_t index_of(const struct pack_survey *survey, const struct restore_rig *rig, size_t i)
{
    const size_t index = pack_survey_find(survey, rig->packs.backups[i].id);

    assert_true(index < rig->packs.manifest.pack_count);
    return index;
}

static void tells_what_is_there(void **state)
{
    const struct verify_options plain = { 0 }, reading = { .read = true };
    struct pack_survey survey = { 0 };
    struct restore_rig rig;
    char key[CATALOG_KEY_SIZE], why[PACK_WHY_SIZE];
    const char *keys[] = { key };
    const size_t hashes_offset = 40;

    (void)state;
    restore_rig_init(&rig, 1024, BACKUPS);
    pack_fixture_key(&rig.packs, rig.packs.backups[1].id, key);
    assert_int_equal(object_delete(rig.store, keys, 1, NULL), 0);
    restore_rig_cut(&rig, 2, 200);
    restore_rig_flip(&rig, 3, hashes_offset);
    assert_int_equal(pack_survey_run(rig.store, &rig.packs.manifest, NULL, &plain, &survey, NULL),
                     0);
    assert_int_equal(survey.states[index_of(&survey, &rig, 0)], PACK_THERE);
    assert_int_equal(survey.states[index_of(&survey, &rig, 1)], PACK_MISSING);
    assert_int_equal(survey.states[index_of(&survey, &rig, 2)], PACK_OTHER_SIZE);
    assert_false(pack_survey_is_bad(&survey, index_of(&survey, &rig, 3), 0, why));
    pack_survey_dispose(&survey);
    assert_int_equal(pack_survey_run(rig.store, &rig.packs.manifest, NULL, &reading, &survey, NULL),
                     0);
    assert_false(pack_survey_is_lost(&survey, index_of(&survey, &rig, 3), why));
    assert_true(pack_survey_is_bad(&survey, index_of(&survey, &rig, 3), 0, why));
    assert_non_null(strstr(why, "frame at byte 0 is damaged"));
    assert_true(pack_survey_is_lost(&survey, index_of(&survey, &rig, 1), why));
    assert_non_null(strstr(why, "is missing"));
    pack_survey_dispose(&survey);
    restore_rig_dispose(&rig);
}

static void a_pack_belongs_to_who_needs_it_or_what_it_repairs(void **state)
{
    const struct verify_options plain = { 0 };
    const bool selected[BACKUPS] = { true };
    struct pack_survey survey = { 0 };
    struct restore_rig rig;

    (void)state;
    restore_rig_init(&rig, 1024, BACKUPS);
    for (size_t i = 0; i < 2; i++) { /* 0 by 1, 1 by 2 */
        memcpy(rig.packs.manifest.packs[i].repaired_by, rig.packs.manifest.packs[i + 1].id,
               UUID_TEXT_SIZE);
    }
    assert_int_equal(
        pack_survey_run(rig.store, &rig.packs.manifest, selected, &plain, &survey, NULL), 0);
    for (size_t i = 0; i < 3; i++)
        assert_ptr_equal(survey.users[i], &rig.packs.manifest.backups[0]);
    assert_null(survey.users[3]);
    pack_survey_dispose(&survey);
    restore_rig_dispose(&rig);
}

static void fails_with_the_store(void **state)
{
    const struct verify_options reading = { .read = true };
    struct restore_rig rig;
    unsigned fail_at = 1;
    int r;

    (void)state;
    restore_rig_init(&rig, 1024, 2);
    do {
        struct pack_survey survey = { 0 };

        rig.counters.calls = 0;
        rig.counters.fail_at = fail_at++;
        r = pack_survey_run(rig.store, &rig.packs.manifest, NULL, &reading, &survey, NULL);
        assert_true(r == 0 || r == ERR_SERVER);
        pack_survey_dispose(&survey);
    } while (r < 0);
    assert_true(fail_at > 5);
    restore_rig_dispose(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_what_is_there),
        cmocka_unit_test(a_pack_belongs_to_who_needs_it_or_what_it_repairs),
        cmocka_unit_test(fails_with_the_store),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "snapshot/pack_survey.h"

#include "base/err.h"
#include "snapshot/catalog.h"
#include "snapshot/progress.h"
#include "snapshot/spool.h"
#include "snapshot/verify.h"
#include "store/object_store.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SLOTS_MEMORY_MAX (8u << 20)

void pack_survey_dispose(struct pack_survey *survey)
{
    for (size_t i = 0; survey->checks != NULL && i < survey->manifest->pack_count; i++)
        pack_check_dispose(&survey->checks[i]);
    free(survey->checks);
    free(survey->states);
    free((void *)survey->users);
    spool_free(survey->slots);
    *survey = (struct pack_survey){ 0 };
}

size_t pack_survey_find(const struct pack_survey *survey, const char *id)
{
    const struct pack_record *pack = manifest_find_pack(survey->manifest, id);

    return pack != NULL ? (size_t)(pack - survey->manifest->packs) : survey->manifest->pack_count;
}

static int see_pack(void *context, const char *key, const struct object_info *info, struct err *err)
{
    struct pack_survey *survey = context;
    const size_t folder = strlen(survey->manifest->database) + strlen("/packs/");
    char id[UUID_TEXT_SIZE];
    size_t index;

    (void)err;
    if (strlen(key) != folder + UUID_TEXT_SIZE - 1 + strlen(".zst") ||
        strcmp(key + folder + UUID_TEXT_SIZE - 1, ".zst") != 0)
        return 0; /* none of ours */
    memcpy(id, key + folder, UUID_TEXT_SIZE - 1);
    id[UUID_TEXT_SIZE - 1] = '\0';
    index = pack_survey_find(survey, id);
    if (index < survey->manifest->pack_count) {
        survey->states[index] =
            info->size == survey->manifest->packs[index].size ? PACK_THERE : PACK_OTHER_SIZE;
    }
    return 0;
}

static int list_packs(struct pack_survey *survey, struct err *err)
{
    char prefix[CATALOG_KEY_SIZE];
    int r;

    (void)snprintf(prefix, sizeof(prefix), "%s/packs/", survey->manifest->database);
    r = object_list(survey->store, prefix, NULL, see_pack, survey, err);
    return r < 0 ? err_wrap(err, r, "list the packs of '%s'", survey->manifest->database) : 0;
}

static void find_users(struct pack_survey *survey, const bool *selected)
{
    const struct manifest *manifest = survey->manifest;
    bool more = true;

    for (size_t i = 0; i < manifest->backup_count; i++) {
        const struct pack_set *set = &manifest->backups[i].packs;

        if (selected != NULL && !selected[i])
            continue;
        for (size_t k = 0; k < set->range_count; k++) {
            for (uint32_t n = 0; n < set->ranges[k].count; n++)
                survey->users[set->ranges[k].first + n] = &manifest->backups[i];
        }
    }
    while (more) { /* along the chains of repairs */
        more = false;
        for (size_t i = 0; i < manifest->pack_count; i++) {
            const size_t by = survey->users[i] != NULL && manifest->packs[i].repaired_by[0] != '\0'
                                  ? pack_survey_find(survey, manifest->packs[i].repaired_by)
                                  : manifest->pack_count;

            if (by < manifest->pack_count && survey->users[by] == NULL) {
                survey->users[by] = survey->users[i];
                more = true;
            }
        }
    }
}

static bool is_to_read(const struct pack_survey *survey, size_t index)
{
    return survey->states[index] == PACK_THERE && survey->users[index] != NULL;
}

static int read_packs(struct pack_survey *survey, struct err *err)
{
    const struct verify_options *options = survey->options;
    struct progress_meter meter = { .progress = options->progress, .phase = PROGRESS_FETCH };
    struct pack_check_options check = {
        .store = survey->store,
        .manifest = survey->manifest,
        .sample_ppm = options->sample_ppm > 0 ? options->sample_ppm : VERIFY_SAMPLE_ALL,
        .sample_seed = options->sample_seed,
        .cancel = options->cancel,
    };
    int r;

    r = spool_new(options->spool_dir, SLOTS_MEMORY_MAX, &survey->slots, err);
    check.slots = survey->slots;
    for (size_t i = 0; i < survey->manifest->pack_count; i++)
        meter.total += is_to_read(survey, i) ? survey->manifest->packs[i].size : 0;
    for (size_t i = 0; r == 0 && i < survey->manifest->pack_count; i++) {
        if (!is_to_read(survey, i))
            continue;
        check.page_size = survey->users[i]->page_size;
        r = pack_check_run(&check, &survey->manifest->packs[i], &survey->checks[i], err);
        progress_meter_add(&meter, survey->manifest->packs[i].size);
    }
    return r;
}

int pack_survey_run(struct object_store *store, const struct manifest *manifest,
                    const bool *selected, const struct verify_options *options,
                    struct pack_survey *ret_survey, struct err *err)
{
    const size_t count = manifest->pack_count + 1;
    struct pack_survey survey = {
        .store = store,
        .manifest = manifest,
        .options = options,
        .states = calloc(count, sizeof(*survey.states)),
        .users = calloc(count, sizeof(const struct backup_record *)),
        .checks = calloc(count, sizeof(*survey.checks)),
    };
    int r;

    if (survey.states == NULL || survey.users == NULL || survey.checks == NULL) {
        r = err_nomem(err);
        goto out;
    }
    find_users(&survey, selected);
    r = list_packs(&survey, err);
    if (r == 0 && options->read)
        r = read_packs(&survey, err);
out:
    if (r < 0) {
        pack_survey_dispose(&survey);
        return r;
    }
    *ret_survey = survey;
    return 0;
}

bool pack_survey_is_lost(const struct pack_survey *survey, size_t index, char why[PACK_WHY_SIZE])
{
    const char *id = survey->manifest->packs[index].id;

    if (survey->states[index] != PACK_THERE) {
        (void)snprintf(why, PACK_WHY_SIZE, "pack %s %s", id,
                       survey->states[index] == PACK_MISSING ? "is missing" : "has another size");
        return true;
    }
    if (survey->checks[index].reason[0] == '\0')
        return false;
    (void)snprintf(why, PACK_WHY_SIZE, "pack %s: %s", id, survey->checks[index].reason);
    return true;
}

bool pack_survey_is_bad(const struct pack_survey *survey, size_t index, uint64_t frame_offset,
                        char why[PACK_WHY_SIZE])
{
    if (pack_survey_is_lost(survey, index, why))
        return true;
    if (!pack_check_is_bad_frame(&survey->checks[index], frame_offset))
        return false;
    (void)snprintf(why, PACK_WHY_SIZE, "pack %s: frame at byte %" PRIu64 " is damaged",
                   survey->manifest->packs[index].id, frame_offset);
    return true;
}

#include "snapshot/repack.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "snapshot/catalog.h"
#include "snapshot/pack_reader.h"
#include "snapshot/progress.h"

#include <stdlib.h>
#include <string.h>

#define PERCENT 100u
/* Parts of what is needed: a pack that is larger, or smaller, than one of so many... */
#define LARGE_PARTS   16u
#define SMALL_PARTS   32u
#define WAITING_PARTS 2u /* ...and so much of large packs may wait out the grace. */
#define LEAST_PARTS   5u /* one of so many parts of a pack is unused, or it stays */
/* So many small packs with the same oldest user become one, although all of them is of use. */
#define MANY 8u
/* Pages, in bytes, that more than one pack are joined for. */
#define GROUP_BYTES (UINT64_C(256) << 20)
/* Of new packs, in bytes, before a manifest names them: what is killed then is begun anew. */
#define BATCH_BYTES (UINT64_C(256) << 20)

/* --- Which packs -------------------------------------------------------------------------------*/

struct candidate {
    size_t pack, first_user;
    uint64_t slots, unused; /* in it */
    uint64_t bytes;         /* of no use, about */
    bool chosen;
};

/* The largest part of no use first. */
static int compare_use(const void *a, const void *b)
{
    const struct candidate *left = a, *right = b;
    const uint64_t x = left->unused * right->slots, y = right->unused * left->slots;

    if (x != y)
        return x > y ? -1 : 1;
    return left->pack < right->pack ? -1 : left->pack > right->pack;
}

/* Those with the same oldest user together. */
static int compare_users(const void *a, const void *b)
{
    const struct candidate *left = a, *right = b;

    if (left->first_user != right->first_user)
        return left->first_user < right->first_user ? -1 : 1;
    return left->pack < right->pack ? -1 : left->pack > right->pack;
}

/* A pack that repairs one whose other pages are still read from there. */
static bool is_repairing(const struct manifest *manifest, const struct pack_record *pack)
{
    for (size_t i = 0; i < manifest->pack_count; i++) {
        if (manifest->packs[i].replaced_at_ms == 0 &&
            strcmp(manifest->packs[i].repaired_by, pack->id) == 0)
            return true;
    }
    return false;
}

static bool is_needed(const struct live_pack *pack)
{
    return pack->page_count > 0 || pack->needs_map;
}

static bool may_be_replaced(const struct manifest *manifest, const struct live_pages *live,
                            size_t index)
{
    const struct pack_record *pack = &manifest->packs[index];
    const struct backup_record *own = NULL;

    return pack->slot_count > 0 && is_needed(&live->packs[index]) && pack->repaired_by[0] == '\0' &&
           !is_repairing(manifest, pack) &&
           manifest_find_backup(manifest, pack->id, &own, NULL) < 0;
}

static size_t find_candidates(const struct manifest *manifest, const struct live_pages *live,
                              struct candidate *candidates)
{
    size_t count = 0;

    for (size_t i = 0; i < manifest->pack_count; i++) {
        const uint64_t slots = manifest->packs[i].slot_count;
        const uint64_t dead = slots - live->packs[i].page_count;

        if (!may_be_replaced(manifest, live, i))
            continue;
        candidates[count++] = (struct candidate){
            .pack = i,
            .first_user = live->packs[i].first_user,
            .slots = slots,
            .unused = dead,
            .bytes = (uint64_t)((double)manifest->packs[i].size * ((double)dead / (double)slots)),
        };
    }
    return count;
}

static uint64_t needed_bytes(const struct manifest *manifest, const struct live_pages *live)
{
    uint64_t bytes = 0;

    for (size_t i = 0; i < manifest->pack_count; i++)
        bytes += is_needed(&live->packs[i]) ? manifest->packs[i].size : 0;
    return bytes;
}

/* Of large packs that were replaced and wait out the grace. */
static uint64_t waiting_bytes(const struct manifest *manifest, int64_t since_ms, uint64_t large)
{
    uint64_t bytes = 0;

    for (size_t i = 0; i < manifest->pack_count; i++) {
        const struct pack_record *pack = &manifest->packs[i];

        bytes += pack->replaced_at_ms > since_ms && pack->size > large ? pack->size : 0;
    }
    return bytes;
}

/* Until its grace is over, what is replaced is stored besides what replaces it.  Of a large pack
 * that costs more than the unused pages do until half of them are unused.  Sorts the candidates. */
static void choose_unused(const struct manifest *manifest, const struct repack_limits *limits,
                          uint64_t needed, struct candidate *candidates, size_t count)
{
    const uint64_t large = needed / LARGE_PARTS;
    const unsigned least = limits->max_unused > 0; /* 0: whatever it costs */
    uint64_t waiting = waiting_bytes(manifest, limits->since_ms, large), unused = 0;

    for (size_t i = 0; i < count; i++)
        unused += candidates[i].bytes;
    qsort(candidates, count, sizeof(*candidates), compare_use);
    for (size_t i = 0; i < count && unused * PERCENT > needed * limits->max_unused; i++) {
        const uint64_t size = manifest->packs[candidates[i].pack].size;

        if (candidates[i].unused * LEAST_PARTS < candidates[i].slots * least)
            break; /* as do all that follow */
        if (size > large && least > 0) {
            if (candidates[i].unused * 2 < candidates[i].slots ||
                waiting + size > needed / WAITING_PARTS)
                continue;
            waiting += size;
        }
        candidates[i].chosen = true;
        unused -= candidates[i].bytes;
    }
}

static bool is_small(const struct manifest *manifest, const struct candidate *candidate,
                     uint64_t needed)
{
    return manifest->packs[candidate->pack].size <= needed / SMALL_PARTS;
}

/* The candidates are sorted by their users. */
static void choose_many(const struct manifest *manifest, uint64_t needed,
                        struct candidate *candidates, size_t count)
{
    size_t end;

    for (size_t i = 0; i < count; i = end) {
        size_t small = 0;

        for (end = i; end < count && candidates[end].first_user == candidates[i].first_user; end++)
            small += is_small(manifest, &candidates[end], needed);
        for (size_t k = i; small >= MANY && k < end; k++) {
            candidates[k].chosen =
                candidates[k].chosen || is_small(manifest, &candidates[k], needed);
        }
    }
}

static bool fits(const struct live_pages *live, const struct repack_group *group, size_t pack)
{
    const struct live_pack *add = &live->packs[pack];
    uint64_t bytes = add->page_count * add->page_size;

    for (size_t i = 0; i < group->count; i++) {
        const struct live_pack *in = &live->packs[group->packs[i]];

        bytes += in->page_count * in->page_size;
        if (in->page_size != add->page_size || (in->needs_map && add->needs_map) ||
            live_pages_meet(in, add))
            return false;
    }
    return group->count < REPACK_GROUP_MAX && bytes <= GROUP_BYTES;
}

/* The candidates are sorted by their users.  Returns how many groups there are. */
static size_t make_groups(const struct live_pages *live, const struct candidate *candidates,
                          size_t count, struct repack_group *groups)
{
    size_t group_count = 0, first_user = 0;
    bool useful = false; /* the last group */

    for (size_t i = 0; i < count; i++) {
        if (!candidates[i].chosen)
            continue;
        if (group_count == 0 || candidates[i].first_user != first_user ||
            !fits(live, &groups[group_count - 1], candidates[i].pack)) {
            group_count += group_count == 0 || useful;
            groups[group_count - 1].count = 0;
            useful = false;
        }
        first_user = candidates[i].first_user;
        groups[group_count - 1].packs[groups[group_count - 1].count++] = candidates[i].pack;
        useful = useful || candidates[i].unused > 0 || groups[group_count - 1].count > 1;
    }
    return group_count - (group_count > 0 && !useful);
}

int repack_choose(const struct manifest *manifest, const struct live_pages *live,
                  const struct repack_limits *limits, struct repack_group **ret_groups,
                  size_t *ret_count, struct err *err)
{
    struct candidate *candidates = calloc(manifest->pack_count + 1, sizeof(*candidates));
    struct repack_group *groups = calloc(manifest->pack_count + 1, sizeof(*groups));
    uint64_t needed;
    size_t count;

    if (candidates == NULL || groups == NULL) {
        free(candidates);
        free(groups);
        return err_nomem(err);
    }
    count = find_candidates(manifest, live, candidates);
    needed = needed_bytes(manifest, live);
    choose_unused(manifest, limits, needed, candidates, count);
    qsort(candidates, count, sizeof(*candidates), compare_users);
    choose_many(manifest, needed, candidates, count);
    *ret_count = make_groups(live, candidates, count, groups);
    *ret_groups = groups;
    free(candidates);
    return 0;
}

/* --- Replacing them ----------------------------------------------------------------------------*/

/* A new pack that no manifest names yet. */
struct made {
    const struct repack_group *group;
    struct pack_record record;
};

struct job {
    struct object_store *store;
    const struct repack_options *options;
    struct manifest *manifest;
    struct manifest seen; /* what `live` and the groups are of; of its backups just the ids */
    struct live_pages live;
    struct repack_group *groups;
    size_t group_count;
    struct made *made;
    size_t made_count;
    int64_t now_ms;
    struct repack_report report;
};

/* A commit puts another manifest in the place of the one that was seen. */
static int remember(const struct manifest *from, struct manifest *to, struct err *err)
{
    to->generation = from->generation;
    to->page_hash_seed = from->page_hash_seed;
    to->conditional_writes = from->conditional_writes;
    to->database = strdup(from->database);
    to->packs = calloc(from->pack_count + 1, sizeof(*to->packs));
    to->backups = calloc(from->backup_count + 1, sizeof(*to->backups));
    if (to->database == NULL || to->packs == NULL || to->backups == NULL)
        return err_nomem(err);
    memcpy(to->packs, from->packs, from->pack_count * sizeof(*to->packs));
    to->pack_count = from->pack_count;
    for (size_t i = 0; i < from->backup_count; i++)
        memcpy(to->backups[i].id, from->backups[i].id, sizeof(to->backups[i].id));
    to->backup_count = from->backup_count;
    return 0;
}

/* Whether a backup that was made meanwhile refers to a pack, or to one that this replaced: which of
 * its pages that needs is not known. */
static bool is_wanted_anew(const struct job *job, const struct manifest *manifest, const char *id)
{
    for (size_t i = 0; i < manifest->backup_count; i++) {
        const struct backup_record *seen = NULL, *backup = &manifest->backups[i];

        if (manifest_find_backup(&job->seen, backup->id, &seen, NULL) == 0)
            continue;
        for (size_t k = 0; k < manifest->pack_count; k++) {
            if (pack_set_has(&backup->packs, (uint32_t)k) &&
                (strcmp(manifest->packs[k].id, id) == 0 ||
                 strcmp(manifest->packs[k].repaired_by, id) == 0))
                return true;
        }
    }
    return false;
}

/* Of a new pack that stands in for only some of what it was made of, nothing is wrong: those that
 * somebody else has changed meanwhile stay as they are. */
static size_t replace(const struct job *job, struct manifest *manifest, size_t old_index,
                      const char *by)
{
    const char *old = job->seen.packs[old_index].id;
    const struct pack_record *found = manifest_find_pack(manifest, old);

    if (found == NULL || found->repaired_by[0] != '\0' || is_wanted_anew(job, manifest, old)) {
        log_info("pack %s stays as it is: somebody else was there", old);
        return 0;
    }
    for (size_t i = 0; i < manifest->pack_count; i++) {
        struct pack_record *pack = &manifest->packs[i];

        if (strcmp(pack->id, old) == 0)
            pack->replaced_at_ms = job->now_ms;
        if (strcmp(pack->id, old) == 0 || strcmp(pack->repaired_by, old) == 0)
            memcpy(pack->repaired_by, by, sizeof(pack->repaired_by));
    }
    return 1;
}

static int change(void *context, struct manifest *manifest, struct err *err)
{
    const struct job *job = context;
    struct pack_record *grown =
        realloc(manifest->packs, (manifest->pack_count + job->made_count) * sizeof(*grown));

    if (grown == NULL)
        return err_nomem(err);
    manifest->packs = grown;
    for (size_t i = 0; i < job->made_count; i++) {
        const struct made *made = &job->made[i];
        size_t count = 0;

        for (size_t k = 0; k < made->group->count; k++)
            count += replace(job, manifest, made->group->packs[k], made->record.id);
        if (count > 0)
            grown[manifest->pack_count++] = made->record;
    }
    return 0;
}

static int commit(struct job *job, struct err *err)
{
    struct clock *clock = job->options->clock != NULL ? job->options->clock : clock_system();
    const struct catalog_commit_options options = { .clock = clock,
                                                    .cancel = job->options->cancel };
    int r;

    if (job->made_count == 0)
        return 0;
    job->now_ms = clock_now_ms(clock);
    r = catalog_commit(job->store, job->manifest, change, job, &options, err);
    job->made_count = 0;
    return r;
}

static uint64_t stored_bytes(const struct job *job, const struct repack_group *group)
{
    uint64_t bytes = 0;

    for (size_t i = 0; i < group->count; i++)
        bytes += job->seen.packs[group->packs[i]].size;
    return bytes;
}

static int write_group(struct job *job, const struct repack_group *group, struct err *err)
{
    const uint64_t before = stored_bytes(job, group);
    struct made *made = &job->made[job->made_count];
    struct err why = { 0 };
    int r;

    r = repack_write(job->store, &job->seen, &job->live, group, job->options, &made->record, &why);
    if (pack_is_damage(r, &why)) {
        log_warn("%s: 'holdfast verify --read' tells what is damaged", why.msg);
        return 0;
    }
    if (r < 0) {
        if (err != NULL)
            *err = why;
        return r;
    }
    made->group = group;
    job->made_count++;
    job->report.pack_count += group->count;
    job->report.bytes += before > made->record.size ? before - made->record.size : 0;
    return 0;
}

static int write_all(struct job *job, struct err *err)
{
    struct progress_meter meter = { .progress = job->options->progress, .phase = PROGRESS_FETCH };
    uint64_t batch = 0;
    int r = 0;

    for (size_t i = 0; i < job->group_count; i++)
        meter.total += stored_bytes(job, &job->groups[i]);
    for (size_t i = 0; r == 0 && i < job->group_count; i++) {
        const uint64_t bytes = stored_bytes(job, &job->groups[i]);

        r = write_group(job, &job->groups[i], err);
        progress_meter_add(&meter, bytes);
        batch += bytes;
        if (r == 0 && batch >= BATCH_BYTES) {
            r = commit(job, err);
            batch = 0;
        }
    }
    return r < 0 ? r : commit(job, err);
}

static void foresee(struct job *job)
{
    for (size_t i = 0; i < job->group_count; i++) {
        const struct repack_group *group = &job->groups[i];

        job->report.pack_count += group->count;
        for (size_t k = 0; k < group->count; k++) {
            const struct pack_record *pack = &job->seen.packs[group->packs[k]];
            const uint64_t dead = pack->slot_count - job->live.packs[group->packs[k]].page_count;

            job->report.bytes +=
                (uint64_t)((double)pack->size * ((double)dead / (double)pack->slot_count));
        }
    }
}

int repack_run(struct object_store *store, struct manifest *manifest,
               const struct repack_options *options, struct repack_report *ret_report,
               struct err *err)
{
    struct clock *clock = options->clock != NULL ? options->clock : clock_system();
    const struct repack_limits limits = { options->max_unused,
                                          clock_now_ms(clock) - options->grace_ms };
    struct job job = { .store = store, .options = options, .manifest = manifest };
    int r;

    *ret_report = (struct repack_report){ 0 };
    if (options->max_unused >= PERCENT)
        return 0;
    r = remember(manifest, &job.seen, err);
    if (r == 0)
        r = live_pages_read(store, manifest, options->cancel, &job.live, err);
    if (r == 0) {
        r = repack_choose(manifest, &job.live, &limits, &job.groups, &job.group_count, err);
    }
    if (r == 0) {
        job.made = calloc(job.group_count + 1, sizeof(*job.made));
        if (job.made == NULL)
            r = err_nomem(err);
    }
    if (r == 0 && options->dry_run) {
        foresee(&job);
    } else if (r == 0) {
        r = write_all(&job, err);
    }
    *ret_report = job.report;
    live_pages_dispose(&job.live);
    manifest_dispose(&job.seen);
    free(job.groups);
    free(job.made);
    return r;
}

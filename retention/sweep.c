#include "retention/sweep.h"

#include "base/err.h"
#include "store/object_store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PACK_ENDING ".zst"
#define UUID_LEN    (UUID_TEXT_SIZE - 1)

struct sweep_pack {
    const struct pack_record *record;
    size_t index; /* in the manifest, or GIVEN_UP */
};
#define GIVEN_UP SIZE_MAX

static int compare_ids(const void *a, const void *b)
{
    const struct sweep_pack *left = a, *right = b;

    return strcmp(left->record->id, right->record->id);
}

static const struct sweep_pack *find_pack(const struct sweep *sweep, const char *id)
{
    struct pack_record wanted;
    const struct sweep_pack key = { &wanted, 0 };

    memcpy(wanted.id, id, sizeof(wanted.id));
    return bsearch(&key, sweep->packs, sweep->pack_count, sizeof(key), compare_ids);
}

static int add_object(struct sweep *sweep, const char *key, const struct sweep_object *object,
                      struct err *err)
{
    char *copy;

    if (sweep->object_count == sweep->object_size) {
        const size_t room = sweep->object_size > 0 ? sweep->object_size * 2 : 64;
        struct sweep_object *grown = realloc(sweep->objects, room * sizeof(*grown));

        if (grown == NULL)
            return err_nomem(err);
        sweep->objects = grown;
        sweep->object_size = room;
    }
    copy = strdup(key);
    if (copy == NULL)
        return err_nomem(err);
    sweep->objects[sweep->object_count++] = *object;
    sweep->objects[sweep->object_count - 1].key = copy;
    return 0;
}

static int add(struct sweep *sweep, const char *key, enum sweep_kind kind,
               const struct object_info *info, struct err *err)
{
    const int64_t lock_ms = sweep->options.lock_ms;
    const struct sweep_object object = { .kind = kind,
                                         .size = info->size,
                                         .locked_until_ms =
                                             lock_ms > 0 ? info->modified_ms + lock_ms : 0 };

    return add_object(sweep, key, &object, err);
}

static int add_given_up(struct sweep *sweep, const struct pack_record *pack, struct err *err)
{
    const struct sweep_object object = { .kind = SWEEP_PACK,
                                         .size = pack->size,
                                         .locked_until_ms = pack->locked_until_ms };
    char key[CATALOG_KEY_SIZE];
    int r;

    sweep->packs[sweep->pack_count++] = (struct sweep_pack){ pack, GIVEN_UP };
    r = catalog_pack_key(sweep->options.manifest->database, pack->id, key, err);
    return r < 0 ? r : add_object(sweep, key, &object, err);
}

int sweep_init(struct sweep *sweep, const struct sweep_options *options, struct err *err)
{
    const struct manifest *manifest = options->manifest;
    const struct expired_packs *expired = options->expired;
    int r = 0;

    *sweep = (struct sweep){ .options = *options };
    sweep->packs = calloc(manifest->pack_count + expired->count + 1, sizeof(*sweep->packs));
    sweep->whole = calloc(manifest->pack_count + 1, sizeof(*sweep->whole));
    if (sweep->packs == NULL || sweep->whole == NULL) {
        r = err_nomem(err);
        goto out;
    }
    for (size_t i = 0; i < manifest->pack_count; i++)
        sweep->packs[sweep->pack_count++] = (struct sweep_pack){ &manifest->packs[i], i };
    for (size_t i = 0; r == 0 && i < expired->count; i++)
        r = add_given_up(sweep, &expired->packs[i], err);
    qsort(sweep->packs, sweep->pack_count, sizeof(*sweep->packs), compare_ids);
out:
    if (r < 0)
        sweep_dispose(sweep);
    return r;
}

void sweep_dispose(struct sweep *sweep)
{
    for (size_t i = 0; i < sweep->object_count; i++)
        free(sweep->objects[i].key);
    free(sweep->objects);
    free(sweep->packs);
    free(sweep->whole);
    *sweep = (struct sweep){ 0 };
}

/* What is from the future, by another clock, is young. */
static bool is_old(const struct sweep *sweep, int64_t modified_ms, int64_t least_ms)
{
    const int64_t now_ms = sweep->options.now_ms;

    if (least_ms < sweep->options.grace_ms)
        least_ms = sweep->options.grace_ms;
    return modified_ms <= now_ms && now_ms - modified_ms >= least_ms;
}

/* Whether text is a UUID, as uuid_v4() writes them, and then ending. */
static bool is_named(const char *text, const char *ending, char ret_id[UUID_TEXT_SIZE])
{
    static const char form[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";

    if (strlen(text) != UUID_LEN + strlen(ending) || strcmp(text + UUID_LEN, ending) != 0)
        return false;
    for (size_t i = 0; i < UUID_LEN; i++) {
        if (form[i] == '-' ? text[i] != '-' : strchr("0123456789abcdef", text[i]) == NULL)
            return false;
    }
    memcpy(ret_id, text, UUID_LEN);
    ret_id[UUID_LEN] = '\0';
    return true;
}

static int see_pack(struct sweep *sweep, const char *key, const char *id,
                    const struct object_info *info, struct err *err)
{
    const struct sweep_pack *pack = find_pack(sweep, id);

    if (pack == NULL && is_old(sweep, info->modified_ms, 0))
        return add(sweep, key, SWEEP_LEFTOVER, info, err);
    if (pack == NULL || pack->index == GIVEN_UP)
        return 0;
    sweep->whole[pack->index] = info->size == pack->record->size;
    if (pack->record->replaced_at_ms != 0 && is_old(sweep, pack->record->replaced_at_ms, 0) &&
        is_old(sweep, info->modified_ms, 0))
        return add(sweep, key, SWEEP_PACK, info, err);
    return 0;
}

/* Generations come in the order of their numbers: each tells when the one before it was
 * superseded.  So the newest two stay, and whatever was written after the manifest that we know. */
static int see_generation(struct sweep *sweep, const char *key, uint64_t generation,
                          const struct object_info *info, struct err *err)
{
    int r = 0;

    if (generation >= sweep->options.manifest->generation)
        return 0;
    if (sweep->previous[0] != '\0' && is_old(sweep, info->modified_ms, SWEEP_GENERATION_MS))
        r = add(sweep, sweep->previous, SWEEP_GENERATION, &sweep->previous_info, err);
    (void)snprintf(sweep->previous, sizeof(sweep->previous), "%s", key);
    sweep->previous_info = *info;
    return r;
}

int sweep_see(void *context, const char *key, const struct object_info *info, struct err *err)
{
    struct sweep *sweep = context;
    const char *database = sweep->options.manifest->database;
    const size_t len = strlen(database);
    const char *rest = key + len;
    char id[UUID_TEXT_SIZE];
    uint64_t generation;

    if (strncmp(key, database, len) != 0)
        return 0;
    if (catalog_manifest_key_parse(database, key, &generation))
        return see_generation(sweep, key, generation, info, err);
    if (strncmp(rest, "/packs/", 7) == 0 && is_named(rest + 7, PACK_ENDING, id))
        return see_pack(sweep, key, id, info, err);
    if (strncmp(rest, "/probe/", 7) == 0 && is_named(rest + 7, "", id) &&
        is_old(sweep, info->modified_ms, SWEEP_PROBE_MS))
        return add(sweep, key, SWEEP_PROBE, info, err);
    return 0;
}

size_t sweep_count(const struct sweep *sweep, enum sweep_kind kind)
{
    size_t count = 0;

    for (size_t i = 0; i < sweep->object_count; i++)
        count += sweep->objects[i].kind == kind;
    return count;
}

static bool is_named_by(const struct manifest *manifest, const struct sweep_object *object)
{
    char id[UUID_TEXT_SIZE];

    return object->kind == SWEEP_LEFTOVER &&
           is_named(strrchr(object->key, '/') + 1, PACK_ENDING, id) &&
           manifest_find_pack(manifest, id) != NULL;
}

void sweep_spare(struct sweep *sweep, const struct manifest *newer)
{
    size_t count = 0;

    for (size_t i = 0; i < sweep->object_count; i++) {
        if (is_named_by(newer, &sweep->objects[i])) {
            free(sweep->objects[i].key);
        } else {
            sweep->objects[count++] = sweep->objects[i];
        }
    }
    sweep->object_count = count;
}

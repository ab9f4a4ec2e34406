#include "snapshot/live_pages.h"

#include "base/cancel.h"
#include "base/err.h"
#include "snapshot/pack_reader.h"
#include "snapshot/pack_repair.h"
#include "snapshot/page_map.h"

#include <stdlib.h>
#include <string.h>

#define WORD_BITS   64u
#define CHUNK_WORDS (LIVE_CHUNK_PAGES / WORD_BITS)

void live_pages_dispose(struct live_pages *live)
{
    for (size_t i = 0; i < live->pack_count; i++) {
        for (size_t k = 0; k < live->packs[i].chunk_count; k++)
            free(live->packs[i].chunks[k]);
        free((void *)live->packs[i].chunks);
    }
    free(live->packs);
    *live = (struct live_pages)LIVE_PAGES_INIT;
}

bool live_pages_has(const struct live_pages *live, size_t pack, uint32_t page_number)
{
    const struct live_pack *at = &live->packs[pack];
    const size_t chunk = page_number / LIVE_CHUNK_PAGES;
    const uint32_t bit = page_number % LIVE_CHUNK_PAGES;

    return chunk < at->chunk_count && at->chunks[chunk] != NULL &&
           (at->chunks[chunk][bit / WORD_BITS] >> bit % WORD_BITS & 1) != 0;
}

bool live_pages_meet(const struct live_pack *a, const struct live_pack *b)
{
    for (size_t i = 0; i < a->chunk_count && i < b->chunk_count; i++) {
        for (size_t k = 0; a->chunks[i] != NULL && b->chunks[i] != NULL && k < CHUNK_WORDS; k++) {
            if ((a->chunks[i][k] & b->chunks[i][k]) != 0)
                return true;
        }
    }
    return false;
}

static int need_chunk(struct live_pack *pack, size_t chunk, struct err *err)
{
    if (chunk >= pack->chunk_count) {
        const size_t count = chunk + 1 + chunk / 2;
        uint64_t **grown = realloc((void *)pack->chunks, count * sizeof(*grown));

        if (grown == NULL)
            return err_nomem(err);
        memset((void *)(grown + pack->chunk_count), 0,
               (count - pack->chunk_count) * sizeof(*grown));
        pack->chunks = grown;
        pack->chunk_count = count;
    }
    if (pack->chunks[chunk] == NULL)
        pack->chunks[chunk] = calloc(CHUNK_WORDS, sizeof(**pack->chunks));
    return pack->chunks[chunk] != NULL ? 0 : err_nomem(err);
}

static int add_run(struct live_pack *pack, const struct page_run *run, struct err *err)
{
    for (uint32_t i = 0; i < run->page_count; i++) {
        const uint32_t page = run->first_page + i, bit = page % LIVE_CHUNK_PAGES;
        const uint64_t mask = UINT64_C(1) << bit % WORD_BITS;
        uint64_t *word;
        int r = need_chunk(pack, page / LIVE_CHUNK_PAGES, err);

        if (r < 0)
            return r;
        word = &pack->chunks[page / LIVE_CHUNK_PAGES][bit / WORD_BITS];
        pack->page_count += (*word & mask) == 0;
        *word |= mask;
    }
    return 0;
}

/* The index of the pack that holds now what was in the one that is named; that one is there. */
static size_t holder_of(const struct manifest *manifest, const char *id)
{
    const struct pack_record *pack = manifest_find_pack(manifest, id);

    return (size_t)(pack_repair_last(manifest, pack) - manifest->packs);
}

/* Users come from the oldest to the newest. */
static void use(struct live_pack *pack, const struct manifest *manifest, size_t user)
{
    if (pack->page_size == 0) {
        pack->page_size = manifest->backups[user].page_size;
        pack->first_user = user;
    }
}

/* Reading a map has checked that the manifest has the packs that its runs refer to. */
static int add_map(struct live_pages *live, const struct manifest *manifest,
                   const struct page_map *map, size_t user, struct err *err)
{
    struct live_pack **packs = calloc(map->pack_count + 1, sizeof(struct live_pack *));
    int r = 0;

    if (packs == NULL)
        return err_nomem(err);
    for (size_t i = 0; r == 0 && i < map->run_count; i++) {
        struct live_pack **pack = &packs[map->runs[i].pack];

        if (*pack == NULL) {
            *pack = &live->packs[holder_of(manifest, map->pack_ids[map->runs[i].pack])];
            use(*pack, manifest, user);
        }
        r = add_run(*pack, &map->runs[i], err);
    }
    free((void *)packs);
    return r;
}

static void need_map(struct live_pages *live, const struct manifest *manifest, const char *id,
                     size_t user)
{
    struct live_pack *pack = &live->packs[holder_of(manifest, id)];

    use(pack, manifest, user);
    pack->needs_map = true;
}

static int add_backup(struct live_pages *live, struct object_store *store,
                      const struct manifest *manifest, size_t user, struct err *err)
{
    static const struct pack_map_options as_stored = { .as_stored = true };
    const struct backup_record *backup = &manifest->backups[user];
    const struct pack_record *own = manifest_find_pack(manifest, backup->id);
    struct page_map map = PAGE_MAP_INIT;
    int r;

    r = pack_map_read_with(store, manifest, backup, &as_stored, &map, err);
    if (r < 0)
        return r;
    need_map(live, manifest, own->id, user);
    if (own->map_base[0] != '\0')
        need_map(live, manifest, own->map_base, user);
    r = add_map(live, manifest, &map, user, err);
    page_map_dispose(&map);
    return r;
}

int live_pages_read(struct object_store *store, const struct manifest *manifest,
                    const struct cancel *cancel, struct live_pages *ret_live, struct err *err)
{
    struct live_pages live = { calloc(manifest->pack_count + 1, sizeof(*live.packs)),
                               manifest->pack_count };
    int r = 0;

    if (live.packs == NULL)
        return err_nomem(err);
    for (size_t i = 0; r == 0 && i < manifest->backup_count; i++) {
        r = cancel_check(cancel, err);
        if (r == 0)
            r = add_backup(&live, store, manifest, i, err);
    }
    if (r < 0) {
        live_pages_dispose(&live);
        return r;
    }
    *ret_live = live;
    return 0;
}

/* Goal: a state file of any content is as good as none, or everything in it fits together. */
#include "snapshot/state.h"

#include "base/buf.h"
#include "base/file.h"
#include "snapshot/hash_spool.h"
#include "snapshot/pack_format.h"

#include <assert.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#define BLOCKS        5
#define INPUT_LEN_MAX (1u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static char dir[] = "/tmp/holdfast-fuzz-state-XXXXXX";
static char path[128]; /* of the one file there; state_save() writes to it too */
static const struct state_place place = { dir, "file:///store", "app" };

static void remove_dir(void)
{
    char folder[64];

    (void)snprintf(folder, sizeof(folder), "%s/app", dir);
    (void)unlink(path);
    (void)rmdir(folder);
    (void)rmdir(dir);
}

static void make_dir(void)
{
    char folder[64];

    assert(mkdtemp(dir) != NULL);
    (void)snprintf(folder, sizeof(folder), "%s/app", dir);
    assert(mkdir(folder, 0700) == 0);
    (void)snprintf(path, sizeof(path), "%s/%016" PRIx64 ".state", folder,
                   (uint64_t)XXH64(place.store_url, strlen(place.store_url), 0));
    (void)atexit(remove_dir);
}

/* Five blocks, each with its length in three bytes before it, whose checksums are made right: no
 * mutation finds those.  What is left are the hashes. */
static void build(const uint8_t *data, size_t len, struct buf *file)
{
    static const enum index_type types[BLOCKS] = { INDEX_INFO, INDEX_INFO, INDEX_INFO, INDEX_MAP,
                                                   INDEX_MAP };

    for (size_t i = 0; i < BLOCKS && len >= 3; i++) {
        size_t block_len = (size_t)data[0] | (size_t)data[1] << 8 | (size_t)data[2] << 16;

        data += 3;
        len -= 3;
        if (block_len > len)
            block_len = len;
        assert(index_block_encode(types[i], data, block_len, file, NULL) == 0);
        data += block_len;
        len -= block_len;
    }
    buf_add(file, data, len);
}

static void write_file(const void *data, size_t len)
{
    const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    assert(fd >= 0);
    assert(file_write_all(fd, data, len, path, NULL) == 0);
    (void)close(fd);
}

static void check(const struct state *state)
{
    const struct backup_record *standing = &state->head.standing;
    struct page_hash sum = { 0, 0 };

    assert(state->parent.map.page_count == standing->page_count);
    assert(strcmp(state->parent.id, standing->id) == 0);
    for (uint32_t page = 1; page <= standing->page_count; page++) {
        struct page_hash hash;

        assert(page_map_find(&state->parent.map, page) != NULL);
        assert(hash_spool_get(state->parent.hashes, page, &hash, 1, NULL) == 0);
        page_hash_xor(&sum, hash);
    }
    assert(page_hash_eq(sum, standing->database_hash));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct buf file = BUF_INIT(2u << 20);
    struct state state = STATE_INIT, again = STATE_INIT;
    struct state_head head = { 0 };
    bool is_head;

    if (len < 1 || len > INPUT_LEN_MAX)
        return 0;
    if (path[0] == '\0')
        make_dir();
    if (data[0] == 0) { /* as it is */
        buf_add(&file, data + 1, len - 1);
    } else {
        build(data + 1, len - 1, &file);
    }
    write_file(file.ptr, file.len);
    is_head = state_load_head(&place, &head, NULL) == 0;
    if (state_load(&place, NULL, &state, NULL) == 0) {
        assert(is_head && strcmp(head.standing.id, state.head.standing.id) == 0);
        check(&state);
        if (state_save(&place, &state, NULL) == 0) {
            assert(state_load(&place, NULL, &again, NULL) == 0); /* from where it was written */
            check(&again);
        }
    }
    state_head_dispose(&head);
    state_dispose(&state);
    state_dispose(&again);
    buf_dispose(&file);
    return 0;
}

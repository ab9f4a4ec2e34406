#include "snapshot/state.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "snapshot/hash_spool.h"
#include "snapshot/pack_format.h"
#include "snapshot/wire.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

/* The file: five blocks as in a pack's index, then 16 bytes a page, the hashes.
 *
 *   head       magic, version, numbers, fingerprint, base_id, store's URL, database's name
 *   standing   a manifest of one backup, as a pack's INFO block
 *   manifest   JSON
 *   base       the whole page map
 *   map        the difference of the parent's from it; empty when there is none
 *
 * The hashes need no checksum: their XOR is the standing backup's database hash. */
#define STATE_MAGIC    0x54534648u /* "HFST" */
#define STATE_VERSION  1u
#define TEXT_SIZE_MAX  4096u
#define HEAD_LEN_MAX   (TEXT_SIZE_MAX * 2 + FINGERPRINT_STORED_SIZE + UUID_TEXT_SIZE + 64)
#define BLOCK_HEAD_LEN 8u
#define NAME_SIZE      32
#define HASHES_CHUNK   4096u /* read and written at a time */
#define TEMP_PREFIX    ".state-"
#define LEFTOVER_AGE_S 3600

void state_head_dispose(struct state_head *head)
{
    backup_record_dispose(&head->standing);
    *head = (struct state_head){ 0 };
}

void state_dispose(struct state *state)
{
    state_head_dispose(&state->head);
    manifest_dispose(&state->manifest);
    parent_dispose(&state->parent);
}

/* malloc'd; NULL without memory. */
static char *state_path(const struct state_place *place)
{
    char name[NAME_SIZE];
    char *dir = path_join(place->dir, place->database), *path = NULL;

    (void)snprintf(name, sizeof(name), "%016" PRIx64 ".state",
                   (uint64_t)XXH64(place->store_url, strlen(place->store_url), 0));
    if (dir != NULL)
        path = path_join(dir, name);
    free(dir);
    return path;
}

/* A file that is read from its beginning. */
struct state_reader {
    int fd;
    char *path;
    uint64_t offset, size;
};

static int reader_open(const struct state_place *place, struct state_reader *reader,
                       struct err *err)
{
    struct stat st;

    *reader = (struct state_reader){ .fd = -1 };
    if (place->dir == NULL)
        return err_set(err, ERR_NOT_FOUND, "no state directory");
    reader->path = state_path(place);
    if (reader->path == NULL)
        return err_nomem(err);
    reader->fd = open(reader->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (reader->fd < 0 || fstat(reader->fd, &st) < 0)
        return err_set_errno(err, "open '%s'", reader->path);
    reader->size = (uint64_t)st.st_size;
    return 0;
}

static void reader_close(struct state_reader *reader)
{
    if (reader->fd >= 0)
        (void)close(reader->fd);
    free(reader->path);
}

static int corrupt(struct err *err, const char *what)
{
    return err_set(err, ERR_CORRUPT, "what was remembered %s", what);
}

static int read_block(struct state_reader *reader, enum index_type type, struct buf *ret_payload,
                      struct err *err)
{
    uint8_t start[BLOCK_HEAD_LEN];
    uint64_t len = 0;
    size_t used = 0;
    uint8_t *stored;
    int r;

    r = file_pread_all(reader->fd, start, sizeof(start), reader->offset, reader->path, err);
    if (r == 0)
        r = index_block_len(start, sizeof(start), &len, err);
    if (r < 0)
        return r;
    if (len == 0 || len > reader->size - reader->offset)
        return corrupt(err, "is cut off");
    stored = malloc(len);
    if (stored == NULL)
        return err_nomem(err);
    r = file_pread_all(reader->fd, stored, len, reader->offset, reader->path, err);
    if (r == 0)
        r = index_block_decode(stored, len, type, ret_payload, &used, err);
    free(stored);
    reader->offset += len;
    return r;
}

static bool text_is(struct wire_reader *reader, const char *expected)
{
    const size_t len = strlen(expected);
    const uint64_t there = wire_read_varint(reader, TEXT_SIZE_MAX);
    const uint8_t *text = wire_read_bytes(reader, (size_t)there);

    return text != NULL && there == len && memcmp(text, expected, len) == 0;
}

static int decode_head(const struct state_place *place, const struct buf *payload,
                       struct state_head *head, struct err *err)
{
    struct wire_reader reader = { (const uint8_t *)payload->ptr,
                                  (const uint8_t *)payload->ptr + payload->len, false };
    const uint64_t magic = wire_read_varint(&reader, UINT32_MAX);
    const uint64_t version = wire_read_varint(&reader, UINT32_MAX);
    const uint8_t *bytes;

    if (reader.failed || magic != STATE_MAGIC || version != STATE_VERSION)
        return corrupt(err, "is of another version");
    head->confirmed_ms = (int64_t)wire_read_varint(&reader, INT64_MAX);
    head->has_fingerprint = wire_read_varint(&reader, 1) != 0;
    bytes = wire_read_bytes(&reader, FINGERPRINT_STORED_SIZE);
    if (bytes != NULL)
        fingerprint_decode(bytes, &head->fingerprint);
    bytes = wire_read_bytes(&reader, UUID_TEXT_SIZE);
    if (bytes != NULL)
        memcpy(head->base_id, bytes, UUID_TEXT_SIZE - 1);
    if (!text_is(&reader, place->store_url) || !text_is(&reader, place->database) ||
        wire_left(&reader) > 0)
        return corrupt(err, "is about another store or database");
    return 0;
}

static int read_head(const struct state_place *place, struct state_reader *reader,
                     struct state_head *ret_head, struct err *err)
{
    struct buf payload = BUF_INIT(HEAD_LEN_MAX), json = BUF_INIT(MANIFEST_LEN_MAX);
    struct manifest alone = MANIFEST_INIT;
    struct state_head head = { 0 };
    int r;

    r = read_block(reader, INDEX_INFO, &payload, err);
    if (r == 0)
        r = decode_head(place, &payload, &head, err);
    if (r == 0)
        r = read_block(reader, INDEX_INFO, &json, err);
    if (r == 0)
        r = manifest_parse_info(json.ptr, json.len, &alone, err);
    if (r == 0 && alone.backup_count == 0)
        r = err_set(err, ERR_CORRUPT, "no backup is standing");
    if (r == 0)
        r = backup_record_copy(&alone.backups[0], &head.standing, err);
    manifest_dispose(&alone);
    buf_dispose(&payload);
    buf_dispose(&json);
    if (r == 0)
        *ret_head = head;
    return r;
}

int state_load_head(const struct state_place *place, struct state_head *ret_head, struct err *err)
{
    struct state_reader reader;
    int r;

    r = reader_open(place, &reader, err);
    if (r == 0)
        r = read_head(place, &reader, ret_head, err);
    reader_close(&reader);
    return r;
}

static int read_manifest(struct state_reader *reader, struct manifest *ret_manifest,
                         struct err *err)
{
    struct buf json = BUF_INIT(MANIFEST_LEN_MAX);
    int r;

    r = read_block(reader, INDEX_INFO, &json, err);
    if (r == 0)
        r = manifest_parse(json.ptr, json.len, ret_manifest, err);
    buf_dispose(&json);
    return r;
}

static int read_maps(struct state_reader *reader, struct parent *parent, struct err *err)
{
    struct buf whole = BUF_INIT(INDEX_BLOCK_RAW_MAX), difference = BUF_INIT(INDEX_BLOCK_RAW_MAX);
    int r;

    r = read_block(reader, INDEX_MAP, &whole, err);
    if (r == 0)
        r = read_block(reader, INDEX_MAP, &difference, err);
    if (r < 0)
        goto out;
    if (difference.len == 0) {
        r = page_map_decode(whole.ptr, whole.len, NULL, &parent->map, err);
        goto out;
    }
    r = page_map_decode(whole.ptr, whole.len, NULL, &parent->base, err);
    if (r == 0)
        r = page_map_decode(difference.ptr, difference.len, &parent->base, &parent->map, err);
out:
    buf_dispose(&whole);
    buf_dispose(&difference);
    return r;
}

static int read_hashes(struct state_reader *reader, const struct backup_record *standing,
                       const char *spool_dir, struct parent *parent, struct err *err)
{
    uint8_t *stored = malloc((size_t)HASHES_CHUNK * PAGE_HASH_SIZE);
    struct page_hash *hashes = calloc(HASHES_CHUNK, sizeof(*hashes));
    struct page_hash sum = { 0, 0 };
    int r = 0;

    if (stored == NULL || hashes == NULL) {
        r = err_nomem(err);
    } else if (reader->size - reader->offset != (uint64_t)standing->page_count * PAGE_HASH_SIZE) {
        r = corrupt(err, "has not as many hashes as pages");
    }
    if (r == 0)
        r = hash_spool_new(spool_dir, &parent->hashes, err);
    for (uint32_t done = 0; r == 0 && done < standing->page_count;) {
        const uint32_t left = standing->page_count - done;
        const uint32_t count = left < HASHES_CHUNK ? left : HASHES_CHUNK;

        r = file_pread_all(reader->fd, stored, (size_t)count * PAGE_HASH_SIZE, reader->offset,
                           reader->path, err);
        for (uint32_t i = 0; r == 0 && i < count; i++) {
            hashes[i] = page_hash_decode(stored + (size_t)i * PAGE_HASH_SIZE);
            page_hash_xor(&sum, hashes[i]);
        }
        if (r == 0)
            r = hash_spool_put(parent->hashes, done + 1, hashes, count, err);
        reader->offset += (uint64_t)count * PAGE_HASH_SIZE;
        done += count;
    }
    if (r == 0 && !page_hash_eq(sum, standing->database_hash))
        r = corrupt(err, "has hashes that do not make up the database hash");
    free(stored);
    free(hashes);
    return r;
}

int state_load(const struct state_place *place, const char *spool_dir, struct state *ret_state,
               struct err *err)
{
    struct state state = STATE_INIT;
    struct state_reader reader;
    int r;

    r = reader_open(place, &reader, err);
    if (r == 0)
        r = read_head(place, &reader, &state.head, err);
    if (r == 0)
        r = read_manifest(&reader, &state.manifest, err);
    if (r == 0)
        r = read_maps(&reader, &state.parent, err);
    if (r == 0 && state.parent.map.page_count != state.head.standing.page_count)
        r = corrupt(err, "has a page map of another backup");
    if (r == 0)
        r = read_hashes(&reader, &state.head.standing, spool_dir, &state.parent, err);
    reader_close(&reader);
    if (r < 0) {
        state_dispose(&state);
        return r;
    }
    memcpy(state.parent.id, state.head.standing.id, sizeof(state.parent.id));
    memcpy(state.parent.base_id, state.head.base_id, sizeof(state.parent.base_id));
    state.parent.page_size = state.head.standing.page_size;
    *ret_state = state;
    return 0;
}

static void add_text(struct buf *out, const char *text)
{
    wire_add_varint(out, strlen(text));
    buf_add_text(out, text);
}

static int write_block(int fd, enum index_type type, const struct buf *payload, const char *name,
                       struct err *err)
{
    struct buf block = BUF_INIT(INDEX_BLOCK_RAW_MAX);
    int r;

    r = buf_check(payload, err);
    if (r == 0)
        r = index_block_encode(type, payload->ptr, payload->len, &block, err);
    if (r == 0)
        r = file_write_all(fd, block.ptr, block.len, name, err);
    buf_dispose(&block);
    return r;
}

static int write_head(int fd, const struct state_place *place, const struct state_head *head,
                      const char *name, struct err *err)
{
    struct buf payload = BUF_INIT(HEAD_LEN_MAX);
    uint8_t fingerprint[FINGERPRINT_STORED_SIZE];
    int r;

    fingerprint_encode(&head->fingerprint, fingerprint);
    wire_add_varint(&payload, STATE_MAGIC);
    wire_add_varint(&payload, STATE_VERSION);
    wire_add_varint(&payload, (uint64_t)head->confirmed_ms);
    wire_add_varint(&payload, head->has_fingerprint);
    buf_add(&payload, fingerprint, sizeof(fingerprint));
    buf_add(&payload, head->base_id, UUID_TEXT_SIZE);
    add_text(&payload, place->store_url);
    add_text(&payload, place->database);
    r = write_block(fd, INDEX_INFO, &payload, name, err);
    buf_dispose(&payload);
    return r;
}

static int write_manifest(int fd, const struct manifest *manifest, const char *name,
                          struct err *err)
{
    struct buf json = BUF_INIT(MANIFEST_LEN_MAX);
    int r;

    r = manifest_encode(manifest, &json, err);
    if (r == 0)
        r = write_block(fd, INDEX_INFO, &json, name, err);
    buf_dispose(&json);
    return r;
}

static int write_standing(int fd, const struct state *state, const char *name, struct err *err)
{
    struct pack_range own = { 0, 1 };
    struct backup_record standing = state->head.standing;
    struct pack_record pack = { 0 };
    struct manifest alone = state->manifest;

    standing.packs = (struct pack_set){ &own, 1, 1 };
    memcpy(pack.id, standing.id, sizeof(pack.id));
    alone.backups = &standing;
    alone.packs = &pack;
    alone.backup_count = alone.pack_count = 1;
    alone.deletion_count = 0;
    return write_manifest(fd, &alone, name, err);
}

static int write_maps(int fd, const struct parent *parent, const char *name, struct err *err)
{
    struct buf whole = BUF_INIT(INDEX_BLOCK_RAW_MAX), difference = BUF_INIT(INDEX_BLOCK_RAW_MAX);
    const bool is_whole = parent->base.page_count == 0;
    int r;

    r = page_map_encode(is_whole ? &parent->map : &parent->base, NULL, &whole, err);
    if (r == 0 && !is_whole)
        r = page_map_encode(&parent->map, &parent->base, &difference, err);
    if (r == 0)
        r = write_block(fd, INDEX_MAP, &whole, name, err);
    if (r == 0)
        r = write_block(fd, INDEX_MAP, &difference, name, err);
    buf_dispose(&whole);
    buf_dispose(&difference);
    return r;
}

static int write_hashes(int fd, const struct parent *parent, const char *name, struct err *err)
{
    uint8_t *stored = malloc((size_t)HASHES_CHUNK * PAGE_HASH_SIZE);
    struct page_hash *hashes = calloc(HASHES_CHUNK, sizeof(*hashes));
    const uint32_t page_count = parent->map.page_count;
    int r = stored == NULL || hashes == NULL ? err_nomem(err) : 0;

    for (uint32_t done = 0; r == 0 && done < page_count;) {
        const uint32_t left = page_count - done, count = left < HASHES_CHUNK ? left : HASHES_CHUNK;

        r = hash_spool_get(parent->hashes, done + 1, hashes, count, err);
        for (uint32_t i = 0; r == 0 && i < count; i++)
            page_hash_encode(hashes[i], stored + (size_t)i * PAGE_HASH_SIZE);
        if (r == 0)
            r = file_write_all(fd, stored, (size_t)count * PAGE_HASH_SIZE, name, err);
        done += count;
    }
    free(stored);
    free(hashes);
    return r;
}

/* Half-written files of runs that were killed; what is young may be somebody's.  Best effort. */
static void remove_leftovers(const char *dir)
{
    const int64_t now = clock_now_ms(clock_system()) / 1000;
    DIR *stream = opendir(dir);
    struct dirent *entry;

    if (stream == NULL)
        return;
    /* A stream of our own: nobody else reads it. */
    while ((entry = readdir(stream)) != NULL) { /* NOLINT(concurrency-mt-unsafe) */
        struct stat st;

        if (strncmp(entry->d_name, TEMP_PREFIX, strlen(TEMP_PREFIX)) == 0 &&
            fstatat(dirfd(stream), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
            now - st.st_mtime > LEFTOVER_AGE_S)
            (void)unlinkat(dirfd(stream), entry->d_name, 0);
    }
    (void)closedir(stream);
}

int state_save(const struct state_place *place, const struct state *state, struct err *err)
{
    char *path, *dir = NULL, *temporary = NULL;
    int fd = -1, r = 0;

    if (place->dir == NULL)
        return 0;
    path = state_path(place);
    dir = path != NULL ? path_parent(path) : NULL;
    r = dir == NULL ? err_nomem(err) : file_mkdirs(dir, 0700, err);
    if (r == 0) {
        remove_leftovers(dir);
        r = file_temp_named(dir, TEMP_PREFIX, &fd, &temporary, err);
    }
    if (r == 0)
        r = write_head(fd, place, &state->head, path, err);
    if (r == 0)
        r = write_standing(fd, state, path, err);
    if (r == 0)
        r = write_manifest(fd, &state->manifest, path, err);
    if (r == 0)
        r = write_maps(fd, &state->parent, path, err);
    if (r == 0)
        r = write_hashes(fd, &state->parent, path, err);
    /* Not synced: what a crash leaves of it shows when it is read. */
    if (r == 0 && rename(temporary, path) < 0)
        r = err_set_errno(err, "rename '%s'", temporary);
    if (fd >= 0)
        (void)close(fd);
    if (r < 0 && temporary != NULL)
        (void)unlink(temporary);
    free(temporary);
    free(dir);
    free(path);
    return r;
}

void state_forget(const struct state_place *place)
{
    char *path = place->dir != NULL ? state_path(place) : NULL;

    if (path != NULL)
        (void)unlink(path);
    free(path);
}

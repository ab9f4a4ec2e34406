#include "snapshot/manifest.h"

#include <inttypes.h>
#include <stdio.h>

#include <jansson.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/parse.h"

static const char *const conditional_names[] = { "supported", "refused", "ignored" };

/* jansson's set_new takes the value over, NULL values included, and fails then: so one flag at the
 * end tells of every allocation that failed on the way. */
struct writer {
    json_t *object;
    bool failed;
};

static void put(struct writer *w, const char *name, json_t *value)
{
    if (json_object_set_new(w->object, name, value) < 0)
        w->failed = true;
}

static void put_text(struct writer *w, const char *name, const char *text)
{
    put(w, name, json_string(text));
}

static void put_int(struct writer *w, const char *name, uint64_t value)
{
    put(w, name, json_integer((json_int_t)value));
}

static void put_time(struct writer *w, const char *name, int64_t ms)
{
    char text[FORMAT_TIME_SIZE];

    format_time_utc(ms, true, text);
    put_text(w, name, text);
}

static json_t *taken(struct writer *w)
{
    if (!w->failed)
        return w->object;
    json_decref(w->object);
    return NULL;
}

static json_t *range(uint64_t offset, uint64_t len, const char *base)
{
    struct writer w = { json_object(), false };

    put_int(&w, "offset", offset);
    put_int(&w, "length", len);
    if (base[0] != '\0')
        put_text(&w, "base", base);
    return taken(&w);
}

static json_t *encode_pack(const struct pack_record *pack)
{
    struct writer w = { json_object(), false };

    put_text(&w, "id", pack->id);
    put_int(&w, "size", pack->size);
    put_int(&w, "slots", pack->slot_count);
    put(&w, "hashes", range(pack->hashes_offset, pack->hashes_len, ""));
    put(&w, "map", range(pack->map_offset, pack->map_len, pack->map_base));
    if (pack->repaired_by[0] != '\0')
        put_text(&w, "repaired_by", pack->repaired_by);
    if (pack->replaced_at_ms != 0)
        put_time(&w, "replaced_at", pack->replaced_at_ms);
    if (pack->locked_until_ms != 0)
        put_time(&w, "locked_until", pack->locked_until_ms);
    return taken(&w);
}

/* First index and count of each range, one after the other. */
static json_t *encode_set(const struct pack_set *set)
{
    json_t *numbers = json_array();

    for (size_t i = 0; i < set->range_count; i++) {
        if (json_array_append_new(numbers, json_integer(set->ranges[i].first)) < 0 ||
            json_array_append_new(numbers, json_integer(set->ranges[i].count)) < 0) {
            json_decref(numbers);
            return NULL;
        }
    }
    return numbers;
}

static json_t *encode_backup(const struct backup_record *backup)
{
    struct writer w = { json_object(), false };
    char hash[PAGE_HASH_TEXT_SIZE];

    page_hash_format(backup->database_hash, hash);
    put_text(&w, "id", backup->id);
    put_time(&w, "created_at", backup->created_at_ms);
    put_text(&w, "trigger", backup_trigger_name(backup->trigger));
    put_text(&w, "kind", backup_kind_name(backup->kind));
    if (backup->label != NULL)
        put_text(&w, "label", backup->label);
    put_int(&w, "size", backup->size);
    put_int(&w, "page_size", backup->page_size);
    put_int(&w, "page_count", backup->page_count);
    put_int(&w, "num_tables", backup->num_tables);
    if (backup->num_rows >= 0)
        put_int(&w, "num_rows", (uint64_t)backup->num_rows);
    put_int(&w, "stored_bytes", backup->stored_bytes);
    put_int(&w, "changed_pages", backup->changed_pages);
    put_text(&w, "database_hash", hash);
    if (backup->full_at_ms != 0)
        put_time(&w, "full_at", backup->full_at_ms);
    if (backup->verified_at_ms != 0)
        put_time(&w, "verified_at", backup->verified_at_ms);
    if (backup->pinned)
        put(&w, "pinned", json_true());
    if (backup->guarded)
        put(&w, "guarded", json_true());
    if (backup->damaged)
        put(&w, "damaged", json_true());
    put_text(&w, "host", backup->host);
    put_text(&w, "path", backup->path);
    put(&w, "packs", encode_set(&backup->packs));
    return taken(&w);
}

static json_t *encode_deletion(const struct pack_deletion *deletion)
{
    struct writer w = { json_object(), false };

    put_text(&w, "id", deletion->id);
    put_time(&w, "since", deletion->since_ms);
    return taken(&w);
}

/* Append a value, NULL for lack of memory, to the array called name. */
static void append(struct writer *w, const char *name, json_t *value)
{
    if (json_array_append_new(json_object_get(w->object, name), value) < 0)
        w->failed = true;
}

static int dump_chunk(const char *data, size_t len, void *context)
{
    struct buf *out = context;

    buf_add(out, data, len);
    return out->failed == 0 ? 0 : -1;
}

int manifest_encode(const struct manifest *manifest, struct buf *out, struct err *err)
{
    struct writer w = { json_object(), false };
    char seed[17];
    int r = 0;

    (void)snprintf(seed, sizeof(seed), "%016" PRIx64, manifest->page_hash_seed);
    put_int(&w, "format", MANIFEST_FORMAT);
    put_int(&w, "generation", manifest->generation);
    put_time(&w, "written_at", manifest->written_at_ms);
    put_text(&w, "writer", manifest->writer);
    put_text(&w, "database", manifest->database);
    put_text(&w, "page_hash_seed", seed);
    put_text(&w, "encryption", "none");
    put_text(&w, "conditional_writes", conditional_names[manifest->conditional_writes]);
    put(&w, "backups", json_array());
    for (size_t i = 0; i < manifest->backup_count; i++)
        append(&w, "backups", encode_backup(&manifest->backups[i]));
    put(&w, "packs", json_array());
    for (size_t i = 0; i < manifest->pack_count; i++)
        append(&w, "packs", encode_pack(&manifest->packs[i]));
    put(&w, "deletions", json_array());
    for (size_t i = 0; i < manifest->deletion_count; i++)
        append(&w, "deletions", encode_deletion(&manifest->deletions[i]));
    if (w.failed) {
        r = err_set(err, ERR_NOMEM,
                    "encode the manifest: out of memory, or text that is not UTF-8");
    } else if (json_dump_callback(w.object, dump_chunk, out, JSON_COMPACT) < 0) {
        r = out->failed != 0 ? buf_check(out, err) : err_nomem(err);
    }
    json_decref(w.object);
    return r;
}

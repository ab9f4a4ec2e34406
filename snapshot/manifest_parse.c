#include "snapshot/manifest.h"

#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/parse.h"
#include "snapshot/pack_format.h"

#define TEXT_LEN_MAX 4096u /* of a label, a host, a path */

/* Reading fields of one object.  The first bad field is reported; reads after it give 0 and
 * nothing, so that a parser reads all its fields and looks once. */
struct reader {
    const json_t *object;
    const char *what; /* "backup 3", for the message */
    size_t index;
    struct err *err;
    int r;
};

static void bad(struct reader *reader, const char *name, const char *why)
{
    if (reader->r == 0) {
        reader->r = err_set(reader->err, ERR_CORRUPT, "%s %zu: field '%s' %s", reader->what,
                            reader->index, name, why);
    }
}

static const json_t *field(struct reader *reader, const char *name, json_type type, bool optional)
{
    const json_t *value = json_object_get(reader->object, name);

    if (value == NULL) {
        if (!optional)
            bad(reader, name, "is missing");
        return NULL;
    }
    if (json_typeof(value) != type) {
        bad(reader, name, "is of another type");
        return NULL;
    }
    return value;
}

static uint64_t read_int(struct reader *reader, const char *name, uint64_t max)
{
    const json_t *value = field(reader, name, JSON_INTEGER, false);
    const json_int_t n = value == NULL ? 0 : json_integer_value(value);

    if (n < 0 || (uint64_t)n > max) {
        bad(reader, name, "is out of range");
        return 0;
    }
    return (uint64_t)n;
}

/* The text itself, owned by the document; NULL when there is none. */
static const char *read_text(struct reader *reader, const char *name, bool optional)
{
    const json_t *value = field(reader, name, JSON_STRING, optional);

    if (value == NULL)
        return NULL;
    if (json_string_length(value) > TEXT_LEN_MAX) { /* no NUL in it: jansson refuses them */
        bad(reader, name, "is too long");
        return NULL;
    }
    return json_string_value(value);
}

static char *read_copy(struct reader *reader, const char *name, bool optional)
{
    const char *text = read_text(reader, name, optional);
    char *copy = text == NULL ? NULL : strdup(text);

    if (text != NULL && copy == NULL && reader->r == 0)
        reader->r = err_nomem(reader->err);
    return copy;
}

static int64_t read_time(struct reader *reader, const char *name, bool optional)
{
    const char *text = read_text(reader, name, optional);
    int64_t ms = 0;

    if (text != NULL &&
        (strlen(text) < 20 || text[strlen(text) - 1] != 'Z' || parse_time(text, 0, &ms, NULL) < 0))
        bad(reader, name, "is not a time in UTC");
    return ms;
}

static bool is_uuid(const char *text)
{
    if (strlen(text) != UUID_TEXT_SIZE - 1)
        return false;
    for (size_t i = 0; i < UUID_TEXT_SIZE - 1; i++) {
        const bool hyphen = i == 8 || i == 13 || i == 18 || i == 23;

        if (hyphen ? text[i] != '-' : strchr("0123456789abcdef", text[i]) == NULL)
            return false;
    }
    return true;
}

static void read_id(struct reader *reader, const char *name, bool optional,
                    char out[UUID_TEXT_SIZE])
{
    const char *text = read_text(reader, name, optional);

    if (text == NULL)
        return;
    if (!is_uuid(text)) {
        bad(reader, name, "is not a UUID");
    } else {
        memcpy(out, text, UUID_TEXT_SIZE);
    }
}

/* The index of a text in a table of names that ends in NULL. */
static int read_name(struct reader *reader, const char *name, const char *const *names)
{
    const char *text = read_text(reader, name, false);

    for (int i = 0; text != NULL && names[i] != NULL; i++) {
        if (strcmp(text, names[i]) == 0)
            return i;
    }
    if (text != NULL)
        bad(reader, name, "has a value that is not known");
    return 0;
}

static void read_range(struct reader *reader, const char *name, struct pack_record *pack,
                       uint64_t *ret_offset, uint64_t *ret_len)
{
    struct reader inner = { field(reader, name, JSON_OBJECT, false), reader->what, reader->index,
                            reader->err, reader->r };

    if (inner.object == NULL)
        return;
    *ret_offset = read_int(&inner, "offset", INT64_MAX);
    *ret_len = read_int(&inner, "length", INT64_MAX);
    if (strcmp(name, "map") == 0)
        read_id(&inner, "base", true, pack->map_base);
    if (*ret_offset > pack->size || *ret_len > pack->size - *ret_offset)
        bad(&inner, name, "lies outside of the pack");
    reader->r = inner.r;
}

static void parse_pack(struct reader *reader, struct pack_record *pack)
{
    read_id(reader, "id", false, pack->id);
    pack->size = read_int(reader, "size", INT64_MAX);
    pack->slot_count = read_int(reader, "slots", INT64_MAX);
    read_range(reader, "hashes", pack, &pack->hashes_offset, &pack->hashes_len);
    read_range(reader, "map", pack, &pack->map_offset, &pack->map_len);
    if (pack->map_len > INDEX_BLOCK_RAW_MAX)
        bad(reader, "map", "is too long");
    read_id(reader, "repaired_by", true, pack->repaired_by);
    pack->replaced_at_ms = read_time(reader, "replaced_at", true);
    if (pack->replaced_at_ms != 0 && pack->repaired_by[0] == '\0')
        bad(reader, "replaced_at", "is of a pack that nothing replaces");
    pack->locked_until_ms = read_time(reader, "locked_until", true);
}

/* First index and count of each range.  That they lie within the manifest's packs is checked when
 * those are known. */
static void parse_set(struct reader *reader, struct pack_set *set)
{
    const json_t *numbers = field(reader, "packs", JSON_ARRAY, false);
    const size_t count = json_array_size(numbers);
    json_int_t end = 0;

    if (reader->r < 0)
        return;
    if (count == 0 || count % 2 != 0)
        bad(reader, "packs", "is not pairs of numbers");
    for (size_t i = 0; i + 1 < count && reader->r == 0; i += 2) {
        const json_t *first = json_array_get(numbers, i), *len = json_array_get(numbers, i + 1);
        const json_int_t from = json_integer_value(first), n = json_integer_value(len);

        if (!json_is_integer(first) || !json_is_integer(len) || from < end || n < 1 ||
            from > UINT32_MAX || n > UINT32_MAX - from) {
            bad(reader, "packs", "has ranges that cannot be");
            return;
        }
        end = from + n;
        if (pack_set_append(set, (uint32_t)from, (uint32_t)n, reader->err) < 0)
            reader->r = ERR_NOMEM;
    }
}

static int64_t read_count(struct reader *reader, const char *name)
{
    if (json_object_get(reader->object, name) == NULL)
        return -1;
    return (int64_t)read_int(reader, name, INT64_MAX);
}

static bool read_flag(struct reader *reader, const char *name)
{
    const json_t *flag = json_object_get(reader->object, name);

    if (flag != NULL && !json_is_boolean(flag))
        bad(reader, name, "is of another type");
    return json_is_true(flag);
}

static void parse_backup(struct reader *reader, struct backup_record *backup)
{
    static const char *const triggers[] = { "manual", "schedule", "pre-restore", NULL };
    static const char *const kinds[] = { "full", "incremental", NULL };
    const char *hash;

    read_id(reader, "id", false, backup->id);
    backup->created_at_ms = read_time(reader, "created_at", false);
    backup->trigger = (enum backup_trigger)read_name(reader, "trigger", triggers);
    backup->kind = (enum backup_kind)read_name(reader, "kind", kinds);
    backup->label = read_copy(reader, "label", true);
    backup->size = read_int(reader, "size", INT64_MAX);
    backup->page_size = (uint32_t)read_int(reader, "page_size", PAGE_SIZE_MAX);
    backup->page_count = (uint32_t)read_int(reader, "page_count", UINT32_MAX - 1);
    backup->num_tables = (uint32_t)read_int(reader, "num_tables", UINT32_MAX);
    backup->num_rows = read_count(reader, "num_rows");
    backup->stored_bytes = read_int(reader, "stored_bytes", INT64_MAX);
    backup->changed_pages = (uint32_t)read_int(reader, "changed_pages", UINT32_MAX);
    hash = read_text(reader, "database_hash", false);
    if (hash != NULL && !page_hash_parse(hash, &backup->database_hash))
        bad(reader, "database_hash", "is not a hash");
    backup->full_at_ms = read_time(reader, "full_at", true);
    backup->verified_at_ms = read_time(reader, "verified_at", true);
    backup->pinned = read_flag(reader, "pinned");
    backup->guarded = read_flag(reader, "guarded");
    backup->damaged = read_flag(reader, "damaged");
    backup->host = read_copy(reader, "host", false);
    backup->path = read_copy(reader, "path", false);
    parse_set(reader, &backup->packs);
    if (!page_size_is_valid(backup->page_size))
        bad(reader, "page_size", "is not a page size");
    if (backup->page_count == 0 || backup->size != (uint64_t)backup->page_size * backup->page_count)
        bad(reader, "size", "is not page_size times page_count");
}

static void parse_deletion(struct reader *reader, struct pack_deletion *deletion)
{
    read_id(reader, "id", false, deletion->id);
    deletion->since_ms = read_time(reader, "since", false);
}

/* An array of objects: allocate, then parse one by one with `parse_one`. */
static int parse_array(const json_t *root, const char *name, size_t item_size, void **ret_items,
                       size_t *ret_count, void (*parse_one)(struct reader *, void *),
                       struct err *err)
{
    const json_t *array = json_object_get(root, name);
    const size_t count = json_array_size(array);
    char *items;

    if (!json_is_array(array))
        return err_set(err, ERR_CORRUPT, "field '%s' is missing", name);
    items = calloc(count > 0 ? count : 1, item_size);
    if (items == NULL)
        return err_nomem(err);
    *ret_items = items;
    for (size_t i = 0; i < count; i++) {
        struct reader reader = { json_array_get(array, i), name, i, err, 0 };

        if (!json_is_object(reader.object))
            return err_set(err, ERR_CORRUPT, "%s %zu is not an object", name, i);
        *ret_count = i + 1;
        parse_one(&reader, items + i * item_size);
        if (reader.r < 0)
            return reader.r;
    }
    return 0;
}

static void parse_one_backup(struct reader *reader, void *item)
{
    parse_backup(reader, item);
}

static void parse_one_pack(struct reader *reader, void *item)
{
    parse_pack(reader, item);
}

static void parse_one_deletion(struct reader *reader, void *item)
{
    parse_deletion(reader, item);
}

static int compare_packs(const void *a, const void *b)
{
    const struct pack_record *const *left = a, *const *right = b;

    return strcmp((*left)->id, (*right)->id);
}

/* By id, for look-ups that stay quick with many thousands of them. */
struct pack_index {
    const struct pack_record **packs;
    size_t count;
};

static int pack_index_init(struct pack_index *index, const struct manifest *manifest,
                           struct err *err)
{
    index->count = manifest->pack_count;
    index->packs = calloc(index->count + 1, sizeof(const struct pack_record *));
    if (index->packs == NULL)
        return err_nomem(err);
    for (size_t i = 0; i < index->count; i++)
        index->packs[i] = &manifest->packs[i];
    qsort((void *)index->packs, index->count, sizeof(const struct pack_record *), compare_packs);
    return 0;
}

static const struct pack_record *pack_index_find(const struct pack_index *index, const char *id)
{
    struct pack_record key;
    const struct pack_record *key_at = &key;
    const struct pack_record *const *found;

    memcpy(key.id, id, sizeof(key.id));
    found = bsearch((const void *)&key_at, (const void *)index->packs, index->count,
                    sizeof(const struct pack_record *), compare_packs);
    return found != NULL ? *found : NULL;
}

/* Each backup's pack, and the one with the whole map that its map differs from.  Of a pack whose
 * own backup has expired nobody reads the map, and that other one may be gone. */
static int check_backups(const struct manifest *manifest, const struct pack_index *index,
                         struct err *err)
{
    for (size_t i = 0; i < manifest->backup_count; i++) {
        const struct backup_record *backup = &manifest->backups[i];
        const struct pack_range *last = &backup->packs.ranges[backup->packs.range_count - 1];
        const struct pack_record *own = pack_index_find(index, backup->id);

        if (i > 0 && backup->created_at_ms < manifest->backups[i - 1].created_at_ms)
            return err_set(err, ERR_CORRUPT, "backups %zu: out of order", i);
        if (own == NULL)
            return err_set(err, ERR_CORRUPT, "backups %zu: its own pack is not listed", i);
        if (own->map_base[0] != '\0' && pack_index_find(index, own->map_base) == NULL)
            return err_set(err, ERR_CORRUPT, "backups %zu: the base of its map is not listed", i);
        if ((uint64_t)last->first + last->count > manifest->pack_count)
            return err_set(err, ERR_CORRUPT, "backups %zu: a pack that is not listed", i);
    }
    return 0;
}

static int check_references(const struct manifest *manifest, struct err *err)
{
    struct pack_index index = { NULL, 0 };
    int r;

    r = pack_index_init(&index, manifest, err);
    if (r < 0)
        return r;
    for (size_t i = 1; r == 0 && i < index.count; i++) {
        if (strcmp(index.packs[i - 1]->id, index.packs[i]->id) == 0)
            r = err_set(err, ERR_CORRUPT, "packs: '%s' is listed twice", index.packs[i]->id);
    }
    if (r == 0)
        r = check_backups(manifest, &index, err);
    free((void *)index.packs);
    return r;
}

static bool is_only(const struct pack_set *set, uint32_t index)
{
    return set->range_count == 1 && set->ranges[0].first == index && set->ranges[0].count == 1;
}

/* A pack that repairs another one, that other one, and its backup unless it has expired; or one
 * that replaces others, and those. */
static int check_repair(const struct manifest *manifest, struct err *err)
{
    const struct backup_record *backup = manifest->backups;

    for (size_t i = 1; i < manifest->pack_count; i++) {
        const struct pack_record *old = &manifest->packs[i];

        if (strcmp(old->repaired_by, manifest->packs[0].id) != 0 ||
            (manifest->pack_count > 2 && old->replaced_at_ms == 0))
            return err_set(err, ERR_CORRUPT, "is not about a pack and what it repairs");
    }
    if (manifest->packs[0].repaired_by[0] != '\0' || manifest->backup_count > 1)
        return err_set(err, ERR_CORRUPT, "is not about a pack and what it repairs");
    if (manifest->backup_count == 1 &&
        (strcmp(backup->id, manifest->packs[1].id) != 0 || !is_only(&backup->packs, 1)))
        return err_set(err, ERR_CORRUPT, "is not about the backup of the pack that is repaired");
    return 0;
}

/* Nothing but one backup and its pack, whose map may refer to others. */
static int check_alone(const struct manifest *manifest, struct err *err)
{
    if (manifest->pack_count >= 2 && manifest->deletion_count == 0)
        return check_repair(manifest, err);
    if (manifest->backup_count != 1 || manifest->pack_count != 1 || manifest->deletion_count != 0)
        return err_set(err, ERR_CORRUPT, "is not about one backup");
    if (strcmp(manifest->backups[0].id, manifest->packs[0].id) != 0 ||
        !is_only(&manifest->backups[0].packs, 0))
        return err_set(err, ERR_CORRUPT, "is not about its own pack");
    return 0;
}

/* Format and encryption first: a newer document may differ in everything else. */
static int check_format(const json_t *root, struct err *err)
{
    const json_t *format = json_object_get(root, "format");
    const char *encryption = json_string_value(json_object_get(root, "encryption"));
    int r;

    if (!json_is_integer(format) || json_integer_value(format) < 1)
        return err_set(err, ERR_CORRUPT, "is not a manifest: it has no format");
    if (json_integer_value(format) > MANIFEST_FORMAT) {
        r = err_set(err, ERR_UNSUPPORTED,
                    "is of format %lld, and this program knows formats up to %d",
                    (long long)json_integer_value(format), MANIFEST_FORMAT);
        err_hint(err, "a newer Holdfast wrote here: upgrade this one");
        return r;
    }
    if (encryption == NULL)
        return err_set(err, ERR_CORRUPT, "field 'encryption' is missing");
    if (strcmp(encryption, "none") != 0) {
        r = err_set(err, ERR_UNSUPPORTED,
                    "is of encrypted backups, which this program cannot read");
        err_hint(err, "a newer Holdfast wrote here: upgrade this one");
        return r;
    }
    return 0;
}

static int parse_root(const json_t *root, struct manifest *manifest, struct err *err)
{
    static const char *const conditional[] = { "supported", "refused", "ignored", NULL };
    struct reader reader = { root, "manifest", 0, err, 0 };
    const char *seed;
    uint8_t bytes[8] = { 0 };
    int r;

    r = check_format(root, err);
    if (r < 0)
        return r;
    manifest->generation = read_int(&reader, "generation", MANIFEST_GENERATION_MAX);
    manifest->written_at_ms = read_time(&reader, "written_at", false);
    read_id(&reader, "writer", false, manifest->writer);
    manifest->database = read_copy(&reader, "database", false);
    if (manifest->database != NULL && database_name_check(manifest->database, NULL) < 0)
        bad(&reader, "database", "is not a database's name");
    manifest->conditional_writes =
        (enum conditional_writes)read_name(&reader, "conditional_writes", conditional);
    seed = read_text(&reader, "page_hash_seed", false);
    if (seed != NULL && parse_hex(seed, bytes, sizeof(bytes), NULL) < 0)
        bad(&reader, "page_hash_seed", "is not 16 hex digits");
    if (reader.r < 0)
        return reader.r;
    for (size_t i = 0; i < sizeof(bytes); i++)
        manifest->page_hash_seed = manifest->page_hash_seed << 8 | bytes[i];
    r = parse_array(root, "backups", sizeof(*manifest->backups), (void **)&manifest->backups,
                    &manifest->backup_count, parse_one_backup, err);
    if (r == 0) {
        r = parse_array(root, "packs", sizeof(*manifest->packs), (void **)&manifest->packs,
                        &manifest->pack_count, parse_one_pack, err);
    }
    if (r == 0) {
        r = parse_array(root, "deletions", sizeof(*manifest->deletions),
                        (void **)&manifest->deletions, &manifest->deletion_count,
                        parse_one_deletion, err);
    }
    return r;
}

static int parse(const void *data, size_t len,
                 int (*check)(const struct manifest *manifest, struct err *err),
                 struct manifest *ret_manifest, struct err *err)
{
    struct manifest manifest = MANIFEST_INIT;
    json_error_t why;
    json_t *root;
    int r;

    root = json_loadb(data, len, JSON_REJECT_DUPLICATES, &why);
    if (root == NULL) { /* not jansson's text, which quotes the document, line breaks and all */
        r = err_set(err, ERR_CORRUPT, "is not a manifest: no JSON at line %d, column %d", why.line,
                    why.column);
    } else if (!json_is_object(root)) {
        r = err_set(err, ERR_CORRUPT, "is not a manifest: not an object");
    } else {
        r = parse_root(root, &manifest, err);
    }
    if (r == 0)
        r = check(&manifest, err);
    json_decref(root);
    if (r < 0) {
        manifest_dispose(&manifest);
        return r;
    }
    *ret_manifest = manifest;
    return 0;
}

int manifest_parse(const void *data, size_t len, struct manifest *ret_manifest, struct err *err)
{
    return parse(data, len, check_references, ret_manifest, err);
}

int manifest_parse_info(const void *data, size_t len, struct manifest *ret_manifest,
                        struct err *err)
{
    return parse(data, len, check_alone, ret_manifest, err);
}

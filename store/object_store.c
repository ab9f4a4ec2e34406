#include "store/object_store.h"

#include <string.h>

#include "base/err.h"
#include "base/io.h"

int object_key_check(const char *key, struct err *err)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-/";
    const size_t len = strlen(key);

    if (len == 0 || len > OBJECT_KEY_LEN_MAX || strspn(key, allowed) != len || key[len - 1] == '/')
        return err_set(err, ERR_CONFIG, "'%s' cannot be the name of an object", key);
    for (const char *segment = key; segment != NULL;) {
        const char *slash = strchr(segment, '/');

        /* A leading dot hides temporary files and excludes "." and ".."; an empty segment would
         * be a leading or a double slash, which servers treat differently. */
        if (*segment == '.' || *segment == '/')
            return err_set(err, ERR_CONFIG, "'%s' cannot be the name of an object", key);
        segment = slash == NULL ? NULL : slash + 1;
    }
    return 0;
}

int object_put(struct object_store *store, const char *key, struct io_source *body,
               enum object_put_mode mode, struct err *err)
{
    const int r = object_key_check(key, err);

    return r < 0 ? r : store->ops->put(store, key, body, mode, err);
}

int object_put_bytes(struct object_store *store, const char *key, const void *data, size_t len,
                     enum object_put_mode mode, struct err *err)
{
    struct io_source *body = NULL;
    int r;

    r = memory_source_new(data, len, &body, err);
    if (r == 0)
        r = object_put(store, key, body, mode, err);
    io_source_free(body);
    return r;
}

int object_get(struct object_store *store, const char *key, uint64_t offset, uint64_t len,
               struct io_sink *sink, struct object_info *ret_info, struct err *err)
{
    const int r = object_key_check(key, err);

    return r < 0 ? r : store->ops->get(store, key, offset, len, sink, ret_info, err);
}

int object_head(struct object_store *store, const char *key, struct object_info *ret_info,
                struct err *err)
{
    const int r = object_key_check(key, err);

    return r < 0 ? r : store->ops->head(store, key, ret_info, err);
}

int object_list(struct object_store *store, const char *prefix, const char *start_after,
                object_list_fn callback, void *context, struct err *err)
{
    return store->ops->list(store, prefix, start_after, callback, context, err);
}

int object_list_prefixes(struct object_store *store, const char *prefix, object_list_fn callback,
                         void *context, struct err *err)
{
    return store->ops->list_prefixes(store, prefix, callback, context, err);
}

int object_delete(struct object_store *store, const char *const *keys, size_t key_count,
                  struct err *err)
{
    for (size_t i = 0; i < key_count; i++) {
        const int r = object_key_check(keys[i], err);

        if (r < 0)
            return r;
    }
    return key_count == 0 ? 0 : store->ops->delete (store, keys, key_count, err);
}

int object_upload_new(struct object_store *store, const char *key, uint64_t part_size,
                      struct object_upload **ret_upload, struct err *err)
{
    const int r = object_key_check(key, err);

    return r < 0 ? r : store->ops->upload_new(store, key, part_size, ret_upload, err);
}

int object_abort_uploads(struct object_store *store, const char *prefix, int64_t before_ms,
                         bool dry_run, size_t *ret_count, struct err *err)
{
    *ret_count = 0;
    return store->ops->abort_uploads(store, prefix, before_ms, dry_run, ret_count, err);
}

int64_t object_now_ms(struct object_store *store)
{
    return store->ops->now_ms(store);
}

int object_part_size(struct object_store *store, uint64_t size_max, uint64_t wanted,
                     uint64_t *ret_part_size, struct err *err)
{
    return store->ops->part_size(store, size_max, wanted, ret_part_size, err);
}

int object_lock(struct object_store *store, const char *key, int64_t *ret_until_ms, struct err *err)
{
    const int r = object_key_check(key, err);

    if (r < 0)
        return r;
    if (store->ops->lock == NULL)
        return err_set(err, ERR_UNSUPPORTED, "'%s' has no locks", store->url);
    return store->ops->lock(store, key, ret_until_ms, err);
}

bool object_store_is_missing(const struct err *why)
{
    return why->code == ERR_NOT_FOUND && strcmp(why->s3_code, "NoSuchBucket") == 0;
}

void object_store_free(struct object_store *store)
{
    if (store != NULL)
        store->ops->free(store);
}

void object_upload_free(struct object_upload *upload)
{
    if (upload != NULL)
        upload->ops->free(upload);
}

#include "store/version_store.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/parse.h"
#include "s3/client.h"
#include "s3/versions.h"
#include "store/object_store.h"
#include "store/s3_store.h"

/* The version of a key that counts. */
struct version {
    char *key;
    char *id; /* NULL: the key was deleted then, or was not there yet */
    struct object_info info;
    bool is_known; /* info.modified_ms is that of a version, or of a delete marker */
};

/* All keys below a prefix that ends in '/', or is empty. */
struct folder {
    char *prefix;
    struct version *versions; /* in the byte order of keys */
    size_t count, room;
    struct folder *next;
};

struct version_store {
    struct object_store store;
    struct object_store *present;
    int64_t as_of_ms;
    pthread_mutex_t lock; /* over folders, which are only added, and never change then */
    struct folder *folders;
};

static struct version_store *self_of(struct object_store *store)
{
    return (struct version_store *)store;
}

static void folder_free(struct folder *folder)
{
    if (folder == NULL)
        return;
    for (size_t i = 0; i < folder->count; i++) {
        free(folder->versions[i].key);
        free(folder->versions[i].id);
    }
    free(folder->versions);
    free(folder->prefix);
    free(folder);
}

static int append(struct folder *folder, const char *key, struct version **ret_version,
                  struct err *err)
{
    struct version *version;

    if (folder->versions == NULL || folder->count == folder->room) {
        const size_t room = folder->room > 0 ? folder->room * 2 : 64;
        struct version *grown = realloc(folder->versions, room * sizeof(*grown));

        if (grown == NULL)
            return err_nomem(err);
        folder->versions = grown;
        folder->room = room;
    }
    version = &folder->versions[folder->count];
    *version = (struct version){ .key = strdup(key) };
    if (version->key == NULL)
        return err_nomem(err);
    folder->count++;
    *ret_version = version;
    return 0;
}

struct listing {
    struct folder *folder;
    int64_t as_of_ms;
};

/* The newest that is not younger than the moment.  Times are in whole seconds at most servers: of
 * two with the same one the server names the newer one first. */
static int see_version(void *context, const struct s3_object_version *seen, struct err *err)
{
    const struct listing *listing = context;
    struct folder *folder = listing->folder;
    struct version *version = folder->count > 0 ? &folder->versions[folder->count - 1] : NULL;
    int r = 0;

    if (seen->info->modified_ms > listing->as_of_ms)
        return 0;
    if (version == NULL || strcmp(version->key, seen->key) != 0)
        r = append(folder, seen->key, &version, err);
    if (r < 0 || (version->is_known && version->info.modified_ms >= seen->info->modified_ms))
        return r;
    free(version->id);
    version->id = NULL;
    version->is_known = true;
    version->info = (struct object_info){ seen->info->size, seen->info->modified_ms };
    if (!seen->is_delete_marker && (version->id = strdup(seen->version_id)) == NULL)
        return err_nomem(err);
    return 0;
}

static int compare_keys(const void *a, const void *b)
{
    const struct version *left = a, *right = b;

    return strcmp(left->key, right->key);
}

static int compare_with_key(const void *key, const void *version)
{
    return strcmp(key, ((const struct version *)version)->key);
}

static int load_folder(struct version_store *self, const char *prefix, struct folder **ret_folder,
                       struct err *err)
{
    struct folder *folder = calloc(1, sizeof(*folder));
    struct listing listing = { folder, self->as_of_ms };
    int r;

    if (folder == NULL)
        return err_nomem(err);
    folder->prefix = strdup(prefix);
    r = folder->prefix != NULL
            ? s3_store_list_versions(self->present, prefix, see_version, &listing, err)
            : err_nomem(err);
    if (r < 0) {
        folder_free(folder);
        return r;
    }
    if (folder->count > 0)
        qsort(folder->versions, folder->count, sizeof(*folder->versions), compare_keys);
    folder->next = self->folders;
    self->folders = folder;
    *ret_folder = folder;
    return 0;
}

/* Of all that was listed, what holds the prefix whole.  Several threads that ask for one folder at
 * the same time have it listed once. */
static int find_folder(struct version_store *self, const char *prefix,
                       const struct folder **ret_folder, struct err *err)
{
    struct folder *folder;
    int r = 0;

    (void)pthread_mutex_lock(&self->lock);
    folder = self->folders;
    while (folder != NULL && strncmp(prefix, folder->prefix, strlen(folder->prefix)) != 0)
        folder = folder->next;
    if (folder == NULL)
        r = load_folder(self, prefix, &folder, err);
    (void)pthread_mutex_unlock(&self->lock);
    if (r == 0)
        *ret_folder = folder;
    return r;
}

/* "app/packs/" of "app/packs/x.zst". */
static int folder_of_key(struct version_store *self, const char *key,
                         const struct folder **ret_folder, struct err *err)
{
    const char *slash = strrchr(key, '/');
    char *prefix = strndup(key, slash != NULL ? (size_t)(slash - key) + 1 : 0);
    int r;

    if (prefix == NULL)
        return err_nomem(err);
    r = find_folder(self, prefix, ret_folder, err);
    free(prefix);
    return r;
}

static int find_version(struct version_store *self, const char *key,
                        const struct version **ret_version, struct err *err)
{
    const struct version *found = NULL;
    const struct folder *folder;
    int r;

    r = folder_of_key(self, key, &folder, err);
    if (r < 0)
        return r;
    if (folder->count > 0)
        found = bsearch(key, folder->versions, folder->count, sizeof(*found), compare_with_key);
    if (found == NULL || found->id == NULL) {
        char then[FORMAT_TIME_SIZE];

        format_time_local(self->as_of_ms, then);
        return err_set(err, ERR_NOT_FOUND, "'%s' was not there at %s", key, then);
    }
    *ret_version = found;
    return 0;
}

static int refuse(struct object_store *store, struct err *err)
{
    (void)err_set(err, ERR_REFUSED, "'%s' as it was then can only be read", store->url);
    err_hint(err, "leave out --as-of");
    return ERR_REFUSED;
}

static int version_put(struct object_store *store, const char *key, struct io_source *body,
                       enum object_put_mode mode, struct err *err)
{
    (void)key;
    (void)body;
    (void)mode;
    return refuse(store, err);
}

static int version_get(struct object_store *store, const char *key, uint64_t offset, uint64_t len,
                       struct io_sink *sink, struct object_info *ret_info, struct err *err)
{
    struct s3_store_version range = { .key = key, .offset = offset, .len = len };
    const struct version *version;
    int r;

    r = find_version(self_of(store), key, &version, err);
    if (r < 0)
        return r;
    range.id = version->id;
    return s3_store_get_version(self_of(store)->present, &range, sink, ret_info, err);
}

static int version_head(struct object_store *store, const char *key, struct object_info *ret_info,
                        struct err *err)
{
    const struct version *version;
    const int r = find_version(self_of(store), key, &version, err);

    if (r == 0)
        *ret_info = version->info;
    return r;
}

static int version_list(struct object_store *store, const char *prefix, const char *start_after,
                        object_list_fn callback, void *context, struct err *err)
{
    const struct folder *folder;
    int r;

    r = folder_of_key(self_of(store), prefix, &folder, err);
    for (size_t i = 0; r == 0 && i < folder->count; i++) {
        const struct version *version = &folder->versions[i];

        if (version->id == NULL || strncmp(version->key, prefix, strlen(prefix)) != 0 ||
            (start_after != NULL && strcmp(version->key, start_after) <= 0))
            continue;
        r = callback(context, version->key, &version->info, err);
    }
    return r;
}

static int report_folder(const char *key, size_t len, object_list_fn callback, void *context,
                         struct err *err)
{
    char *name = strndup(key, len);
    int r;

    if (name == NULL)
        return err_nomem(err);
    r = callback(context, name, NULL, err);
    free(name);
    return r;
}

static int version_list_prefixes(struct object_store *store, const char *prefix,
                                 object_list_fn callback, void *context, struct err *err)
{
    const size_t prefix_len = strlen(prefix);
    const struct folder *folder;
    const char *last = "";
    size_t last_len = 0;
    int r;

    r = find_folder(self_of(store), prefix, &folder, err);
    for (size_t i = 0; r == 0 && i < folder->count; i++) {
        const struct version *version = &folder->versions[i];
        const char *slash;

        if (version->id == NULL || strncmp(version->key, prefix, prefix_len) != 0)
            continue;
        slash = strchr(version->key + prefix_len, '/');
        if (slash == NULL || (last_len > 0 && strncmp(version->key, last, last_len) == 0))
            continue;
        last = version->key;
        last_len = (size_t)(slash - version->key) + 1;
        r = report_folder(last, last_len, callback, context, err);
    }
    return r;
}

static int version_delete(struct object_store *store, const char *const *keys, size_t key_count,
                          struct err *err)
{
    (void)keys;
    (void)key_count;
    return refuse(store, err);
}

static int version_upload_new(struct object_store *store, const char *key, uint64_t part_size,
                              struct object_upload **ret_upload, struct err *err)
{
    (void)key;
    (void)part_size;
    (void)ret_upload;
    return refuse(store, err);
}

static int version_abort_uploads(struct object_store *store, const char *prefix, int64_t before_ms,
                                 bool dry_run, size_t *ret_count, struct err *err)
{
    (void)prefix;
    (void)before_ms;
    (void)dry_run;
    *ret_count = 0;
    return refuse(store, err);
}

static int64_t version_now_ms(struct object_store *store)
{
    return object_now_ms(self_of(store)->present);
}

static int version_part_size(struct object_store *store, uint64_t size_max, uint64_t wanted,
                             uint64_t *ret_part_size, struct err *err)
{
    return object_part_size(self_of(store)->present, size_max, wanted, ret_part_size, err);
}

static int version_lock(struct object_store *store, const char *key, int64_t *ret_until_ms,
                        struct err *err)
{
    (void)key;
    *ret_until_ms = 0;
    return refuse(store, err);
}

static void version_free(struct object_store *store)
{
    struct version_store *self = self_of(store);

    while (self->folders != NULL) {
        struct folder *folder = self->folders;

        self->folders = folder->next;
        folder_free(folder);
    }
    (void)pthread_mutex_destroy(&self->lock);
    object_store_free(self->present);
    free(self->store.url);
    free(self);
}

static const struct object_store_ops version_ops = {
    .put = version_put,
    .get = version_get,
    .head = version_head,
    .list = version_list,
    .list_prefixes = version_list_prefixes,
    .delete = version_delete,
    .upload_new = version_upload_new,
    .abort_uploads = version_abort_uploads,
    .now_ms = version_now_ms,
    .part_size = version_part_size,
    .lock = version_lock,
    .free = version_free,
};

static int refuse_unversioned(const struct object_store *store, const char *why, struct err *err)
{
    (void)err_set(err, ERR_UNSUPPORTED, "'%s' keeps no versions of its objects%s", store->url, why);
    err_hint(err, "only a bucket with versioning knows what it held earlier; see "
                  "docs/object-lock.md");
    return ERR_UNSUPPORTED;
}

/* Whoever may list and read versions need not have the right to ask whether there are any. */
static int check_versioned(const struct object_store *store, struct err *err)
{
    struct s3_client *client = s3_store_client(store);
    enum s3_versioning versioning = S3_VERSIONING_NONE;
    int r;

    if (client == NULL)
        return refuse_unversioned(store, ": it is a directory", err);
    r = s3_get_bucket_versioning(client, &versioning, err);
    if (r == ERR_DENIED) {
        log_debug("'%s': whether versions are kept may not be asked", store->url);
        err_clear(err);
        return 0;
    }
    if (r == ERR_UNSUPPORTED || (r == 0 && versioning == S3_VERSIONING_NONE))
        return refuse_unversioned(store, "", err);
    return r;
}

int version_store_new(struct object_store *store, int64_t as_of_ms, struct object_store **ret_store,
                      struct err *err)
{
    struct version_store *self = NULL;
    int r;

    r = check_versioned(store, err);
    if (r < 0)
        goto out;
    self = calloc(1, sizeof(*self));
    if (self == NULL || (self->store.url = strdup(store->url)) == NULL) {
        r = err_nomem(err);
        goto out;
    }
    self->store.ops = &version_ops;
    self->present = store;
    self->as_of_ms = as_of_ms;
    (void)pthread_mutex_init(&self->lock, NULL);
    *ret_store = &self->store;
    return 0;
out:
    free(self);
    object_store_free(store);
    return r;
}

struct object_store *version_store_present(struct object_store *store)
{
    return store->ops == &version_ops ? self_of(store)->present : store;
}

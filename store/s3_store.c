#include "store/s3_store.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "s3/client.h"
#include "store/object_store.h"

#define DAY_MS (INT64_C(24) * 60 * 60 * 1000)
/* Parts as small as S3 takes them, because a connection that breaks costs what had gone of one;
 * what fits one goes up as one PUT.  They must all be equal (R2), so none can shrink later. */
#define PART_SIZE_DEFAULT S3_PART_SIZE_MIN
/* Scaleway takes a thousand parts, and not ten thousand; room is left for a wrong estimate. */
#define SCALEWAY_HOST       ".scw.cloud"
#define SCALEWAY_PART_COUNT 900u

struct s3_store {
    struct object_store store;
    struct s3_client *client;
    char *prefix; /* "" or ending in '/' */
    bool is_scaleway;
};

static const struct s3_store *self_of(const struct object_store *store)
{
    return (const struct s3_store *)store;
}

/* The bucket's key for a key of the store, malloc'd. */
static int full_key(const struct object_store *store, const char *key, char **ret_key,
                    struct err *err)
{
    struct buf full = BUF_INIT(S3_KEY_LEN_MAX);
    int r;

    buf_addf(&full, "%s%s", self_of(store)->prefix, key);
    r = buf_check(&full, err);
    if (r == 0 && (*ret_key = buf_detach(&full)) == NULL)
        r = err_nomem(err);
    buf_dispose(&full);
    return r;
}

static int s3_put(struct object_store *store, const char *key, struct io_source *body,
                  enum object_put_mode mode, struct err *err)
{
    char *full = NULL;
    int r;

    r = full_key(store, key, &full, err);
    if (r == 0)
        r = s3_put_object(self_of(store)->client, full, body, mode == OBJECT_PUT_IF_ABSENT, err);
    free(full);
    return r;
}

static void fill_info(const struct s3_object_info *from, struct object_info *to)
{
    to->size = from->size;
    to->modified_ms = from->modified_ms;
}

static int s3_get(struct object_store *store, const char *key, uint64_t offset, uint64_t len,
                  struct io_sink *sink, struct object_info *ret_info, struct err *err)
{
    struct s3_object_info info;
    char *full = NULL;
    int r;

    r = full_key(store, key, &full, err);
    if (r == 0) {
        r = s3_get_object(self_of(store)->client, full, offset,
                          len == OBJECT_TO_END ? S3_TO_END : len, sink, &info, err);
    }
    if (r == 0 && ret_info != NULL)
        fill_info(&info, ret_info);
    free(full);
    return r;
}

static int s3_head(struct object_store *store, const char *key, struct object_info *ret_info,
                   struct err *err)
{
    struct s3_object_info info;
    char *full = NULL;
    int r;

    r = full_key(store, key, &full, err);
    if (r == 0)
        r = s3_head_object(self_of(store)->client, full, &info, err);
    if (r == 0)
        fill_info(&info, ret_info);
    free(full);
    return r;
}

struct listing {
    size_t prefix_len;
    object_list_fn callback;
    void *context;
};

/* Keys lose the store's prefix on their way to the caller. */
static int see_object(void *context, const char *key, const struct s3_object_info *s3_info,
                      struct err *err)
{
    const struct listing *listing = context;
    struct object_info info;

    if (strlen(key) <= listing->prefix_len)
        return 0; /* the "folder" object that some consoles make */
    fill_info(s3_info, &info);
    return listing->callback(listing->context, key + listing->prefix_len, &info, err);
}

static int see_folder(void *context, const char *key, const struct s3_object_info *info,
                      struct err *err)
{
    const struct listing *listing = context;

    (void)info; /* a folder has none */
    return listing->callback(listing->context, key + listing->prefix_len, NULL, err);
}

static int s3_list(struct object_store *store, const char *prefix, const char *start_after,
                   object_list_fn callback, void *context, struct err *err)
{
    struct listing listing = { strlen(self_of(store)->prefix), callback, context };
    char *full = NULL, *after = NULL;
    int r;

    r = full_key(store, prefix, &full, err);
    if (r == 0 && start_after != NULL)
        r = full_key(store, start_after, &after, err);
    if (r == 0)
        r = s3_list_objects(self_of(store)->client, full, after, see_object, &listing, err);
    free(after);
    free(full);
    return r;
}

static int s3_list_folders(struct object_store *store, const char *prefix, object_list_fn callback,
                           void *context, struct err *err)
{
    struct listing listing = { strlen(self_of(store)->prefix), callback, context };
    char *full = NULL;
    int r;

    r = full_key(store, prefix, &full, err);
    if (r == 0)
        r = s3_list_prefixes(self_of(store)->client, full, see_folder, &listing, err);
    free(full);
    return r;
}

static int s3_delete(struct object_store *store, const char *const *keys, size_t key_count,
                     struct err *err)
{
    char **full = calloc(key_count, sizeof(*full));
    int r = 0;

    if (full == NULL)
        return err_nomem(err);
    for (size_t i = 0; i < key_count && r == 0; i++)
        r = full_key(store, keys[i], &full[i], err);
    if (r == 0 && key_count == 1) {
        r = s3_delete_object(self_of(store)->client, full[0], err);
    } else if (r == 0) {
        r = s3_delete_objects(self_of(store)->client, (const char *const *)full, key_count, err);
    }
    for (size_t i = 0; i < key_count; i++)
        free(full[i]);
    free(full);
    return r;
}

struct multipart {
    struct object_upload upload;
    struct s3_upload *s3;
    uint64_t part_size;
};

static int part_fd(struct object_upload *upload)
{
    (void)upload;
    return -1;
}

static int part_put(struct object_upload *upload, unsigned part_index, struct io_source *body,
                    struct err *err)
{
    return s3_upload_part(((struct multipart *)upload)->s3, part_index + 1, body, err);
}

static int parts_finish(struct object_upload *upload, uint64_t size, struct err *err)
{
    const struct multipart *self = (struct multipart *)upload;
    const uint64_t count = (size + self->part_size - 1) / self->part_size;

    if (count == 0 || count > S3_PART_COUNT_MAX)
        return err_set(err, ERR_LIMIT, "an upload of %llu parts", (unsigned long long)count);
    return s3_complete_multipart_upload(self->s3, (unsigned)count, err);
}

static void parts_abort(struct object_upload *upload)
{
    s3_abort_multipart_upload(((struct multipart *)upload)->s3);
}

static void parts_free(struct object_upload *upload)
{
    parts_abort(upload);
    s3_upload_free(((struct multipart *)upload)->s3);
    free(upload);
}

static int s3_upload_new(struct object_store *store, const char *key, uint64_t part_size,
                         struct object_upload **ret_upload, struct err *err)
{
    static const struct object_upload_ops ops = { part_fd, part_put, parts_finish, parts_abort,
                                                  parts_free };
    struct multipart *self = calloc(1, sizeof(*self));
    char *full = NULL;
    int r;

    if (self == NULL)
        return err_nomem(err);
    self->upload.ops = &ops;
    self->part_size = part_size;
    r = full_key(store, key, &full, err);
    if (r == 0)
        r = s3_create_multipart_upload(self_of(store)->client, full, &self->s3, err);
    free(full);
    if (r < 0) {
        free(self);
        return r;
    }
    *ret_upload = (struct object_upload *)self;
    return 0;
}

static int s3_part_size(struct object_store *store, uint64_t size_max, uint64_t wanted,
                        uint64_t *ret_part_size, struct err *err)
{
    if (wanted == 0)
        wanted = PART_SIZE_DEFAULT;
    if (self_of(store)->is_scaleway && wanted < size_max / SCALEWAY_PART_COUNT + 1)
        wanted = size_max / SCALEWAY_PART_COUNT + 1;
    return s3_part_size_choose(size_max, wanted, ret_part_size, err);
}

static void s3_free(struct object_store *store)
{
    struct s3_store *self = (struct s3_store *)store;

    s3_client_free(self->client);
    free(self->prefix);
    free(self->store.url);
    free(self);
}

struct abortion {
    struct s3_client *client;
    int64_t before_ms;
    bool dry_run;
    size_t count;
};

static int see_upload(void *context, const char *key, const char *upload_id, int64_t initiated_ms,
                      struct err *err)
{
    struct abortion *abortion = context;

    int r = 0;

    if (initiated_ms >= abortion->before_ms)
        return 0;
    if (!abortion->dry_run)
        r = s3_abort_upload_of(abortion->client, key, upload_id, err);
    abortion->count += r == 0;
    return r;
}

static int s3_abort_uploads(struct object_store *store, const char *prefix, int64_t before_ms,
                            bool dry_run, size_t *ret_count, struct err *err)
{
    struct abortion abortion = { self_of(store)->client, before_ms, dry_run, 0 };
    char *full = NULL;
    int r;

    r = full_key(store, prefix, &full, err);
    if (r == 0)
        r = s3_list_multipart_uploads(abortion.client, full, see_upload, &abortion, err);
    *ret_count = abortion.count;
    free(full);
    return r;
}

struct version_listing {
    size_t prefix_len;
    s3_list_version_fn callback;
    void *context;
};

static int see_version(void *context, const struct s3_object_version *version, struct err *err)
{
    const struct version_listing *listing = context;
    struct s3_object_version relative = *version;

    if (strlen(version->key) <= listing->prefix_len)
        return 0;
    relative.key += listing->prefix_len;
    return listing->callback(listing->context, &relative, err);
}

int s3_store_list_versions(struct object_store *store, const char *prefix,
                           s3_list_version_fn callback, void *context, struct err *err)
{
    struct version_listing listing = { strlen(self_of(store)->prefix), callback, context };
    char *full = NULL;
    int r;

    r = full_key(store, prefix, &full, err);
    if (r == 0)
        r = s3_list_object_versions(self_of(store)->client, full, see_version, &listing, err);
    free(full);
    return r;
}

int s3_store_get_version(struct object_store *store, const struct s3_store_version *version,
                         struct io_sink *sink, struct object_info *ret_info, struct err *err)
{
    struct s3_version_range range = { .version_id = version->id,
                                      .offset = version->offset,
                                      .len = version->len == OBJECT_TO_END ? S3_TO_END
                                                                           : version->len };
    struct s3_object_info info;
    char *full = NULL;
    int r;

    r = full_key(store, version->key, &full, err);
    range.key = full;
    if (r == 0)
        r = s3_get_object_version(self_of(store)->client, &range, sink, &info, err);
    if (r == 0 && ret_info != NULL)
        fill_info(&info, ret_info);
    free(full);
    return r;
}

int s3_store_get_retention(struct object_store *store, const char *key,
                           struct s3_retention *ret_retention, struct err *err)
{
    char *full = NULL;
    int r;

    r = full_key(store, key, &full, err);
    if (r == 0)
        r = s3_get_object_retention(self_of(store)->client, full, ret_retention, err);
    free(full);
    return r;
}

int64_t s3_store_lock_margin_ms(int64_t promise_ms)
{
    return promise_ms / 4 > DAY_MS ? promise_ms / 4 : DAY_MS;
}

static int s3_lock(struct object_store *store, const char *key, int64_t *ret_until_ms,
                   struct err *err)
{
    char *full = NULL;
    int r;

    if (store->lock_ms == 0)
        return err_set(err, ERR_UNSUPPORTED, "'%s' is not to lock anything", store->url);
    r = full_key(store, key, &full, err);
    if (r == 0)
        r = s3_put_object_retention(self_of(store)->client, full, ret_until_ms, err);
    free(full);
    return r;
}

static int64_t s3_now_ms(struct object_store *store)
{
    return s3_client_now_ms(self_of(store)->client);
}

static const struct object_store_ops s3_ops = {
    s3_put,        s3_get,           s3_head,   s3_list,      s3_list_folders, s3_delete,
    s3_upload_new, s3_abort_uploads, s3_now_ms, s3_part_size, s3_lock,         s3_free,
};

/* "a/b/" from "/a/b"; "" from nothing. */
static char *normal_prefix(const char *prefix)
{
    struct buf out = BUF_INIT(OBJECT_KEY_LEN_MAX);
    size_t len;

    if (prefix == NULL)
        prefix = "";
    while (*prefix == '/')
        prefix++;
    len = strlen(prefix);
    while (len > 0 && prefix[len - 1] == '/')
        len--;
    buf_add(&out, prefix, len);
    if (len > 0)
        buf_add_char(&out, '/');
    return buf_detach(&out);
}

int s3_store_new(const struct s3_options *options, const char *prefix,
                 struct object_store **ret_store, struct err *err)
{
    struct s3_store *self = calloc(1, sizeof(*self));
    struct s3_options own = *options;
    struct buf url = BUF_INIT(4096);
    int r;

    if (self == NULL)
        return err_nomem(err);
    self->store.ops = &s3_ops;
    if (options->lock.mode != S3_LOCK_NONE) {
        self->store.lock_promise_ms = options->lock.duration_ms;
        self->store.lock_ms =
            options->lock.duration_ms + s3_store_lock_margin_ms(options->lock.duration_ms);
    }
    own.lock.duration_ms = self->store.lock_ms;
    r = s3_client_new(&own, &self->client, err);
    if (r < 0)
        goto out;
    self->is_scaleway =
        options->endpoint != NULL && strstr(options->endpoint, SCALEWAY_HOST) != NULL;
    self->prefix = normal_prefix(prefix);
    if (self->prefix == NULL) {
        r = err_set(err, ERR_CONFIG, "the store's prefix is too long");
        goto out;
    }
    buf_addf(&url, "s3://%s%s%.*s", options->bucket, self->prefix[0] != '\0' ? "/" : "",
             (int)strlen(self->prefix) - (self->prefix[0] != '\0'), self->prefix);
    if (options->endpoint != NULL && options->endpoint[0] != '\0')
        buf_addf(&url, "?endpoint=%s", options->endpoint);
    self->store.url = buf_detach(&url);
    if (self->store.url == NULL)
        r = err_nomem(err);
out:
    buf_dispose(&url);
    if (r < 0) {
        s3_free((struct object_store *)self);
        return r;
    }
    *ret_store = (struct object_store *)self;
    return 0;
}

struct s3_client *s3_store_client(const struct object_store *store)
{
    return store->ops == &s3_ops ? self_of(store)->client : NULL;
}

void s3_store_counters(const struct object_store *store, struct s3_counters *ret_counters)
{
    memset(ret_counters, 0, sizeof(*ret_counters));
    if (store->ops == &s3_ops)
        s3_client_counters(self_of(store)->client, ret_counters);
}

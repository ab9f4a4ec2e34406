#include "tests/harness/fault_store.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/io.h"
#include "store/object_store.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* When an object was put, by the clock of the options. */
struct dated_key {
    char *key;
    int64_t put_ms;
};

struct fault_store {
    struct object_store store; /* first */
    struct object_store *inner;
    struct fault_store_options options;
    struct fault_store_counters *counters;
    pthread_mutex_t lock;    /* over what follows */
    struct dated_key *dates; /* in order of keys */
    size_t date_count;
};

struct fault_upload {
    struct object_upload upload; /* first */
    struct object_upload *inner;
    struct fault_store *store;
    char *key;
    bool finished;
};

static struct fault_store *self(struct object_store *store)
{
    return (struct fault_store *)(void *)store;
}

/* Where the key is among the dates, or belongs. */
static size_t find_date(const struct fault_store *store, const char *key, bool *ret_found)
{
    size_t low = 0, high = store->date_count;

    *ret_found = false;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        const int order = strcmp(store->dates[middle].key, key);

        if (order == 0) {
            *ret_found = true;
            return middle;
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static void date(struct fault_store *store, const char *key)
{
    bool found;
    size_t at;

    if (store->options.clock == NULL)
        return;
    (void)pthread_mutex_lock(&store->lock);
    at = find_date(store, key, &found);
    if (!found) {
        store->dates = realloc(store->dates, (store->date_count + 1) * sizeof(*store->dates));
        if (store->dates == NULL)
            abort();
        memmove(&store->dates[at + 1], &store->dates[at],
                (store->date_count - at) * sizeof(*store->dates));
        store->dates[at].key = strdup(key);
        store->date_count++;
    }
    store->dates[at].put_ms = clock_now_ms(store->options.clock);
    (void)pthread_mutex_unlock(&store->lock);
}

static void correct(struct fault_store *store, const char *key, struct object_info *info)
{
    bool found;
    size_t at;

    (void)pthread_mutex_lock(&store->lock);
    at = find_date(store, key, &found);
    if (found)
        info->modified_ms = store->dates[at].put_ms;
    (void)pthread_mutex_unlock(&store->lock);
}

static int count(struct fault_store *store, const char *operation, const char *key, struct err *err)
{
    unsigned call;

    if (store->options.before != NULL)
        store->options.before(store->options.context, operation, key);
    call = atomic_fetch_add(&store->counters->calls, 1) + 1;
    if (call != atomic_load(&store->counters->fail_at))
        return 0;
    return err_set(err, store->options.code != 0 ? store->options.code : ERR_SERVER,
                   "call %u is made to fail", call);
}

static int fault_put(struct object_store *store, const char *key, struct io_source *body,
                     enum object_put_mode mode, struct err *err)
{
    int r = count(self(store), "put", key, err);

    atomic_fetch_add(&self(store)->counters->puts, 1);
    if (r == 0)
        r = object_put(self(store)->inner, key, body, mode, err);
    if (r == 0)
        date(self(store), key);
    return r;
}

/* Count one more that is under way, and wait. */
static void begin(atomic_uint *open, atomic_uint *open_max, unsigned delay_ms)
{
    const long delay_ns = (long)delay_ms * 1000000;
    const struct timespec delay = { delay_ns / 1000000000, delay_ns % 1000000000 };
    unsigned open_count = atomic_fetch_add(open, 1) + 1;
    unsigned max = atomic_load(open_max);

    while (open_count > max && !atomic_compare_exchange_weak(open_max, &max, open_count)) {
    }
    if (delay_ns > 0)
        (void)nanosleep(&delay, NULL);
}

static void get_begin(struct fault_store_counters *counters, uint64_t len)
{
    (void)atomic_fetch_add(&counters->gets, 1);
    if (len != OBJECT_TO_END)
        (void)atomic_fetch_add(&counters->get_bytes, len);
    begin(&counters->gets_open, &counters->gets_open_max, atomic_load(&counters->get_delay_ms));
}

static int fault_get(struct object_store *store, const char *key, uint64_t offset, uint64_t len,
                     struct io_sink *sink, struct object_info *ret_info, struct err *err)
{
    struct fault_store_counters *counters = self(store)->counters;
    int r = count(self(store), "get", key, err);

    get_begin(counters, len);
    if (r == 0)
        r = object_get(self(store)->inner, key, offset, len, sink, ret_info, err);
    if (r == 0 && ret_info != NULL)
        correct(self(store), key, ret_info);
    (void)atomic_fetch_sub(&counters->gets_open, 1);
    return r;
}

static int fault_head(struct object_store *store, const char *key, struct object_info *ret_info,
                      struct err *err)
{
    int r = count(self(store), "head", key, err);

    if (r == 0)
        r = object_head(self(store)->inner, key, ret_info, err);
    if (r == 0)
        correct(self(store), key, ret_info);
    return r;
}

struct listing {
    struct fault_store *store;
    object_list_fn callback;
    void *context;
};

static int see(void *context, const char *key, const struct object_info *info, struct err *err)
{
    const struct listing *listing = context;
    struct object_info corrected = *info;

    correct(listing->store, key, &corrected);
    return listing->callback(listing->context, key, &corrected, err);
}

static int fault_list(struct object_store *store, const char *prefix, const char *start_after,
                      object_list_fn callback, void *context, struct err *err)
{
    struct listing listing = { self(store), callback, context };
    int r = count(self(store), "list", prefix, err);

    return r < 0 ? r : object_list(self(store)->inner, prefix, start_after, see, &listing, err);
}

static int fault_list_prefixes(struct object_store *store, const char *prefix,
                               object_list_fn callback, void *context, struct err *err)
{
    int r = count(self(store), "list", prefix, err);

    return r < 0 ? r : object_list_prefixes(self(store)->inner, prefix, callback, context, err);
}

static int fault_delete(struct object_store *store, const char *const *keys, size_t key_count,
                        struct err *err)
{
    int r = count(self(store), "delete", keys[0], err);

    return r < 0 ? r : object_delete(self(store)->inner, keys, key_count, err);
}

static int fault_abort_uploads(struct object_store *store, const char *prefix, int64_t before_ms,
                               bool dry_run, size_t *ret_count, struct err *err)
{
    int r = count(self(store), "abort", prefix, err);

    if (r == 0 && self(store)->options.clock != NULL)
        before_ms += object_now_ms(self(store)->inner) - clock_now_ms(self(store)->options.clock);
    return r < 0 ? r
                 : object_abort_uploads(self(store)->inner, prefix, before_ms, dry_run, ret_count,
                                        err);
}

static int64_t fault_now_ms(struct object_store *store)
{
    struct clock *clock = self(store)->options.clock;

    return clock != NULL ? clock_now_ms(clock) : object_now_ms(self(store)->inner);
}

static int fault_direct_fd(struct object_upload *upload)
{
    struct fault_upload *fault = (struct fault_upload *)(void *)upload;

    return fault->store->options.no_direct_fd ? -1 : fault->inner->ops->direct_fd(fault->inner);
}

static int fault_part(struct object_upload *upload, unsigned part_index, struct io_source *body,
                      struct err *err)
{
    struct fault_upload *fault = (struct fault_upload *)(void *)upload;
    struct fault_store_counters *counters = fault->store->counters;
    int r = count(fault->store, "part", fault->key, err);

    atomic_fetch_add(&counters->parts, 1);
    begin(&counters->parts_open, &counters->parts_open_max, atomic_load(&counters->part_delay_ms));
    if (r == 0)
        r = fault->inner->ops->part(fault->inner, part_index, body, err);
    atomic_fetch_sub(&counters->parts_open, 1);
    return r;
}

static int fault_finish(struct object_upload *upload, uint64_t size, struct err *err)
{
    struct fault_upload *fault = (struct fault_upload *)(void *)upload;
    int r = count(fault->store, "finish", fault->key, err);

    if (r == 0)
        r = fault->inner->ops->finish(fault->inner, size, err);
    if (r == 0)
        date(fault->store, fault->key);
    fault->finished = r == 0;
    return r;
}

static void fault_abort(struct object_upload *upload)
{
    struct fault_upload *fault = (struct fault_upload *)(void *)upload;

    fault->inner->ops->abort(fault->inner);
}

static void fault_upload_free(struct object_upload *upload)
{
    struct fault_upload *fault = (struct fault_upload *)(void *)upload;

    atomic_fetch_sub(&fault->store->counters->uploads_open, 1);
    if (!fault->finished)
        atomic_fetch_add(&fault->store->counters->uploads_aborted, 1);
    object_upload_free(fault->inner);
    free(fault->key);
    free(fault);
}

static int fault_upload_new(struct object_store *store, const char *key, uint64_t part_size,
                            struct object_upload **ret_upload, struct err *err)
{
    static const struct object_upload_ops ops = {
        fault_direct_fd, fault_part, fault_finish, fault_abort, fault_upload_free,
    };
    struct fault_upload *fault;
    int r = count(self(store), "upload", key, err);

    if (r < 0)
        return r;
    fault = calloc(1, sizeof(*fault));
    if (fault == NULL)
        return err_nomem(err);
    r = object_upload_new(self(store)->inner, key, part_size, &fault->inner, err);
    if (r < 0) {
        free(fault);
        return r;
    }
    fault->upload.ops = &ops;
    fault->key = strdup(key);
    fault->store = self(store);
    atomic_fetch_add(&fault->store->counters->uploads_open, 1);
    *ret_upload = &fault->upload;
    return 0;
}

static int fault_part_size(struct object_store *store, uint64_t size_max, uint64_t wanted,
                           uint64_t *ret_part_size, struct err *err)
{
    if (wanted == 0)
        wanted = self(store)->options.part_size;
    return object_part_size(self(store)->inner, size_max, wanted, ret_part_size, err);
}

static int fault_lock(struct object_store *store, const char *key, int64_t *ret_until_ms,
                      struct err *err)
{
    const int r = count(self(store), "lock", key, err);

    return r < 0 ? r : object_lock(self(store)->inner, key, ret_until_ms, err);
}

static void fault_free(struct object_store *store)
{
    object_store_free(self(store)->inner);
    for (size_t i = 0; i < self(store)->date_count; i++)
        free(self(store)->dates[i].key);
    free(self(store)->dates);
    (void)pthread_mutex_destroy(&self(store)->lock);
    free(store->url);
    free(store);
}

int fault_store_new(struct object_store *inner, const struct fault_store_options *options,
                    struct fault_store_counters *counters, struct object_store **ret_store,
                    struct err *err)
{
    static const struct object_store_ops ops = {
        fault_put,           fault_get,       fault_head,       fault_list,
        fault_list_prefixes, fault_delete,    fault_upload_new, fault_abort_uploads,
        fault_now_ms,        fault_part_size, fault_lock,       fault_free,
    };
    struct fault_store *fault = calloc(1, sizeof(*fault));

    if (fault == NULL)
        return err_nomem(err);
    fault->store.ops = &ops;
    fault->store.url = strdup(inner->url);
    if (fault->store.url == NULL) {
        free(fault);
        return err_nomem(err);
    }
    (void)pthread_mutex_init(&fault->lock, NULL);
    fault->inner = inner;
    fault->store.lock_promise_ms = inner->lock_promise_ms;
    fault->store.lock_ms = inner->lock_ms;
    fault->options = *options;
    fault->counters = counters;
    *ret_store = &fault->store;
    return 0;
}

#include "tests/harness/memory_store.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/io.h"
#include "store/object_store.h"

#define OBJECTS_MAX 4096
#define OBJECT_MAX  (64u << 20)

struct object {
    char *key;
    struct buf data;
};

struct memory_store {
    struct object_store store;
    struct memory_quirks *quirks;
    struct object objects[OBJECTS_MAX]; /* in byte order of keys */
    int count;
};

static struct memory_store *self_of(struct object_store *store)
{
    return (struct memory_store *)store;
}

static int fail(struct err *err)
{
    return err_set(err, ERR_NET, "made to fail");
}

/* Count a call: -1 it fails, 1 it takes effect and its answer is lost, 0 all is well. */
static int count_call(struct memory_quirks *quirks)
{
    quirks->calls++;
    if (quirks->calls == quirks->fail_at)
        return -1;
    return quirks->calls == quirks->lose_at ? 1 : 0;
}

static struct object *find(struct memory_store *self, const char *key)
{
    for (int i = 0; i < self->count; i++) {
        if (strcmp(self->objects[i].key, key) == 0)
            return &self->objects[i];
    }
    return NULL;
}

static struct object *insert(struct memory_store *self, const char *key)
{
    int at = self->count;

    if (self->count == OBJECTS_MAX)
        abort(); /* a test that wants more changes the limit */
    for (; at > 0 && strcmp(self->objects[at - 1].key, key) > 0; at--)
        self->objects[at] = self->objects[at - 1];
    self->objects[at] = (struct object){ strdup(key), BUF_INIT(OBJECT_MAX) };
    self->count++;
    return &self->objects[at];
}

static int put_once(struct memory_store *self, const char *key, struct io_source *body,
                    enum object_put_mode mode, struct err *err)
{
    struct object *object = find(self, key);
    struct io_sink *sink = NULL;
    int r;

    if (mode == OBJECT_PUT_IF_ABSENT && self->quirks->conditional == MEMORY_REFUSES)
        return err_set(err, ERR_UNSUPPORTED, "not implemented");
    if (mode == OBJECT_PUT_IF_ABSENT && self->quirks->conditional == MEMORY_SUPPORTS &&
        object != NULL)
        return err_set(err, ERR_EXISTS, "it is there");
    if (object == NULL)
        object = insert(self, key);
    buf_clear(&object->data);
    r = buf_sink_new(&object->data, &sink, err);
    if (r == 0)
        r = io_copy(body, sink, NULL, NULL, err);
    io_sink_free(sink);
    return r;
}

static int memory_put(struct object_store *store, const char *key, struct io_source *body,
                      enum object_put_mode mode, struct err *err)
{
    struct memory_store *self = self_of(store);
    int fate, r;

    if (self->quirks->before_put != NULL)
        self->quirks->before_put(self->quirks->context, key);
    fate = count_call(self->quirks);
    if (fate < 0)
        return fail(err);
    r = put_once(self, key, body, mode, err);
    if (fate > 0 && r == 0) {
        if (self->quirks->retry_lost == 0)
            return fail(err);
        r = io_rewind(body, err);
        if (r == 0)
            r = put_once(self, key, body, mode, err);
    }
    return r;
}

static int memory_get(struct object_store *store, const char *key, uint64_t offset, uint64_t len,
                      struct io_sink *sink, struct object_info *ret_info, struct err *err)
{
    struct memory_store *self = self_of(store);
    const struct object *object = find(self, key);

    if (count_call(self->quirks) != 0)
        return fail(err);
    if (object == NULL)
        return err_set(err, ERR_NOT_FOUND, "no such key");
    if (offset > object->data.len || (len != OBJECT_TO_END && len > object->data.len - offset))
        return err_set(err, ERR_CORRUPT, "shorter than it should be");
    if (len == OBJECT_TO_END)
        len = object->data.len - offset;
    if (ret_info != NULL)
        *ret_info = (struct object_info){ object->data.len, 0 };
    return io_write(sink, object->data.ptr + offset, (size_t)len, err);
}

static int memory_head(struct object_store *store, const char *key, struct object_info *ret_info,
                       struct err *err)
{
    const struct object *object = find(self_of(store), key);

    if (count_call(self_of(store)->quirks) != 0)
        return fail(err);
    if (object == NULL)
        return err_set(err, ERR_NOT_FOUND, "no such key");
    *ret_info = (struct object_info){ object->data.len, 0 };
    return 0;
}

static int memory_list(struct object_store *store, const char *prefix, const char *start_after,
                       object_list_fn callback, void *context, struct err *err)
{
    struct memory_store *self = self_of(store);
    int r = 0;

    if (count_call(self->quirks) != 0)
        return fail(err);
    for (int i = 0; i < self->count && r == 0; i++) {
        const struct object *object = &self->objects[i];
        const struct object_info info = { object->data.len, 0 };

        if (strncmp(object->key, prefix, strlen(prefix)) == 0 &&
            (start_after == NULL || strcmp(object->key, start_after) > 0))
            r = callback(context, object->key, &info, err);
    }
    return r;
}

static int memory_delete(struct object_store *store, const char *const *keys, size_t key_count,
                         struct err *err)
{
    struct memory_store *self = self_of(store);

    if (count_call(self->quirks) != 0)
        return fail(err);
    for (size_t k = 0; k < key_count; k++) {
        struct object *object = find(self, keys[k]);

        if (object == NULL)
            continue;
        free(object->key);
        buf_dispose(&object->data);
        self->count--;
        memmove(object, object + 1,
                (size_t)(&self->objects[self->count] - object) * sizeof(*object));
    }
    return 0;
}

/* Nothing is ever begun here that is not finished. */
static int memory_abort_uploads(struct object_store *store, const char *prefix, int64_t before_ms,
                                bool dry_run, size_t *ret_count, struct err *err)
{
    (void)store;
    (void)prefix;
    (void)before_ms;
    (void)dry_run;
    (void)err;
    *ret_count = 0;
    return 0;
}

/* Objects bear no time. */
static int64_t memory_now_ms(struct object_store *store)
{
    (void)store;
    return 0;
}

static void memory_free(struct object_store *store)
{
    struct memory_store *self = self_of(store);

    for (int i = 0; i < self->count; i++) {
        free(self->objects[i].key);
        buf_dispose(&self->objects[i].data);
    }
    free(store->url);
    free(self);
}

int memory_store_new(struct memory_quirks *quirks, struct object_store **ret_store, struct err *err)
{
    static const struct object_store_ops ops = { .put = memory_put,
                                                 .get = memory_get,
                                                 .head = memory_head,
                                                 .list = memory_list,
                                                 .delete = memory_delete,
                                                 .abort_uploads = memory_abort_uploads,
                                                 .now_ms = memory_now_ms,
                                                 .free = memory_free };
    struct memory_store *self = calloc(1, sizeof(*self));

    if (self == NULL)
        return err_nomem(err);
    self->store.ops = &ops;
    self->store.url = strdup("memory:");
    self->quirks = quirks;
    *ret_store = (struct object_store *)self;
    return 0;
}

int memory_store_count(const struct object_store *store)
{
    return ((const struct memory_store *)store)->count;
}

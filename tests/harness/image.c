#include "tests/harness/image.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/io.h"
#include "snapshot/fetch.h"
#include "snapshot/manifest.h"
#include "snapshot/restore.h"
#include "tests/harness/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct image {
    uint8_t *bytes; /* page 1 without what copying changes */
    size_t len;
};

static void mask(uint8_t *page_one)
{
    memset(page_one + 24, 0, 8);
    memset(page_one + 40, 0, 4);
    memset(page_one + 92, 0, 8);
}

struct image *image_new(sqlite3 *db)
{
    struct image *image = calloc(1, sizeof(*image));
    sqlite3_int64 len = 0;

    assert_non_null(image);
    image->bytes = sqlite3_serialize(db, "main", &len, 0);
    assert_non_null(image->bytes);
    image->len = (size_t)len;
    mask(image->bytes);
    return image;
}

void image_save(const struct image *image, const char *path)
{
    FILE *file = fopen(path, "we");

    assert_non_null(file);
    assert_int_equal(fwrite(image->bytes, 1, image->len, file), image->len);
    assert_int_equal(fclose(file), 0);
}

struct image *image_load(const char *path)
{
    struct image *image = calloc(1, sizeof(*image));
    FILE *file = fopen(path, "re");
    struct stat st = { 0 };

    assert_true(image != NULL && file != NULL && stat(path, &st) == 0);
    image->len = (size_t)st.st_size;
    image->bytes = sqlite3_malloc64(image->len);
    assert_non_null(image->bytes);
    assert_int_equal(fread(image->bytes, 1, image->len, file), image->len);
    (void)fclose(file);
    return image;
}

void image_free(struct image *image)
{
    if (image != NULL)
        sqlite3_free(image->bytes);
    free(image);
}

const uint8_t *image_bytes(const struct image *image, size_t *ret_len)
{
    *ret_len = image->len;
    return image->bytes;
}

int image_compare(const struct image *image, struct object_store *store,
                  const struct manifest *manifest, const struct backup_record *backup,
                  bool *ret_same, struct err *err)
{
    const struct fetch_options options = { .thread_count = 1 };
    struct buf bytes = BUF_INIT(image->len + 1);
    struct fetch *fetch = NULL;
    struct io_sink *sink = NULL;
    int r;

    *ret_same = false;
    if (backup->size != image->len)
        return 0;
    r = fetch_open(store, manifest, backup, &options, &fetch, err);
    if (r == 0)
        r = buf_sink_new(&bytes, &sink, err);
    if (r == 0)
        r = fetch_to_sink(fetch, sink, err);
    if (r == 0 && bytes.len == image->len) {
        mask((uint8_t *)bytes.ptr);
        *ret_same = memcmp(bytes.ptr, image->bytes, image->len) == 0;
    }
    fetch_close(fetch);
    io_sink_free(sink);
    buf_dispose(&bytes);
    return r;
}

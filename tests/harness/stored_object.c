#include "tests/harness/stored_object.h"

#include "tests/harness/test.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#define IMAGE_SIZE_MIN 65536u

/* nftw() has no context.  One thread only. */
static unsigned objects, leftovers;
static char object_path[512];

static int visit(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    if (type != FTW_F)
        return 0;
    if (path[ftw->base] == '.') {
        leftovers++;
        return 0;
    }
    objects++;
    (void)snprintf(object_path, sizeof(object_path), "%s", path);
    return 0;
}

static void walk(const char *dir)
{
    objects = 0;
    leftovers = 0;
    (void)nftw(dir, visit, 16, FTW_PHYS); /* NOLINT(concurrency-mt-unsafe): one thread */
}

unsigned stored_object_count(const char *dir)
{
    walk(dir);
    return objects;
}

unsigned stored_object_leftovers(const char *dir)
{
    walk(dir);
    return leftovers;
}

uint8_t *stored_object_read(const char *dir, size_t *ret_len)
{
    struct stat st;
    uint8_t *data;
    int fd;

    assert_int_equal(stored_object_count(dir), 1);
    fd = open(object_path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &st), 0);
    data = malloc((size_t)st.st_size + 1);
    assert_non_null(data);
    assert_int_equal(read(fd, data, (size_t)st.st_size), st.st_size);
    (void)close(fd);
    *ret_len = (size_t)st.st_size;
    return data;
}

uint8_t *stored_object_unzstd(const void *data, size_t len, size_t *ret_len)
{
    ZSTD_DStream *stream = ZSTD_createDStream();
    ZSTD_inBuffer in = { data, len, 0 };
    ZSTD_outBuffer out = { NULL, 0, 0 };

    assert_non_null(stream);
    while (in.pos < in.size) {
        size_t left;

        if (out.size - out.pos < IMAGE_SIZE_MIN) {
            out.size = out.size * 2 + IMAGE_SIZE_MIN;
            out.dst = realloc(out.dst, out.size);
            assert_non_null(out.dst);
        }
        left = ZSTD_decompressStream(stream, &out, &in);
        if (ZSTD_isError(left))
            fail_msg("zstd: %s", ZSTD_getErrorName(left));
    }
    (void)ZSTD_freeDStream(stream);
    *ret_len = out.pos;
    return out.dst;
}

/* Goal: bytes go from a source to a sink whole and in order, or the failure comes out. */
#include "base/io.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cancel.h"
#include "base/err.h"
#include "base/file.h"
#include "tests/harness/test.h"

#define BLOCK_LEN (300u << 10) /* more than one chunk of a copy */

/* A source and a sink whose n-th call fails. */
static int calls_left;

static int count_down(struct err *err)
{
    return calls_left-- == 0 ? err_set(err, ERR_IO, "made to fail") : 0;
}

static int counting_read(struct io_source *source, void *data, size_t len, size_t *ret_len,
                         struct err *err)
{
    const int r = count_down(err);

    if (r < 0)
        return r;
    if (len > source->size)
        len = (size_t)source->size;
    memset(data, 'x', len);
    source->size -= len;
    *ret_len = len;
    return 0;
}

static int counting_write(struct io_sink *sink, const void *data, size_t len, struct err *err)
{
    (void)sink;
    (void)data;
    (void)len;
    return count_down(err);
}

static void a_copy_fails_with_whatever_call_fails(void **state)
{
    const struct io_source_ops source_ops = { "counting", counting_read, NULL, NULL };
    const struct io_sink_ops sink_ops = { "counting", counting_write, NULL, NULL, NULL };
    struct io_sink sink = { &sink_ops };
    struct err err = { 0 };
    uint64_t len = 7;
    int n = 0, r;

    (void)state;
    do {
        struct io_source source = { &source_ops, BLOCK_LEN };

        calls_left = n++;
        r = io_copy(&source, &sink, NULL, &len, &err);
        assert_int_equal(len, r == 0 ? BLOCK_LEN : 7);
    } while (r != 0);
    assert_int_equal(n - 1, 5); /* two full reads, the end, and two writes */
}

static void a_canceled_copy_moves_nothing_more(void **state)
{
    struct cancel cancel = CANCEL_INIT;
    struct io_source *source = NULL;
    struct io_sink *sink = NULL;
    struct buf buf = BUF_INIT(100);

    (void)state;
    cancel_set(&cancel, 0);
    assert_int_equal(memory_source_new("abc", 3, &source, NULL), 0);
    assert_int_equal(buf_sink_new(&buf, &sink, NULL), 0);
    assert_int_equal(io_copy(source, sink, &cancel, NULL, NULL), ERR_CANCELED);
    assert_int_equal(buf.len, 0);
    io_source_free(source);
    io_sink_free(sink);
    buf_dispose(&buf);
}

static void memory_is_read_again_after_rewind(void **state)
{
    struct io_source *source = NULL;
    struct io_sink *sink = NULL;
    struct buf buf = BUF_INIT(6);

    (void)state;
    assert_int_equal(memory_source_new("abc", 3, &source, NULL), 0);
    assert_int_equal(source->size, 3);
    assert_int_equal(buf_sink_new(&buf, &sink, NULL), 0);
    assert_int_equal(io_copy(source, sink, NULL, NULL, NULL), 0);
    assert_int_equal(io_rewind(source, NULL), 0);
    assert_int_equal(io_copy(source, sink, NULL, NULL, NULL), 0);
    assert_int_equal(io_finish(sink, NULL), 0);
    assert_string_equal(buf.ptr, "abcabc");
    assert_int_equal(io_rewind(source, NULL), 0);
    assert_int_equal(io_copy(source, sink, NULL, NULL, NULL), ERR_LIMIT); /* past the cap */
    io_source_free(source);
    io_sink_free(sink);
    buf_dispose(&buf);
}

static void a_range_of_a_descriptor_is_read_without_moving_it(void **state)
{
    struct io_source *source = NULL;
    struct io_sink *sink = NULL;
    struct buf buf = BUF_INIT(100);
    struct err err = { 0 };
    int fd = -1;

    (void)state;
    assert_int_equal(file_temp_unlinked("/tmp", &fd, NULL), 0);
    assert_int_equal(fd_sink_new(fd, "temp", &sink, NULL), 0);
    assert_int_equal(io_write(sink, "0123456789", 10, NULL), 0);
    assert_int_equal(io_finish(sink, NULL), 0);
    io_sink_free(sink);

    assert_int_equal(fd_source_new(fd, 3, 4, &source, NULL), 0);
    assert_int_equal(buf_sink_new(&buf, &sink, NULL), 0);
    assert_int_equal(io_copy(source, sink, NULL, NULL, NULL), 0);
    assert_int_equal(io_rewind(source, NULL), 0);
    assert_int_equal(io_copy(source, sink, NULL, NULL, NULL), 0);
    assert_string_equal(buf.ptr, "34563456");
    assert_int_equal(lseek(fd, 0, SEEK_CUR), 10);
    io_source_free(source);

    assert_int_equal(fd_source_new(fd, 8, 5, &source, NULL), 0);
    assert_int_equal(io_copy(source, sink, NULL, NULL, &err), ERR_IO);
    assert_non_null(strstr(err.msg, "3 bytes early"));
    io_source_free(source);
    io_sink_free(sink);
    io_source_free(NULL);
    io_sink_free(NULL);
    buf_dispose(&buf);
    (void)close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_copy_fails_with_whatever_call_fails),
        cmocka_unit_test(a_canceled_copy_moves_nothing_more),
        cmocka_unit_test(memory_is_read_again_after_rewind),
        cmocka_unit_test(a_range_of_a_descriptor_is_read_without_moving_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Goal: a spool gives back what was written, in memory and in a file alike; a disk that is full is
 * an error with a hint, and nothing is left behind in any directory. */
#include "snapshot/spool.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/io.h"
#include "base/log.h"
#include "tests/harness/test.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define BLOCK ((size_t)1000)

static unsigned warnings;

static void count_warnings(void *context, enum log_level level, const char *line)
{
    (void)context;
    (void)line;
    if (level == LOG_LEVEL_WARN)
        warnings++;
}

static void fill(uint8_t *block, unsigned seed)
{
    for (unsigned i = 0; i < BLOCK; i++)
        block[i] = (uint8_t)(i * 31 + seed * 7);
}

static int append_blocks(struct spool *spool, unsigned count, struct err *err)
{
    uint8_t block[BLOCK];
    int r = 0;

    for (unsigned i = 0; i < count && r == 0; i++) {
        fill(block, i);
        r = spool_append(spool, block, BLOCK, err);
    }
    return r;
}

static void assert_blocks(struct spool *spool, unsigned first, unsigned count)
{
    uint8_t expected[BLOCK], found[BLOCK];

    for (unsigned i = first; i < count; i++) {
        fill(expected, i);
        assert_int_equal(spool_read(spool, (uint64_t)i * BLOCK, found, BLOCK, NULL), 0);
        assert_memory_equal(found, expected, BLOCK);
    }
}

static bool is_empty(const char *path)
{
    DIR *dir = opendir(path);
    unsigned count = 0;

    assert_non_null(dir);
    while (readdir(dir) != NULL) /* NOLINT(concurrency-mt-unsafe): not shared */
        count++;
    (void)closedir(dir);
    return count == 2;
}

static void gives_back_what_was_written_wherever_it_is(void **state)
{
    static const size_t memory_max[] = { 0, 10 * BLOCK, 50 * BLOCK + 1, 100 * BLOCK, 1u << 20 };
    char dir[] = "/tmp/holdfast-test-XXXXXX";

    (void)state;
    assert_non_null(mkdtemp(dir));
    for (size_t i = 0; i < sizeof(memory_max) / sizeof(memory_max[0]); i++) {
        struct spool *spool = NULL;
        uint8_t block[BLOCK];

        assert_int_equal(spool_new(dir, memory_max[i], &spool, NULL), 0);
        assert_int_equal(append_blocks(spool, 100, NULL), 0);
        assert_int_equal(spool_size(spool), 100 * BLOCK);
        assert_blocks(spool, 0, 100);
        fill(block, 77); /* over what is there, as page 1 is filled in */
        assert_int_equal(spool_write(spool, 0, block, BLOCK, NULL), 0);
        assert_int_equal(spool_size(spool), 100 * BLOCK);
        assert_blocks(spool, 1, 100);
        assert_true(is_empty(dir)); /* the file has no name */
        assert_int_equal(spool_held_max(spool), 100 * BLOCK);
        spool_free(spool);
    }
    assert_int_equal(rmdir(dir), 0);
}

static void reads_ranges_again_and_again(void **state)
{
    static const size_t memory_max[] = { 0, 1u << 20 };

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct spool *spool = NULL;
        struct io_source *source = NULL;
        struct io_sink *sink = NULL;
        struct buf found = BUF_INIT(1u << 20);
        uint8_t expected[BLOCK];

        assert_int_equal(spool_new(NULL, memory_max[i], &spool, NULL), 0);
        assert_int_equal(append_blocks(spool, 10, NULL), 0);
        assert_int_equal(spool_source(spool, 3 * BLOCK, BLOCK, &source, NULL), 0);
        assert_int_equal(source->size, BLOCK);
        assert_int_equal(buf_sink_new(&found, &sink, NULL), 0);
        for (unsigned again = 0; again < 2; again++) {
            buf_clear(&found);
            assert_int_equal(io_rewind(source, NULL), 0);
            assert_int_equal(io_copy(source, sink, NULL, NULL, NULL), 0);
            fill(expected, 3);
            assert_int_equal(found.len, BLOCK);
            assert_memory_equal(found.ptr, expected, BLOCK);
        }
        io_sink_free(sink);
        io_source_free(source);
        buf_dispose(&found);
        spool_free(spool);
    }
}

static void moves_into_a_borrowed_file_and_leaves_it_open(void **state)
{
    static const size_t memory_max[] = { 0, 1u << 20 }; /* from a file, from memory */

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        char path[] = "/tmp/holdfast-test-XXXXXX";
        int fd = mkostemp(path, O_CLOEXEC);
        struct spool *spool = NULL;
        uint8_t expected[BLOCK], found[BLOCK];
        struct stat st;

        assert_true(fd >= 0);
        assert_int_equal(spool_new(NULL, memory_max[i], &spool, NULL), 0);
        assert_int_equal(append_blocks(spool, 700, NULL), 0);
        assert_int_equal(spool_to_file(spool, fd, NULL), 0);
        assert_int_equal(append_blocks(spool, 20000, NULL), 0); /* past one step of writeback */
        spool_release(spool, 0, 20 * BLOCK);                    /* the object needs its bytes */
        assert_blocks(spool, 0, 700);
        spool_free(spool);
        assert_int_equal(fstat(fd, &st), 0);
        assert_int_equal(st.st_size, 20700 * BLOCK);
        fill(expected, 699);
        assert_int_equal(pread(fd, found, BLOCK, 699 * BLOCK), BLOCK);
        assert_memory_equal(found, expected, BLOCK);
        (void)close(fd);
        (void)unlink(path);
    }
}

static void gives_room_back_behind_what_was_sent(void **state)
{
    struct spool *spool = NULL;
    uint8_t block[BLOCK];

    (void)state;
    fill(block, 0);
    assert_int_equal(spool_new("/tmp", 0, &spool, NULL), 0);
    for (unsigned i = 0; i < 1000; i++) {
        assert_int_equal(spool_append(spool, block, BLOCK, NULL), 0);
        if (i % 100 == 99)
            spool_release(spool, (uint64_t)(i - 99) * BLOCK, 100 * BLOCK);
    }
    assert_int_equal(spool_size(spool), 1000 * BLOCK);
    assert_int_equal(spool_held_max(spool), 100 * BLOCK);
    spool_free(spool);
}

static void goes_elsewhere_with_one_warning_when_its_directory_is_missing(void **state)
{
    struct spool *spool = NULL;

    (void)state;
    warnings = 0;
    log_set_sink(count_warnings, NULL, LOG_LEVEL_WARN);
    assert_int_equal(spool_new("/nonexistent", 0, &spool, NULL), 0);
    assert_int_equal(append_blocks(spool, 10, NULL), 0);
    assert_blocks(spool, 0, 10);
    assert_int_equal(warnings, 1);
    spool_free(spool);
    log_set_sink(NULL, NULL, LOG_LEVEL_WARN);
}

/* A file that may not grow stands for a disk that is full. */
static void reports_a_full_disk_at_whatever_byte(void **state)
{
    struct rlimit before, limit;
    rlim_t max = 0;
    int r;

    (void)state;
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    do {
        struct spool *spool = NULL;
        struct err err = { 0 };

        limit = before;
        limit.rlim_cur = max;
        assert_int_equal(spool_new("/tmp", 3 * BLOCK, &spool, NULL), 0);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
        r = append_blocks(spool, 10, &err);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
        if (r < 0) {
            assert_int_equal(r, ERR_IO);
            assert_int_equal(err.os_errno, EFBIG);
            assert_non_null(strstr(err.msg, "/tmp"));
            assert_non_null(strstr(err.hint, "spool_dir"));
        } else {
            assert_blocks(spool, 0, 10);
        }
        spool_free(spool);
        max += BLOCK / 2;
    } while (r < 0);
    assert_int_equal(max, 10 * BLOCK + BLOCK / 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_back_what_was_written_wherever_it_is),
        cmocka_unit_test(reads_ranges_again_and_again),
        cmocka_unit_test(moves_into_a_borrowed_file_and_leaves_it_open),
        cmocka_unit_test(gives_room_back_behind_what_was_sent),
        cmocka_unit_test(goes_elsewhere_with_one_warning_when_its_directory_is_missing),
        cmocka_unit_test(reports_a_full_disk_at_whatever_byte),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

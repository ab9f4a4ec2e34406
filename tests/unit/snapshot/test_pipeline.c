/* Goal: frames come out in the order in which groups went in, whatever the number of threads; a
 * failure anywhere ends it all and hangs nobody. */
#include "snapshot/pipeline.h"

#include "base/cancel.h"
#include "base/err.h"
#include "snapshot/frame.h"
#include "tests/harness/test.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PAGE_SIZE_USED 4096u
#define SEED           UINT64_C(42)

struct output {
    uint32_t next_page;
    uint32_t groups;
    uint32_t encoded_before; /* groups that came with a frame */
    uint32_t fail_at;        /* group, from 1; 0: never */
    bool slow;
    struct frame_codec *decoder;
};

static void fill(uint8_t *raw, uint32_t first_page, uint32_t page_count)
{
    for (uint32_t i = 0; i < page_count * PAGE_SIZE_USED; i++)
        raw[i] = (uint8_t)(i / 100 + first_page);
}

static int take(void *context, const struct page_group *group, struct err *err)
{
    static uint8_t raw[FRAME_RAW_SIZE_MAX], expected[FRAME_RAW_SIZE_MAX];
    struct output *output = context;
    size_t len = (size_t)group->page_count * PAGE_SIZE_USED;

    output->groups++;
    if (output->groups == output->fail_at)
        return err_set(err, ERR_NET, "the line is dead");
    if (output->slow)
        (void)usleep(2000);
    assert_int_equal(group->first_page, output->next_page);
    output->next_page += group->page_count;
    if (!group->hashed) {
        output->encoded_before++;
        assert_memory_equal(group->stored, "frame", 5);
        return 0;
    }
    fill(expected, group->first_page, group->page_count);
    assert_int_equal(frame_decode(output->decoder, group->stored, group->stored_len, raw, len, err),
                     0);
    assert_memory_equal(raw, expected, len);
    for (uint32_t i = 0; i < group->page_count; i++) {
        assert_true(page_hash_eq(group->hashes[i],
                                 page_hash(SEED, group->first_page + i,
                                           expected + (size_t)i * PAGE_SIZE_USED, PAGE_SIZE_USED)));
    }
    return 0;
}

static struct pipeline *start(struct output *output, unsigned thread_count,
                              const struct cancel *cancel)
{
    const struct pipeline_options options = {
        .thread_count = thread_count,
        .compression_level = 1,
        .page_size = PAGE_SIZE_USED,
        .hash_seed = SEED,
        .output = take,
        .context = output,
        .cancel = cancel,
    };
    struct pipeline *pipeline = NULL;

    output->next_page = 2;
    assert_int_equal(frame_codec_new(1, &output->decoder, NULL), 0);
    assert_int_equal(pipeline_new(&options, &pipeline, NULL), 0);
    return pipeline;
}

/* Submit count groups of different sizes; @return what the first failing acquire did. */
static int feed(struct pipeline *pipeline, uint32_t count, struct err *err)
{
    uint32_t page = 2;

    for (uint32_t i = 0; i < count; i++) {
        struct page_group *group = NULL;
        int r = pipeline_acquire(pipeline, &group, err);

        if (r < 0)
            return r;
        group->first_page = page;
        group->page_count = i % 3 == 0 ? 64 : 1 + i % 64;
        page += group->page_count;
        if (i % 10 == 9) {
            memcpy(group->stored, "frame", 5);
            group->stored_len = 5;
        } else {
            fill(group->raw, group->first_page, group->page_count);
        }
        pipeline_submit(pipeline, group);
    }
    return 0;
}

static void keeps_the_order_with_any_number_of_threads(void **state)
{
    (void)state;
    for (unsigned threads = 1; threads <= PIPELINE_THREADS_MAX; threads++) {
        struct output output = { .slow = threads == 7 };
        struct pipeline *pipeline = start(&output, threads, NULL);

        assert_int_equal(feed(pipeline, 100, NULL), 0);
        assert_int_equal(pipeline_finish(pipeline, NULL), 0);
        assert_int_equal(output.groups, 100);
        assert_int_equal(output.encoded_before, 10);
        pipeline_free(pipeline);
        frame_codec_free(output.decoder);
    }
}

static void brings_the_first_failure_of_the_output_back(void **state)
{
    (void)state;
    for (uint32_t fail_at = 1; fail_at <= 40; fail_at++) {
        struct output output = { .fail_at = fail_at };
        struct pipeline *pipeline = start(&output, 3, NULL);
        struct err err = { 0 };
        int fed = feed(pipeline, 40, &err);

        assert_true(fed == 0 || fed == ERR_NET);
        assert_int_equal(pipeline_finish(pipeline, &err), ERR_NET);
        assert_string_equal(err.msg, "the line is dead");
        assert_int_equal(output.groups, fail_at); /* and nothing was handed on after it */
        pipeline_free(pipeline);
        frame_codec_free(output.decoder);
    }
}

static void stops_when_canceled(void **state)
{
    struct cancel cancel = CANCEL_INIT;
    struct output output = { 0 };
    struct pipeline *pipeline = start(&output, 2, &cancel);
    struct err err = { 0 };

    (void)state;
    assert_int_equal(feed(pipeline, 5, NULL), 0);
    cancel_set(&cancel, 15);
    (void)feed(pipeline, 20, &err);
    assert_int_equal(pipeline_finish(pipeline, &err), ERR_CANCELED);
    pipeline_free(pipeline);
    frame_codec_free(output.decoder);
}

static void drops_what_is_under_way_when_freed(void **state)
{
    (void)state;
    for (uint32_t count = 0; count < 20; count++) {
        struct output output = { .slow = true };
        struct pipeline *pipeline = start(&output, 2, NULL);
        struct page_group *group = NULL;

        assert_int_equal(feed(pipeline, count, NULL), 0);
        assert_int_equal(pipeline_acquire(pipeline, &group, NULL), 0); /* and not given back */
        pipeline_free(pipeline);
        frame_codec_free(output.decoder);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_the_order_with_any_number_of_threads),
        cmocka_unit_test(brings_the_first_failure_of_the_output_back),
        cmocka_unit_test(stops_when_canceled),
        cmocka_unit_test(drops_what_is_under_way_when_freed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

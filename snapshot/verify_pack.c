#include "snapshot/verify_pack.h"

#include "base/buf.h"
#include "base/cancel.h"
#include "base/err.h"
#include "base/io.h"
#include "snapshot/frame.h"
#include "snapshot/pack_format.h"
#include "snapshot/pack_reader.h"
#include "snapshot/spool.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define READ_SIZE_MAX (4u << 20) /* frames that are read at once */
#define INFO_LEN_MAX  (1u << 20)

struct job {
    const struct pack_check_options *options;
    const struct pack_record *pack;
    struct pack_check check;
    struct frame_codec *codec;
    struct seek_entry *entries;
    uint32_t entry_count;
    struct buf bytes; /* of the frames that were read last */
    uint8_t *raw;
    struct index_slot *slots; /* of one frame */
    uint64_t sample_state;
};

void pack_check_dispose(struct pack_check *check)
{
    free(check->bad_frames);
    *check = (struct pack_check){ 0 };
}

bool pack_check_is_bad_frame(const struct pack_check *check, uint64_t offset)
{
    for (size_t i = 0; i < check->bad_frame_count; i++) {
        if (check->bad_frames[i] == offset)
            return true;
    }
    return false;
}

static int add_bad_frame(struct pack_check *check, uint64_t offset, struct err *err)
{
    uint64_t *grown =
        realloc(check->bad_frames, (check->bad_frame_count + 1) * sizeof(*check->bad_frames));

    if (grown == NULL)
        return err_nomem(err);
    check->bad_frames = grown;
    check->bad_frames[check->bad_frame_count++] = offset;
    return 0;
}

static int get(struct job *job, uint64_t offset, uint64_t len, struct buf *out, struct err *err)
{
    struct io_sink *sink = NULL;
    int r;

    buf_clear(out);
    r = buf_sink_new(out, &sink, err);
    if (r == 0) {
        r = pack_get(job->options->store, job->options->manifest->database, job->pack, offset, len,
                     sink, err);
    }
    io_sink_free(sink);
    return r;
}

/* The last block, which repairing reads. */
static int read_info(struct job *job, struct err *err)
{
    struct buf block = BUF_INIT(INFO_LEN_MAX), payload = BUF_INIT(INFO_LEN_MAX);
    const uint64_t offset = job->pack->map_offset + job->pack->map_len;
    const uint32_t len = job->entry_count > 0 ? job->entries[job->entry_count - 1].stored_len : 0;
    struct manifest alone = MANIFEST_INIT;
    size_t used = 0;
    int r;

    r = get(job, offset, len, &block, err);
    if (r == 0)
        r = index_block_decode(block.ptr, block.len, INDEX_INFO, &payload, &used, err);
    if (r == 0)
        r = manifest_parse_info(payload.ptr, payload.len, &alone, err);
    manifest_dispose(&alone);
    buf_dispose(&block);
    buf_dispose(&payload);
    return r;
}

/* Whether the pages of a frame are those that the slots tell of. */
static int check_frame(struct job *job, const uint8_t *stored, const struct seek_entry *entry,
                       uint64_t slot, bool *ret_good, struct err *err)
{
    const uint32_t page_size = job->options->page_size, count = entry->raw_len / page_size;
    const uint64_t seed = job->options->manifest->page_hash_seed;
    int r;

    *ret_good = false;
    if (entry->raw_len > FRAME_RAW_SIZE_MAX || entry->raw_len % page_size != 0 ||
        slot + count > job->pack->slot_count)
        return 0;
    r = spool_read(job->options->slots, (job->check.first_slot + slot) * sizeof(*job->slots),
                   job->slots, count * sizeof(*job->slots), err);
    if (r < 0)
        return r;
    if (frame_decode(job->codec, stored, entry->stored_len, job->raw, entry->raw_len, NULL) < 0)
        return 0;
    for (uint32_t i = 0; i < count; i++) {
        const struct page_hash hash =
            page_hash(seed, job->slots[i].page_number, job->raw + (size_t)i * page_size, page_size);

        if (!page_hash_eq(hash, job->slots[i].hash))
            return 0;
    }
    *ret_good = true;
    return 0;
}

/* splitmix64 (prng.di.unimi.it): the same frames for the same seed. */
static bool is_sampled(struct job *job)
{
    uint64_t z = job->sample_state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return (z ^ z >> 31) % 1000000u < job->options->sample_ppm;
}

/* How many frames from index on to read at once, and their length. */
static uint32_t batch(const struct job *job, uint32_t index, uint64_t *ret_len)
{
    uint32_t count = 0;

    *ret_len = 0;
    while (index + count < job->entry_count && job->entries[index + count].raw_len > 0 &&
           (count == 0 || *ret_len + job->entries[index + count].stored_len <= READ_SIZE_MAX)) {
        *ret_len += job->entries[index + count].stored_len;
        count++;
        if (job->options->sample_ppm < 1000000u)
            break; /* a frame alone, or not at all */
    }
    return count;
}

static int check_batch(struct job *job, uint32_t index, uint32_t count, uint64_t offset,
                       uint64_t *slot, struct err *err)
{
    const uint8_t *stored = (const uint8_t *)job->bytes.ptr;
    int r = 0;

    for (uint32_t i = index; r == 0 && i < index + count; i++) {
        bool good = false;

        r = check_frame(job, stored, &job->entries[i], *slot, &good, err);
        if (r == 0 && !good)
            r = add_bad_frame(&job->check, offset, err);
        stored += job->entries[i].stored_len;
        offset += job->entries[i].stored_len;
        *slot += job->entries[i].raw_len / job->options->page_size;
    }
    return r;
}

static int check_frames(struct job *job, struct err *err)
{
    uint64_t offset = 0, slot = 0, len = 0;
    uint32_t index = 0, count;
    int r = 0;

    while (r == 0 && (count = batch(job, index, &len)) > 0) {
        r = cancel_check(job->options->cancel, err);
        if (r == 0 && job->options->sample_ppm < 1000000u && index > 0 && !is_sampled(job)) {
            slot += job->entries[index].raw_len / job->options->page_size;
        } else if (r == 0) {
            r = get(job, offset, len, &job->bytes, err);
            if (r == 0)
                r = check_batch(job, index, count, offset, &slot, err);
        }
        index += count;
        offset += len;
    }
    if (r == 0 && (slot != job->pack->slot_count || offset != job->pack->hashes_offset))
        r = err_set(err, ERR_CORRUPT, "its frames do not hold what its index says");
    return r;
}

/* Frame after frame, where the seek table cannot be had. */
static int walk_frames(struct job *job, struct err *err)
{
    uint32_t size = 0;
    uint64_t at = 0;
    int r = 0;

    free(job->entries);
    job->entries = NULL;
    job->entry_count = 0;
    while (r == 0 && at < job->pack->hashes_offset) {
        const uint64_t left = job->pack->hashes_offset - at;
        size_t stored_len = 0, raw_len = 0;

        r = get(job, at, left < FRAME_STORED_SIZE_MAX ? left : FRAME_STORED_SIZE_MAX, &job->bytes,
                err);
        if (r == 0)
            r = frame_lengths(job->bytes.ptr, job->bytes.len, &stored_len, &raw_len, err);
        if (r == 0 && job->entry_count == size) {
            struct seek_entry *grown;

            size = size > 0 ? size * 2 : 64;
            grown = realloc(job->entries, size * sizeof(*grown));
            if (grown == NULL)
                return err_nomem(err);
            job->entries = grown;
        }
        if (r == 0) {
            job->entries[job->entry_count++] =
                (struct seek_entry){ (uint32_t)stored_len, (uint32_t)raw_len };
        }
        at += stored_len;
    }
    return r;
}

/* What stands behind the frames and is not needed to restore: to rebuild a lost manifest it is. */
static int check_end(struct job *job, struct err *err)
{
    int r;

    r = pack_frames_read(job->options->store, job->options->manifest->database, job->pack,
                         job->options->page_size, &job->entries, &job->entry_count, err);
    if (r == 0)
        r = read_info(job, err);
    if (!pack_is_damage(r, err))
        return r;
    (void)snprintf(job->check.own_reason, sizeof(job->check.own_reason), "%.250s", err->msg);
    err_clear(err);
    return walk_frames(job, err);
}

static int check_all(struct job *job, struct err *err)
{
    int r;

    r = pack_slots_read(job->options->store, job->options->manifest->database, job->pack,
                        job->options->slots, err);
    if (r == 0)
        r = check_end(job, err);
    return r < 0 ? r : check_frames(job, err);
}

int pack_check_run(const struct pack_check_options *options, const struct pack_record *pack,
                   struct pack_check *ret_check, struct err *err)
{
    struct job job = {
        .options = options,
        .pack = pack,
        .check = { .first_slot = spool_size(options->slots) / sizeof(struct index_slot) },
        .bytes = BUF_INIT(READ_SIZE_MAX + FRAME_STORED_SIZE_MAX),
        .raw = malloc(FRAME_RAW_SIZE_MAX),
        .slots = calloc(frame_slots(PAGE_SIZE_MIN), sizeof(struct index_slot)),
        .sample_state = options->sample_seed,
    };
    struct err why = { 0 };
    int r;

    r = job.raw == NULL || job.slots == NULL ? err_nomem(&why)
                                             : frame_codec_new(1, &job.codec, &why);
    if (r == 0)
        r = check_all(&job, &why);
    if (pack_is_damage(r, &why)) {
        (void)snprintf(job.check.reason, sizeof(job.check.reason), "%.250s", why.msg);
        r = 0;
    }
    frame_codec_free(job.codec);
    free(job.entries);
    free(job.raw);
    free(job.slots);
    buf_dispose(&job.bytes);
    if (r < 0) {
        pack_check_dispose(&job.check);
        if (err != NULL)
            *err = why;
        return r;
    }
    *ret_check = job.check;
    return 0;
}

#include "snapshot/seed.h"

#include "base/cancel.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "snapshot/fetch.h"
#include "snapshot/fetch_internal.h"
#include "snapshot/frame.h"
#include "snapshot/pack_format.h"
#include "snapshot/progress.h"
#include "snapshot/source.h"

#include <assert.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* sqlite.org/fileformat2.html#the_database_header */
#define HEADER_LEN       100u
#define HEADER_MAGIC     "SQLite format 3"
#define HEADER_PAGE_SIZE 16u /* two bytes, big-endian; 1 stands for 65536 */

/* For how long a lock is worth waiting for: what is not copied is fetched. */
#define BUSY_TIMEOUT_MS 1000

/* What a run of the page map has got so far. */
struct run_copy {
    uint32_t page_count;
    struct page_hash sum;
};

struct copier {
    struct fetch *fetch;
    int fd;
    const char *name;
    struct run_copy *runs;
    struct index_slot *slots; /* room for those of one frame */
    uint8_t *room;            /* for a group of pages */
    int result;               /* of writing: the seed is not to blame for that */
    struct err err;
};

/* Pages [first, first + count) of run, which begin at pages, to the file. */
static int put(struct copier *copier, const struct page_run *run, uint32_t first, uint32_t count,
               const uint8_t *pages)
{
    uint32_t page_size = copier->fetch->backup->page_size;

    if (count == 0)
        return 0;
    copier->runs[run - copier->fetch->map.runs].page_count += count;
    return file_pwrite_all(copier->fd, pages, (size_t)count * page_size,
                           (uint64_t)(first - 1) * page_size, copier->name, &copier->err);
}

/* Those of the pages [first, first + count) of run that are wanted; neighbours with one write. */
static int compare(struct copier *copier, const struct page_run *run, uint32_t first,
                   uint32_t count, const uint8_t *pages)
{
    const struct fetch *fetch = copier->fetch;
    struct run_copy *copy = &copier->runs[run - fetch->map.runs];
    uint32_t page_size = fetch->backup->page_size, same = 0;
    struct page_run part = *run;
    int r;

    part.first_page = first;
    part.page_count = count;
    part.slot += first - run->first_page;
    r = fetch_hashes_get(fetch, &part, copier->slots, &copier->err);
    for (uint32_t i = 0; r == 0 && i < count; i++) {
        const struct index_slot *slot = &copier->slots[i];
        struct page_hash hash = page_hash(fetch->manifest->page_hash_seed, first + i,
                                          pages + (size_t)i * page_size, page_size);

        if (slot->page_number == first + i && page_hash_eq(slot->hash, hash)) {
            page_hash_xor(&copy->sum, hash);
            same++;
            continue;
        }
        r = put(copier, run, first + i - same, same, pages + (size_t)(i - same) * page_size);
        same = 0;
    }
    if (r < 0)
        return r;
    return put(copier, run, first + count - same, same, pages + (size_t)(count - same) * page_size);
}

static int offer(struct copier *copier, uint32_t first_page, uint32_t page_count,
                 const uint8_t *pages, struct err *err)
{
    const struct fetch *fetch = copier->fetch;
    const struct page_run *run = page_map_find(&fetch->map, first_page);
    uint32_t done = 0;
    int r = 0;

    /* Past the end of what is wanted there is no run. */
    while (r == 0 && done < page_count && run != NULL &&
           run < fetch->map.runs + fetch->map.run_count) {
        uint32_t first = first_page + done;
        uint32_t left = run->first_page + run->page_count - first;
        uint32_t count = left < page_count - done ? left : page_count - done;

        r = compare(copier, run, first, count, pages + (size_t)done * fetch->backup->page_size);
        done += count;
        run++;
    }
    copier->result = r;
    return r < 0 ? err_set(err, ERR_CANCELED, "the copy cannot be written") : 0;
}

static int live_room(void *context, uint8_t **ret_room, struct err *err)
{
    struct copier *copier = context;

    (void)err;
    *ret_room = copier->room;
    return 0;
}

static int live_group(void *context, uint32_t first_page, uint32_t page_count, struct err *err)
{
    struct copier *copier = context;

    return offer(copier, first_page, page_count, copier->room, err);
}

static int check_page_size(const struct copier *copier, uint64_t page_size, struct err *err)
{
    if (page_size == copier->fetch->backup->page_size)
        return 0;
    return err_set(err, ERR_REFUSED, "it has pages of %" PRIu64 " bytes, the backup of %" PRIu32,
                   page_size, copier->fetch->backup->page_size);
}

/* A page that is torn does not match, so a rollback journal's lock, which would keep writers
 * waiting for as long as the scan takes, is given up before it begins. */
static int scan_source(struct copier *copier, struct source *source, struct err *err)
{
    const struct source_visitor visitor = { live_room, live_group, copier, false };
    struct source_facts facts = { 0 };
    uint8_t *page_one = NULL;
    int r;

    r = source_begin(source, &facts, err);
    if (r < 0)
        return r;
    r = check_page_size(copier, facts.page_size, err);
    if (r < 0)
        return r;
    page_one = malloc(facts.page_size);
    if (page_one == NULL)
        return err_nomem(err);
    if (facts.wal) {
        r = source_scan(source, &facts, &visitor, page_one, err);
    } else {
        (void)source_end(source);
        if (facts.page_count > copier->fetch->backup->page_count)
            facts.page_count = copier->fetch->backup->page_count;
        r = source_scan_file(source, &facts, &visitor, page_one, err);
    }
    if (r == 0)
        r = offer(copier, 1, 1, page_one, err);
    free(page_one);
    return r;
}

static int copy_live(struct copier *copier, const char *path, struct err *err)
{
    const struct source_options options = {
        .path = path,
        .busy_timeout_ms = BUSY_TIMEOUT_MS,
        .progress = copier->fetch->options.progress,
        .cancel = copier->fetch->options.cancel,
        .clock = clock_system(),
    };
    struct source *source = NULL;
    int r;

    r = source_open(&options, &source, err);
    if (r == 0)
        r = scan_source(copier, source, err);
    source_close(source);
    return r;
}

static int check_header(const struct copier *copier, int fd, const char *path, struct err *err)
{
    uint8_t header[HEADER_LEN];
    uint32_t page_size;

    if (file_pread_all(fd, header, sizeof(header), 0, path, NULL) < 0 ||
        memcmp(header, HEADER_MAGIC, sizeof(HEADER_MAGIC)) != 0)
        return err_set(err, ERR_REFUSED, "it is no database");
    page_size = (uint32_t)header[HEADER_PAGE_SIZE] << 8 | header[HEADER_PAGE_SIZE + 1];
    return check_page_size(copier, page_size == 1 ? PAGE_SIZE_MAX : page_size, err);
}

static int scan_file(struct copier *copier, int fd, const char *path, uint64_t size,
                     struct err *err)
{
    const struct fetch *fetch = copier->fetch;
    uint32_t page_size = fetch->backup->page_size, count;
    uint64_t page_count = size / page_size;
    struct progress_meter meter = { .progress = fetch->options.progress, .phase = PROGRESS_READ };
    int r = 0;

    if (page_count > fetch->backup->page_count)
        page_count = fetch->backup->page_count;
    meter.total = page_count * page_size;
    for (uint32_t first = 1; r == 0 && first <= page_count; first += count) {
        uint64_t left = page_count + 1 - first;

        count = left < frame_slots(page_size) ? (uint32_t)left : frame_slots(page_size);
        r = cancel_check(fetch->options.cancel, err);
        if (r == 0) {
            r = file_pread_all(fd, copier->room, (size_t)count * page_size,
                               (uint64_t)(first - 1) * page_size, path, err);
        }
        if (r == 0)
            r = offer(copier, first, count, copier->room, err);
        progress_meter_add(&meter, (uint64_t)count * page_size);
    }
    return r;
}

static int copy_file(struct copier *copier, const char *path, struct err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    int r;

    if (fd < 0)
        return err_set_errno(err, "open it");
    r = check_header(copier, fd, path, err);
    if (r == 0 && fstat(fd, &st) < 0)
        r = err_set_errno(err, "find its size");
    if (r == 0)
        r = scan_file(copier, fd, path, (uint64_t)st.st_size, err);
    (void)close(fd);
    return r;
}

/* A run that lacks a page is fetched whole, since the frame that holds it must be. */
static int settle(const struct copier *copier, struct err *err)
{
    struct fetch *fetch = copier->fetch;

    fetch->copied = calloc(fetch->map.run_count + 1, sizeof(*fetch->copied));
    if (fetch->copied == NULL)
        return err_nomem(err);
    for (size_t i = 0; i < fetch->map.run_count; i++) {
        const struct page_run *run = &fetch->map.runs[i];

        assert(copier->runs[i].page_count <= run->page_count); /* no page is offered twice */
        if (copier->runs[i].page_count < run->page_count)
            continue;
        fetch->copied[i] = true;
        fetch->copied_bytes += (uint64_t)run->page_count * fetch->backup->page_size;
        page_hash_xor(&fetch->copied_sum, copier->runs[i].sum);
    }
    return 0;
}

static int copier_init(struct copier *copier, struct err *err)
{
    copier->runs = calloc(copier->fetch->map.run_count + 1, sizeof(*copier->runs));
    copier->slots = calloc(frame_slots(PAGE_SIZE_MIN), sizeof(*copier->slots));
    copier->room = malloc(FRAME_RAW_SIZE_MAX);
    if (copier->runs == NULL || copier->slots == NULL || copier->room == NULL)
        return err_nomem(err);
    return 0;
}

int seed_copy(struct fetch *fetch, const struct seed *seed, int fd, const char *name,
              struct err *err)
{
    struct copier copier = { .fetch = fetch, .fd = fd, .name = name };
    struct err why = { 0 };
    int r;

    assert(fetch->copied == NULL);
    r = copier_init(&copier, err);
    if (r < 0)
        goto out;
    r = seed->live ? copy_live(&copier, seed->path, &why) : copy_file(&copier, seed->path, &why);
    if (copier.result < 0) {
        if (err != NULL)
            *err = copier.err;
        r = copier.result;
        goto out;
    }
    if (r < 0) {
        log_printf(seed->live ? LOG_LEVEL_INFO : LOG_LEVEL_WARN,
                   "not all of '%s' could be used instead of the store: %s", seed->path, why.msg);
    }
    r = cancel_check(fetch->options.cancel, err);
    if (r == 0)
        r = settle(&copier, err);
out:
    free(copier.runs);
    free(copier.slots);
    free(copier.room);
    return r;
}

#include "snapshot/wal_frames.h"

#include "base/err.h"
#include "snapshot/sqlite_db.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define REGION_SIZE       32768
#define REGION_FRAMES     4096u /* page numbers in a region; the first one begins with headers */
#define FIRST_FRAMES      4062u
#define FIRST_NUMBERS_AT  136u
#define LOG_HEADER_SIZE   32u
#define FRAME_HEADER_SIZE 24u
#define SALTS_AT          32u /* in the wal-index header, in the log's byte order */
#define SALTS_SIZE        8u
#define FRAME_SALTS_AT    8u

struct place {
    uint32_t page_number, frame; /* from 1 */
};

struct wal_frames {
    sqlite3 *db;
    sqlite3_file *log;
    uint32_t page_size;
    uint8_t salts[SALTS_SIZE];
    struct place *places; /* by page number; the newest frame of each */
    size_t count;
    uint8_t *frame; /* as it is read */
};

void wal_frames_free(struct wal_frames *frames)
{
    if (frames == NULL)
        return;
    free(frames->places);
    free(frames->frame);
    free(frames);
}

static int compare(const void *a, const void *b)
{
    const struct place *left = a, *right = b;

    if (left->page_number != right->page_number)
        return left->page_number < right->page_number ? -1 : 1;
    return left->frame < right->frame ? -1 : left->frame > right->frame;
}

/* The page numbers of a region's frames, of the machine's byte order. */
static int read_region(struct wal_frames *frames, sqlite3_file *file, int region,
                       uint32_t frame_count, struct err *err)
{
    const uint32_t most = region == 0 ? FIRST_FRAMES : REGION_FRAMES;
    void volatile *mapped = NULL;
    const volatile uint32_t *numbers;
    int rc;

    rc = file->pMethods->xShmMap(file, region, REGION_SIZE, 0, &mapped);
    if (rc != SQLITE_OK || mapped == NULL)
        return sqlite_db_err(err, frames->db, rc, "read the index of the log");
    numbers = mapped;
    if (region == 0)
        numbers += FIRST_NUMBERS_AT / sizeof(*numbers);
    for (uint32_t i = 0; i < most && frames->count < frame_count; i++) {
        frames->places[frames->count] = (struct place){ numbers[i], (uint32_t)frames->count + 1 };
        frames->count++;
    }
    return 0;
}

static void keep_newest(struct wal_frames *frames)
{
    size_t count = 0;

    qsort(frames->places, frames->count, sizeof(*frames->places), compare);
    for (size_t i = 0; i < frames->count; i++) {
        const bool last = i + 1 == frames->count ||
                          frames->places[i + 1].page_number != frames->places[i].page_number;

        if (last)
            frames->places[count++] = frames->places[i];
    }
    frames->count = count;
}

static int read_index(struct wal_frames *frames, const struct wal_index *index, struct err *err)
{
    sqlite3_file *file = NULL;
    int r = 0;

    if (sqlite3_file_control(frames->db, "main", SQLITE_FCNTL_FILE_POINTER, &file) != SQLITE_OK ||
        sqlite3_file_control(frames->db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &frames->log) !=
            SQLITE_OK ||
        file == NULL || file->pMethods == NULL || file->pMethods->iVersion < 2 ||
        frames->log == NULL || frames->log->pMethods == NULL)
        return err_set(err, ERR_UNSUPPORTED, "SQLite has no handle of the log");
    memcpy(frames->salts, index->header + SALTS_AT, SALTS_SIZE);
    for (int region = 0; r == 0 && frames->count < index->frame_count; region++)
        r = read_region(frames, file, region, index->frame_count, err);
    return r;
}

int wal_frames_new(sqlite3 *db, const struct wal_index *index, uint32_t page_size,
                   struct wal_frames **ret_frames, struct err *err)
{
    struct wal_frames *frames;
    int r;

    if (index->frame_count > WAL_FRAMES_MAX)
        return err_set(err, ERR_UNSUPPORTED, "a log of %" PRIu32 " frames", index->frame_count);
    frames = calloc(1, sizeof(*frames));
    if (frames == NULL)
        return err_nomem(err);
    frames->db = db;
    frames->page_size = page_size;
    frames->places = calloc((size_t)index->frame_count + 1, sizeof(*frames->places));
    frames->frame = malloc((size_t)FRAME_HEADER_SIZE + page_size);
    r = frames->places == NULL || frames->frame == NULL ? err_nomem(err)
                                                        : read_index(frames, index, err);
    if (r < 0) {
        wal_frames_free(frames);
        return r;
    }
    keep_newest(frames);
    *ret_frames = frames;
    return 0;
}

static uint32_t get_u32_be(const uint8_t *from)
{
    return (uint32_t)from[0] << 24 | (uint32_t)from[1] << 16 | (uint32_t)from[2] << 8 | from[3];
}

static int put_page(struct wal_frames *frames, const struct place *place, uint8_t *to,
                    struct err *err)
{
    const size_t len = (size_t)FRAME_HEADER_SIZE + frames->page_size;
    const sqlite3_int64 at =
        LOG_HEADER_SIZE + (sqlite3_int64)(place->frame - 1) * (sqlite3_int64)len;
    int rc;

    rc = frames->log->pMethods->xRead(frames->log, frames->frame, (int)len, at);
    if (rc != SQLITE_OK) {
        return sqlite_db_err(err, frames->db, rc, "read frame %" PRIu32 " of the log",
                             place->frame);
    }
    if (get_u32_be(frames->frame) != place->page_number ||
        memcmp(frames->frame + FRAME_SALTS_AT, frames->salts, SALTS_SIZE) != 0) {
        return err_set(err, ERR_IO, "frame %" PRIu32 " of the log is not that of page %" PRIu32,
                       place->frame, place->page_number);
    }
    memcpy(to, frames->frame + FRAME_HEADER_SIZE, frames->page_size);
    return 0;
}

/* The first place at or after a page. */
static size_t find(const struct wal_frames *frames, uint32_t page_number)
{
    size_t low = 0, high = frames->count;

    while (low < high) {
        const size_t middle = low + (high - low) / 2;

        if (frames->places[middle].page_number < page_number) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

int wal_frames_put(struct wal_frames *frames, uint32_t first, uint32_t count, uint8_t *pages,
                   struct err *err)
{
    int r = 0;

    for (size_t i = find(frames, first);
         r == 0 && i < frames->count && frames->places[i].page_number - first < count; i++) {
        const struct place *place = &frames->places[i];

        r = put_page(frames, place,
                     pages + (size_t)(place->page_number - first) * frames->page_size, err);
    }
    return r;
}

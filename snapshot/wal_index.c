#include "snapshot/wal_index.h"

#include <stddef.h>
#include <string.h>

#define REGION_SIZE         32768 /* of the region that begins with the header */
#define ATTEMPTS            10
#define FRAME_COUNT_AT      16 /* in the header */
#define BACKFILLED_COUNT_AT 96 /* in the region, after two copies of the header */

bool wal_index_read(sqlite3 *db, struct wal_index *ret_index)
{
    void volatile *region = NULL;
    sqlite3_file *file = NULL;

    if (sqlite3_file_control(db, "main", SQLITE_FCNTL_FILE_POINTER, &file) != SQLITE_OK ||
        file == NULL || file->pMethods == NULL || file->pMethods->iVersion < 2 ||
        file->pMethods->xShmMap(file, 0, REGION_SIZE, 0, &region) != SQLITE_OK || region == NULL)
        return false;
    /* The two copies are equal unless a writer is at it. */
    for (int i = 0; i < ATTEMPTS; i++) {
        const volatile uint8_t *from = region;
        uint8_t second[WAL_INDEX_HEADER_SIZE], count[sizeof(uint32_t)];
        struct wal_index index;

        for (size_t k = 0; k < sizeof(second); k++)
            index.header[k] = from[k];
        file->pMethods->xShmBarrier(file);
        for (size_t k = 0; k < sizeof(second); k++)
            second[k] = from[sizeof(second) + k];
        for (size_t k = 0; k < sizeof(count); k++)
            count[k] = from[BACKFILLED_COUNT_AT + k];
        if (memcmp(index.header, second, sizeof(second)) != 0)
            continue;
        /* Of the machine's byte order. */
        memcpy(&index.frame_count, index.header + FRAME_COUNT_AT, sizeof(index.frame_count));
        memcpy(&index.backfilled_count, count, sizeof(count));
        *ret_index = index;
        return true;
    }
    return false;
}

#include "snapshot/fingerprint.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/parse.h"
#include "snapshot/wal_index.h"
#include "snapshot/wire.h"

#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define NS_PER_S            INT64_C(1000000000)
#define NS_PER_MS           INT64_C(1000000)
#define CLOCK_SET_BACK_MS   1000
#define HEADER_WRITE_FORMAT 18 /* offset in the database's header; 2: WAL */
#define FORMAT_WAL          2

static sqlite3_file *database_file(sqlite3 *db)
{
    sqlite3_file *file = NULL;

    if (sqlite3_file_control(db, "main", SQLITE_FCNTL_FILE_POINTER, &file) != SQLITE_OK ||
        file == NULL || file->pMethods == NULL)
        return NULL;
    return file;
}

static int64_t time_ns(struct timespec time)
{
    return (int64_t)time.tv_sec * NS_PER_S + time.tv_nsec;
}

static bool read_boot_id(uint8_t out[FINGERPRINT_BOOT_ID_SIZE])
{
    struct buf text = BUF_INIT(64);
    char hex[2 * FINGERPRINT_BOOT_ID_SIZE + 1];
    size_t len = 0;
    bool ok;

    ok = file_read("/proc/sys/kernel/random/boot_id", &text, NULL) == 0;
    for (size_t i = 0; ok && i < text.len && len < sizeof(hex) - 1; i++) {
        if (text.ptr[i] != '-' && text.ptr[i] != '\n')
            hex[len++] = text.ptr[i];
    }
    hex[len] = '\0';
    ok = ok && parse_hex(hex, out, FINGERPRINT_BOOT_ID_SIZE, NULL) == 0;
    buf_dispose(&text);
    return ok;
}

bool fingerprint_take(sqlite3 *db, const char *path, struct clock *clock,
                      struct fingerprint *ret_fingerprint)
{
    struct fingerprint f = { 0 };
    struct wal_index index = { 0 };
    sqlite3_file *file = database_file(db);
    struct timespec boot;
    struct stat st;
    int64_t youngest_ns;

    if (file == NULL || file->pMethods->xRead(file, f.header, sizeof(f.header), 0) != SQLITE_OK)
        return false;
    f.wal = f.header[HEADER_WRITE_FORMAT] == FORMAT_WAL;
    if (f.wal && !wal_index_read(db, &index))
        return false;
    memcpy(f.wal_index, index.header, sizeof(f.wal_index));
    if (stat(path, &st) < 0 || clock_gettime(CLOCK_BOOTTIME, &boot) < 0 || !read_boot_id(f.boot_id))
        return false;
    f.device = (uint64_t)st.st_dev;
    f.inode = (uint64_t)st.st_ino;
    f.size = (uint64_t)st.st_size;
    f.modified_ns = time_ns(st.st_mtim);
    f.changed_ns = time_ns(st.st_ctim);
    f.wall_ms = clock_now_ms(clock);
    f.boot_ms = time_ns(boot) / NS_PER_MS;
    youngest_ns = f.modified_ns > f.changed_ns ? f.modified_ns : f.changed_ns;
    f.settled = youngest_ns / NS_PER_MS + FINGERPRINT_SETTLE_MS <= f.wall_ms;
    *ret_fingerprint = f;
    return true;
}

static bool clock_went_on(const struct fingerprint *before, const struct fingerprint *after)
{
    if (memcmp(before->boot_id, after->boot_id, sizeof(before->boot_id)) != 0)
        return after->wall_ms >= before->wall_ms;
    return after->wall_ms - after->boot_ms >= before->wall_ms - before->boot_ms - CLOCK_SET_BACK_MS;
}

bool fingerprint_same(const struct fingerprint *before, const struct fingerprint *after)
{
    return before->settled && before->device == after->device && before->inode == after->inode &&
           before->size == after->size && before->modified_ns == after->modified_ns &&
           before->changed_ns == after->changed_ns && before->wal == after->wal &&
           memcmp(before->header, after->header, sizeof(before->header)) == 0 &&
           memcmp(before->wal_index, after->wal_index, sizeof(before->wal_index)) == 0 &&
           clock_went_on(before, after);
}

/* Nine numbers, then the bytes. */
#define NUMBERS 9u
_Static_assert(NUMBERS * 8u + FINGERPRINT_HEADER_SIZE + WAL_INDEX_HEADER_SIZE +
                       FINGERPRINT_BOOT_ID_SIZE <=
                   FINGERPRINT_STORED_SIZE,
               "a fingerprint does not fit");

void fingerprint_encode(const struct fingerprint *fingerprint, uint8_t out[FINGERPRINT_STORED_SIZE])
{
    const struct fingerprint *f = fingerprint;
    const uint64_t numbers[NUMBERS] = {
        f->device,
        f->inode,
        f->size,
        (uint64_t)f->modified_ns,
        (uint64_t)f->changed_ns,
        f->wal,
        f->settled,
        (uint64_t)f->wall_ms,
        (uint64_t)f->boot_ms,
    };
    uint8_t *to = out;

    memset(out, 0, FINGERPRINT_STORED_SIZE);
    for (size_t i = 0; i < NUMBERS; i++, to += 8)
        wire_put_u64(to, numbers[i]);
    memcpy(to, f->header, sizeof(f->header));
    to += sizeof(f->header);
    memcpy(to, f->wal_index, sizeof(f->wal_index));
    to += sizeof(f->wal_index);
    memcpy(to, f->boot_id, sizeof(f->boot_id));
}

void fingerprint_decode(const uint8_t data[FINGERPRINT_STORED_SIZE],
                        struct fingerprint *ret_fingerprint)
{
    const uint8_t *bytes = data + (size_t)NUMBERS * 8;
    struct fingerprint f = {
        .device = wire_get_u64(data),
        .inode = wire_get_u64(data + 8),
        .size = wire_get_u64(data + 16),
        .modified_ns = (int64_t)wire_get_u64(data + 24),
        .changed_ns = (int64_t)wire_get_u64(data + 32),
        .wal = wire_get_u64(data + 40) != 0,
        .settled = wire_get_u64(data + 48) != 0,
        .wall_ms = (int64_t)wire_get_u64(data + 56),
        .boot_ms = (int64_t)wire_get_u64(data + 64),
    };

    memcpy(f.header, bytes, sizeof(f.header));
    bytes += sizeof(f.header);
    memcpy(f.wal_index, bytes, sizeof(f.wal_index));
    bytes += sizeof(f.wal_index);
    memcpy(f.boot_id, bytes, sizeof(f.boot_id));
    *ret_fingerprint = f;
}

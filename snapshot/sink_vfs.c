#include "snapshot/sink_vfs.h"

#include "base/err.h"
#include "base/random.h"
#include "snapshot/page_hash.h"
#include "snapshot/sqlite_db.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_NAME    "sink"
#define PATHNAME_MAX 32
#define NAME_SIZE    64

struct sink_vfs {
    sqlite3_vfs vfs; /* first: SQLite hands back a pointer to it */
    sqlite3_vfs *system;
    char name[NAME_SIZE]; /* unique: registration is for the whole process */
    sink_page_fn page_fn;
    void *context;
    int64_t file_size;
    uint8_t *page_one;
    size_t page_one_size;
    int failed; /* what page_fn returned, with its text */
    struct err err;
};

struct sink_file {
    sqlite3_file file; /* first, as above */
    struct sink_vfs *sink;
};

static struct sink_vfs *file_sink(sqlite3_file *file)
{
    return ((struct sink_file *)(void *)file)->sink;
}

static int sink_fail(struct sink_vfs *sink, int code)
{
    sink->failed = code;
    return SQLITE_IOERR_WRITE;
}

static int file_close(sqlite3_file *file)
{
    (void)file;
    return SQLITE_OK;
}

/* Only page 1 is ever read back, for its version; everything else is past the end. */
static int file_read(sqlite3_file *file, void *data, int len, sqlite3_int64 offset)
{
    const struct sink_vfs *sink = file_sink(file);

    if (offset >= 0 && sink->page_one_size > 0 &&
        offset + len <= (sqlite3_int64)sink->page_one_size) {
        memcpy(data, sink->page_one + offset, (size_t)len);
        return SQLITE_OK;
    }
    memset(data, 0, (size_t)len);
    return offset < sink->file_size ? SQLITE_IOERR_READ : SQLITE_IOERR_SHORT_READ;
}

static int keep_page_one(struct sink_vfs *sink, const void *data, size_t len)
{
    memcpy(sink->page_one, data, len);
    sink->page_one_size = len;
    return SQLITE_OK;
}

static int file_write(sqlite3_file *file, const void *data, int len, sqlite3_int64 offset)
{
    struct sink_vfs *sink = file_sink(file);
    uint64_t page_number;
    int r;

    if (sink->failed < 0)
        return SQLITE_IOERR_WRITE;
    if (offset < 0 || len <= 0 || !page_size_is_valid((uint64_t)len) || offset % len != 0) {
        return sink_fail(sink, err_set(&sink->err, ERR_IO,
                                       "SQLite wrote %d bytes at %lld, which is not a page", len,
                                       (long long)offset));
    }
    if (offset + len > sink->file_size)
        sink->file_size = offset + len;
    if (offset == 0)
        return keep_page_one(sink, data, (size_t)len);
    page_number = (uint64_t)offset / (uint64_t)len + 1;
    if (page_number > UINT32_MAX)
        return sink_fail(sink, err_set(&sink->err, ERR_LIMIT, "a page number above 2^32"));
    r = sink->page_fn(sink->context, (uint32_t)page_number, data, (size_t)len, &sink->err);
    return r < 0 ? sink_fail(sink, r) : SQLITE_OK;
}

static int file_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    file_sink(file)->file_size = size;
    return SQLITE_OK;
}

static int file_sync(sqlite3_file *file, int flags)
{
    (void)file;
    (void)flags;
    return SQLITE_OK;
}

static int file_size(sqlite3_file *file, sqlite3_int64 *ret_size)
{
    *ret_size = file_sink(file)->file_size;
    return SQLITE_OK;
}

static int file_lock(sqlite3_file *file, int level)
{
    (void)file;
    (void)level;
    return SQLITE_OK;
}

static int file_check_reserved_lock(sqlite3_file *file, int *ret_reserved)
{
    (void)file;
    *ret_reserved = 0;
    return SQLITE_OK;
}

static int file_control(sqlite3_file *file, int operation, void *argument)
{
    (void)file;
    (void)operation;
    (void)argument;
    return SQLITE_NOTFOUND;
}

/* No larger than the smallest page: SQLite writes whole sectors, and a page must come alone. */
static int file_sector_size(sqlite3_file *file)
{
    (void)file;
    return (int)PAGE_SIZE_MIN;
}

static int file_device_characteristics(sqlite3_file *file)
{
    (void)file;
    return 0;
}

static const sqlite3_io_methods file_methods = {
    .iVersion = 1,
    .xClose = file_close,
    .xRead = file_read,
    .xWrite = file_write,
    .xTruncate = file_truncate,
    .xSync = file_sync,
    .xFileSize = file_size,
    .xLock = file_lock,
    .xUnlock = file_lock,
    .xCheckReservedLock = file_check_reserved_lock,
    .xFileControl = file_control,
    .xSectorSize = file_sector_size,
    .xDeviceCharacteristics = file_device_characteristics,
};

static int vfs_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags,
                    int *ret_flags)
{
    struct sink_file *sink_file = (struct sink_file *)(void *)file;

    file->pMethods = NULL; /* xClose is called unless this says that nothing was opened */
    if (name == NULL || (flags & SQLITE_OPEN_MAIN_DB) == 0)
        return SQLITE_CANTOPEN; /* no journal and no temporary file is ever needed */
    sink_file->sink = vfs->pAppData;
    file->pMethods = &file_methods;
    if (ret_flags != NULL)
        *ret_flags = flags;
    return SQLITE_OK;
}

static int vfs_delete(sqlite3_vfs *vfs, const char *name, int sync_dir)
{
    (void)vfs;
    (void)name;
    (void)sync_dir;
    return SQLITE_OK;
}

static int vfs_access(sqlite3_vfs *vfs, const char *name, int flags, int *ret_found)
{
    (void)vfs;
    (void)name;
    (void)flags;
    *ret_found = 0;
    return SQLITE_OK;
}

static int vfs_full_pathname(sqlite3_vfs *vfs, const char *name, int size, char *out)
{
    (void)vfs;
    return snprintf(out, (size_t)size, "%s", name) < size ? SQLITE_OK : SQLITE_CANTOPEN;
}

static int vfs_randomness(sqlite3_vfs *vfs, int len, char *out)
{
    (void)vfs;
    random_bytes(out, (size_t)len);
    return len;
}

static int vfs_sleep(sqlite3_vfs *vfs, int us)
{
    const struct sink_vfs *sink = vfs->pAppData;

    return sink->system->xSleep(sink->system, us);
}

static int vfs_current_time(sqlite3_vfs *vfs, double *ret_day)
{
    const struct sink_vfs *sink = vfs->pAppData;

    return sink->system->xCurrentTime(sink->system, ret_day);
}

/* NOLINTNEXTLINE(readability-non-const-parameter): the type is SQLite's */
static int vfs_get_last_error(sqlite3_vfs *vfs, int size, char *out)
{
    (void)vfs;
    (void)size;
    (void)out;
    return 0;
}

int sink_vfs_new(sink_page_fn page_fn, void *context, struct sink_vfs **ret_vfs, struct err *err)
{
    struct sink_vfs *sink = calloc(1, sizeof(*sink));
    char id[UUID_TEXT_SIZE];
    int rc;

    if (sink == NULL)
        return err_nomem(err);
    sink->page_one = malloc(PAGE_SIZE_MAX);
    sink->system = sqlite3_vfs_find(NULL);
    if (sink->page_one == NULL || sink->system == NULL) {
        free(sink->page_one);
        free(sink);
        return err_nomem(err);
    }
    uuid_v4(id);
    (void)snprintf(sink->name, sizeof(sink->name), "holdfast-sink-%s", id);
    sink->page_fn = page_fn;
    sink->context = context;
    sink->vfs = (sqlite3_vfs){
        .iVersion = 1,
        .szOsFile = (int)sizeof(struct sink_file),
        .mxPathname = PATHNAME_MAX,
        .zName = sink->name,
        .pAppData = sink,
        .xOpen = vfs_open,
        .xDelete = vfs_delete,
        .xAccess = vfs_access,
        .xFullPathname = vfs_full_pathname,
        .xRandomness = vfs_randomness,
        .xSleep = vfs_sleep,
        .xCurrentTime = vfs_current_time,
        .xGetLastError = vfs_get_last_error,
    };
    rc = sqlite3_vfs_register(&sink->vfs, 0);
    if (rc != SQLITE_OK) {
        free(sink->page_one);
        free(sink);
        return sqlite_db_err(err, NULL, rc, "register the sink file system");
    }
    *ret_vfs = sink;
    return 0;
}

void sink_vfs_free(struct sink_vfs *vfs)
{
    if (vfs == NULL)
        return;
    (void)sqlite3_vfs_unregister(&vfs->vfs);
    free(vfs->page_one);
    free(vfs);
}

int sink_vfs_open(struct sink_vfs *vfs, sqlite3 **ret_db, struct err *err)
{
    sqlite3 *db = NULL;
    int r, rc;

    rc = sqlite3_open_v2(FILE_NAME, &db,
                         SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
                         vfs->name);
    if (rc != SQLITE_OK) {
        r = sqlite_db_err(err, db, rc, "open the sink");
    } else {
        r = sqlite_db_exec(db,
                           "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF;"
                           "PRAGMA locking_mode=EXCLUSIVE; PRAGMA cache_size=10",
                           err);
    }
    if (r < 0) {
        (void)sqlite3_close(db);
        return r;
    }
    *ret_db = db;
    return 0;
}

int sink_vfs_failure(const struct sink_vfs *vfs, struct err *err)
{
    if (vfs->failed < 0 && err != NULL)
        *err = vfs->err;
    return vfs->failed;
}

const void *sink_vfs_page_one(const struct sink_vfs *vfs, size_t *ret_page_size)
{
    if (vfs->page_one_size == 0)
        return NULL;
    *ret_page_size = vfs->page_one_size;
    return vfs->page_one;
}

#include "snapshot/sqlite_file.h"

#include "base/cancel.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define EMPTY_POLL_MS 20

const char *sqlite_file_system_check(long type, bool *ret_refuse)
{
    /* From include/uapi/linux/magic.h of Linux 6.1, and fs/gfs2 and fs/lustre for two. */
    static const struct {
        uint32_t type;
        bool refuse;
        const char *name;
    } systems[] = {
        { 0x6969, true, "NFS" },        { 0x517B, true, "SMB" },
        { 0xFF534D42, true, "CIFS" },   { 0xFE534D42, true, "SMB" },
        { 0x5346414F, true, "AFS" },    { 0x6B414653, true, "AFS" },
        { 0x73757245, true, "Coda" },   { 0x564C, true, "NCP" },
        { 0x00C36400, true, "CephFS" }, { 0x7461636F, true, "OCFS2" },
        { 0x01161970, true, "GFS2" },   { 0x0BD00BD0, true, "Lustre" },
        { 0x01021997, false, "9p" },    { 0x65735546, false, "FUSE" },
    };

    for (size_t i = 0; i < sizeof(systems) / sizeof(systems[0]); i++) {
        /* f_type is signed on some machines: compare the 32 bits that a magic number has. */
        if (systems[i].type == (uint32_t)type) {
            *ret_refuse = systems[i].refuse;
            return systems[i].name;
        }
    }
    return NULL;
}

static int check_file_system(const char *path, struct err *err)
{
    struct statfs fs;
    const char *name;
    bool refuse = false;

    if (statfs(path, &fs) < 0)
        return err_set_errno(err, "find the file system of '%s'", path);
    name = sqlite_file_system_check((long)fs.f_type, &refuse);
    if (name == NULL)
        return 0;
    if (!refuse) {
        log_warn("'%s' is on a %s file system: a backup is consistent only if the application runs "
                 "on this machine",
                 path, name);
        return 0;
    }
    (void)err_set(err, ERR_REFUSED, "'%s' is on a network file system (%s)", path, name);
    err_hint(err,
             "SQLite's locks and shared memory do not work across machines: run holdfast where "
             "the disk is");
    return ERR_REFUSED;
}

static int check_type(const char *path, struct stat *ret_st, struct err *err)
{
    if (stat(path, ret_st) < 0)
        return err_set_errno(err, "stat '%s'", path);
    if (S_ISDIR(ret_st->st_mode)) {
        (void)err_set(err, ERR_REFUSED, "'%s' is a directory, not a database", path);
        err_hint(err, "name the database file in it");
        return ERR_REFUSED;
    }
    if (!S_ISREG(ret_st->st_mode)) {
        (void)err_set(err, ERR_REFUSED, "'%s' is not a regular file", path);
        err_hint(err, "name the database file");
        return ERR_REFUSED;
    }
    if (faccessat(AT_FDCWD, path, R_OK, AT_EACCESS) < 0) {
        int code = err_set_errno(err, "read '%s'", path);

        err_hint(err, "run as the application's user, or as root");
        return code;
    }
    return 0;
}

/* An application that has just created its database writes the first page with its first
 * transaction. */
static int wait_for_content(const char *path, struct stat *st, const struct cancel *cancel,
                            struct err *err)
{
    struct clock *clock = clock_system();
    int64_t deadline_ms = clock_mono_ms(clock) + SQLITE_FILE_EMPTY_WAIT_MS;
    int r;

    while (st->st_size == 0 && clock_mono_ms(clock) < deadline_ms) {
        clock_sleep_ms(clock, EMPTY_POLL_MS, cancel);
        r = cancel_check(cancel, err);
        if (r < 0)
            return r;
        if (stat(path, st) < 0)
            return err_set_errno(err, "stat '%s'", path);
    }
    if (st->st_size > 0)
        return 0;
    (void)err_set(err, ERR_REFUSED, "'%s' is empty (0 bytes)", path);
    err_hint(err, "the application has not written to it yet: try again when it has");
    return ERR_REFUSED;
}

int sqlite_file_resolve(const char *path, char **ret_path, struct err *err)
{
    char *real = realpath(path, NULL);
    int code;

    if (real != NULL) {
        *ret_path = real;
        return 0;
    }
    code = err_set_errno(err, "find the database '%s'", path);
    if (code == ERR_NOT_FOUND) {
        err_hint(err, "check the path; a database is never created by backing it up");
    } else if (code == ERR_DENIED) {
        err_hint(err, "run as the application's user, or as root");
    }
    return code;
}

int sqlite_file_check(const char *path, bool may_be_empty, const struct cancel *cancel,
                      char **ret_path, struct err *err)
{
    char *real = NULL;
    struct stat st;
    int r;

    r = sqlite_file_resolve(path, &real, err);
    if (r < 0)
        goto out;
    assert(real != NULL);
    r = check_type(real, &st, err);
    if (r < 0)
        goto out;
    r = check_file_system(real, err);
    if (r < 0)
        goto out;
    if (!may_be_empty)
        r = wait_for_content(real, &st, cancel, err);
out:
    if (r < 0) {
        free(real);
        return r;
    }
    *ret_path = real;
    return 0;
}

enum wal_state sqlite_file_wal_state(const char *path)
{
    char *wal_path = NULL;
    enum wal_state state = WAL_ABSENT;
    struct stat st;

    if (asprintf(&wal_path, "%s-wal", path) < 0)
        return WAL_FILLED; /* the answer that changes nothing */
    if (stat(wal_path, &st) == 0) {
        state = st.st_size > 0 ? WAL_FILLED : WAL_EMPTY;
    } else if (errno != ENOENT) {
        state = WAL_FILLED;
    }
    free(wal_path);
    return state;
}

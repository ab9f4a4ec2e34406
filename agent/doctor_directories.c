#include "agent/doctor.h"
#include "agent/doctor_report.h"
#include "agent/env.h"
#include "agent/session.h"
#include "base/err.h"
#include "base/file.h"
#include "base/parse.h"

#include <stdlib.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define STATE_MODE     0700
#define STATE_SIZE_MIN (16ull << 20) /* bytes; and a 64th of the database, see below */
#define STATE_SHARE    64            /* pages' hashes: 16 bytes for each of 1 KiB or more */

/* Can a file be made there?  It is made without a name where the system can. */
static int try_write(const char *dir, struct err *err)
{
    int fd = -1;
    int r;

    r = file_temp_unlinked(dir, &fd, err);
    if (fd >= 0)
        (void)close(fd);
    return r;
}

static void check_space(struct doctor_report *report, const char *check, const char *dir,
                        unsigned long long wanted)
{
    char free_text[FORMAT_SIZE_SIZE], wanted_text[FORMAT_SIZE_SIZE];
    unsigned long long available;
    struct err err = { 0 };
    struct statvfs fs;

    if (statvfs(dir, &fs) < 0) {
        (void)err_set_errno(&err, "look at '%s'", dir);
        doctor_doubt(report, check, &err);
        return;
    }
    available = (unsigned long long)fs.f_bavail * fs.f_frsize;
    format_size(available, free_text);
    format_size(wanted, wanted_text);
    if (available >= wanted) {
        doctor_ok(report, check, "%s free in '%s', of at most %s needed", free_text, dir,
                  wanted_text);
    } else {
        doctor_warn(report, check, "free some space there, or name a directory with more",
                    "%s free in '%s'; up to %s may be needed", free_text, dir, wanted_text);
    }
}

static void check_state(struct doctor_report *report, const struct session *session,
                        unsigned long long size_max)
{
    static const char costs[] =
        "backups work without, but each reads back what is in the store, and two at a time are not "
        "kept apart; name a directory with state_dir";
    char *dir = session_state_dir(session);
    struct err err = { 0 };
    int r;

    if (dir == NULL) {
        doctor_warn(report, "state directory", costs, "there is none: no home directory");
        doctor_skip(report, "state space", "there is no state directory");
        return;
    }
    r = file_mkdirs(dir, STATE_MODE, &err);
    if (r == 0)
        r = try_write(dir, &err);
    if (r < 0) {
        doctor_warn(report, "state directory", costs, "'%s' cannot be written: %s", dir, err.msg);
        doctor_skip(report, "state space", "the state directory cannot be written");
    } else {
        doctor_ok(report, "state directory", "'%s' can be written", dir);
        check_space(report, "state space", dir, STATE_SIZE_MIN + size_max / STATE_SHARE);
    }
    free(dir);
}

/* As spool.h says, in its order. */
static const char *spool_dir(const struct session *session)
{
    const char *named = settings_text(&session->settings, OPTION_SPOOL_DIR);
    const char *tmpdir = env_get("TMPDIR");

    if (named != NULL)
        return named;
    if (tmpdir != NULL)
        return tmpdir;
    return access("/var/tmp", W_OK) == 0 ? "/var/tmp" : "/tmp";
}

static void check_spool(struct doctor_report *report, const struct session *session,
                        unsigned long long size_max)
{
    const char *dir = spool_dir(session);
    struct err err = { 0 };

    if (try_write(dir, &err) < 0) {
        doctor_warn(report, "spool directory",
                    "make it writable, or name another one with spool_dir; else backups are "
                    "gathered in memory",
                    "'%s' cannot be written: %s", dir, err.msg);
        doctor_skip(report, "spool space", "the spool directory cannot be written");
        return;
    }
    doctor_ok(report, "spool directory", "'%s' can be written", dir);
    check_space(report, "spool space", dir, size_max);
}

void doctor_check_directories(struct doctor_report *report, const struct session *session,
                              unsigned long long size_max)
{
    doctor_subject(report, "this machine");
    check_state(report, session, size_max);
    check_spool(report, session, size_max);
}

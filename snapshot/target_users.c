#include "base/buf.h"
#include "base/err.h"
#include "snapshot/target.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define NAMED_MAX     4  /* users that the text names */
#define USERS_MAX     64 /* users that are counted */
#define FILES_MAX     3  /* the database, -wal, -shm */
#define PATH_TEXT_MAX 64
#define LOCK_LINE_MAX 256

struct users {
    struct stat files[FILES_MAX];
    size_t file_count;
    pid_t pids[USERS_MAX];
    size_t pid_count;
};

static void add_file(struct users *users, const char *path, const char *suffix)
{
    struct stat *st = &users->files[users->file_count];
    char *name = NULL;

    if (asprintf(&name, "%s%s", path, suffix) < 0)
        return;
    if (stat(name, st) == 0)
        users->file_count++;
    free(name);
}

static bool is_one_of_ours(const struct users *users, dev_t device, ino_t inode)
{
    for (size_t i = 0; i < users->file_count; i++) {
        if (users->files[i].st_dev == device && users->files[i].st_ino == inode)
            return true;
    }
    return false;
}

static void add_user(struct users *users, pid_t pid)
{
    if (pid <= 0 || pid == getpid() || users->pid_count == USERS_MAX)
        return;
    for (size_t i = 0; i < users->pid_count; i++) {
        if (users->pids[i] == pid)
            return;
    }
    users->pids[users->pid_count++] = pid;
}

/* Every descriptor of a process, as far as we may look. */
static void look_at_process(struct users *users, pid_t pid)
{
    char path[PATH_TEXT_MAX];
    struct dirent *entry;
    DIR *stream;

    (void)snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
    stream = opendir(path);
    if (stream == NULL)
        return;
    /* A stream of our own: nobody else reads it. */
    while ((entry = readdir(stream)) != NULL) { /* NOLINT(concurrency-mt-unsafe) */
        struct stat st;

        if (fstatat(dirfd(stream), entry->d_name, &st, 0) == 0 &&
            is_one_of_ours(users, st.st_dev, st.st_ino)) {
            add_user(users, pid);
            break;
        }
    }
    (void)closedir(stream);
}

static int look_at_processes(struct users *users, struct err *err)
{
    struct dirent *entry;
    DIR *stream = opendir("/proc");

    if (stream == NULL)
        return err_set_errno(err, "open '/proc'");
    while ((entry = readdir(stream)) != NULL) { /* NOLINT(concurrency-mt-unsafe): see above */
        if (isdigit((unsigned char)entry->d_name[0]))
            look_at_process(users, (pid_t)strtoimax(entry->d_name, NULL, 10));
    }
    (void)closedir(stream);
    return 0;
}

/* "1: POSIX  ADVISORY  WRITE 3568 08:01:1234 128 128": locks show whoever's they are, descriptors
 * only to root and their owner.  proc(5) */
static void look_at_lock(struct users *users, const char *line)
{
    unsigned major_number, minor_number;
    uint64_t inode;
    int pid;

    /* Numbers that the kernel wrote: out of range is not to be feared. */
    if (sscanf(line, /* NOLINT(cert-err34-c) */
               "%*d: %*s %*s %*s %d %x:%x:%" SCNu64, &pid, &major_number, &minor_number,
               &inode) == 4 &&
        is_one_of_ours(users, makedev(major_number, minor_number), (ino_t)inode))
        add_user(users, (pid_t)pid);
}

static void look_at_locks(struct users *users)
{
    char line[LOCK_LINE_MAX];
    FILE *file = fopen("/proc/locks", "re");

    if (file == NULL)
        return;
    while (fgets(line, sizeof(line), file) != NULL)
        look_at_lock(users, line);
    (void)fclose(file);
}

static void add_name(struct buf *text, pid_t pid)
{
    char path[PATH_TEXT_MAX], name[PATH_TEXT_MAX] = "";
    FILE *file;

    (void)snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
    file = fopen(path, "re");
    if (file != NULL) {
        if (fgets(name, sizeof(name), file) != NULL)
            name[strcspn(name, "\n")] = '\0';
        (void)fclose(file);
    }
    buf_addf(text, "%d", (int)pid);
    if (name[0] != '\0')
        buf_addf(text, " (%s)", name);
}

int target_users(const char *path, struct buf *ret_text, struct err *err)
{
    struct users users = { .file_count = 0 };
    int r;

    add_file(&users, path, "");
    add_file(&users, path, "-wal");
    add_file(&users, path, "-shm");
    if (users.file_count == 0)
        return 0;
    r = look_at_processes(&users, err);
    if (r < 0)
        return r;
    look_at_locks(&users);
    for (size_t i = 0; i < users.pid_count && i < NAMED_MAX; i++) {
        buf_add_text(ret_text, i > 0 ? ", " : "");
        add_name(ret_text, users.pids[i]);
    }
    if (users.pid_count > NAMED_MAX)
        buf_addf(ret_text, " and %zu more", users.pid_count - NAMED_MAX);
    r = buf_check(ret_text, err);
    return r < 0 ? r : (int)users.pid_count;
}

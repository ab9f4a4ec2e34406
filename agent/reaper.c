#include "agent/reaper.h"

#include <errno.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/wait.h>

struct ended {
    pid_t pid; /* 0: none */
    int status;
};

/* Children belong to the process, and so does what is known of them. */
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct ended kept[REAPER_KEPT_COUNT];
static size_t kept_next;

static pid_t collect_one(int *ret_status)
{
    pid_t pid;

    /* Under the lock until it is kept: in between nobody would know of it. */
    (void)pthread_mutex_lock(&mutex);
    pid = waitpid(-1, ret_status, WNOHANG);
    if (pid > 0) {
        kept[kept_next] = (struct ended){ pid, *ret_status };
        kept_next = (kept_next + 1) % REAPER_KEPT_COUNT;
    }
    (void)pthread_mutex_unlock(&mutex);
    return pid;
}

void reaper_collect(reaper_fn ended, void *context)
{
    int status = 0;
    pid_t pid;

    while ((pid = collect_one(&status)) > 0)
        ended(context, pid, status);
}

static pid_t find_kept(pid_t pid, int *ret_status)
{
    for (size_t i = 0; i < REAPER_KEPT_COUNT; i++) {
        if (kept[i].pid != pid)
            continue;
        *ret_status = kept[i].status;
        kept[i].pid = 0;
        return pid;
    }
    return -1;
}

pid_t reaper_wait(pid_t pid, int *ret_status)
{
    pid_t found;

    (void)pthread_mutex_lock(&mutex);
    found = waitpid(pid, ret_status, WNOHANG);
    if (found < 0 && errno == ECHILD)
        found = find_kept(pid, ret_status);
    (void)pthread_mutex_unlock(&mutex);
    return found;
}

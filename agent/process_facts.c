#include "agent/process_facts.h"

#include "base/buf.h"
#include "base/file.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define STATM_LEN_MAX 256

/* The second number of statm: pages.  Source: man7.org/linux/man-pages/man5/proc.5.html */
static uint64_t resident_bytes(void)
{
    const long page_size = sysconf(_SC_PAGESIZE);
    struct buf text = BUF_INIT(STATM_LEN_MAX);
    uint64_t pages = 0;

    if (file_read("/proc/self/statm", &text, NULL) == 0) {
        const char *at = strchr(text.ptr, ' ');

        for (at = at != NULL ? at + 1 : ""; *at >= '0' && *at <= '9'; at++)
            pages = pages * 10 + (uint64_t)(*at - '0');
    }
    buf_dispose(&text);
    return page_size > 0 ? pages * (uint64_t)page_size : 0;
}

static uint64_t open_fds(void)
{
    DIR *dir = opendir("/proc/self/fd");
    uint64_t count = 0;

    if (dir == NULL)
        return 0;
    for (;;) {
        if (readdir(dir) == NULL) /* NOLINT(concurrency-mt-unsafe): a stream of ours */
            break;
        count++;
    }
    (void)closedir(dir);
    return count > 3 ? count - 3 : 0; /* ".", "..", and the directory itself */
}

struct process_facts process_facts_read(void)
{
    struct timespec cpu = { 0 };

    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
    return (struct process_facts){
        .resident_bytes = resident_bytes(),
        .open_fds = open_fds(),
        .cpu_ms = (int64_t)cpu.tv_sec * 1000 + cpu.tv_nsec / 1000000,
    };
}

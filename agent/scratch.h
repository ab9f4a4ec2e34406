/*
 * scratch.h - a directory for what is needed for a while and may be large; gone at the end, and, of
 * a process that was killed, when the next one makes its own.
 *
 * "<dir>/holdfast-scratch-XXXXXX", mode 0700, held with flock(2) by whoever uses it: one that can
 * be locked is nobody's any more.
 */
#ifndef AGENT_SCRATCH_H
#define AGENT_SCRATCH_H

#include <stdint.h>

struct err;

struct scratch {
    char *path; /* NULL: there is none */
    int fd;
};

#define SCRATCH_INIT                                                                               \
    {                                                                                              \
        NULL, -1                                                                                   \
    }

/* In dir, which is made if it is not there; NULL: $TMPDIR, else /var/tmp.  First of all removes
 * what killed processes of this user left there. */
int scratch_make(const char *dir, struct scratch *ret_scratch, struct err *err);
/* With the files in it; may be repeated. */
void scratch_remove(struct scratch *scratch);

/* ERR_IO when the file system of the scratch has less than so many bytes left. */
int scratch_check_room(const struct scratch *scratch, uint64_t size, struct err *err);

#endif

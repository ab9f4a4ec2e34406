/*
 * choice.h - which backup a command means.  Pure.
 */
#ifndef AGENT_CHOICE_H
#define AGENT_CHOICE_H

#include <stdbool.h>
#include <stdint.h>

struct backup_record;
struct err;
struct manifest;

/* Exactly one of backup, at and undo is set, as the command line has them. */
struct choice {
    const char *backup; /* an id, a prefix of one, or "latest" */
    const char *at;     /* a time: parse_time() */
    bool undo;
};

/* "latest" is the newest backup that no restore made: to restore the latest twice must not bring
 * back what the first one replaced.
 * ERR_NOT_FOUND; ERR_CONFIG for an id that is ambiguous or a time that is none. */
int choice_find(const struct choice *choice, const struct manifest *manifest, int64_t now_ms,
                const struct backup_record **ret_backup, struct err *err);

#endif

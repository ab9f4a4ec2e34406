/*
 * process_facts.h - what this process uses.
 */
#ifndef AGENT_PROCESS_FACTS_H
#define AGENT_PROCESS_FACTS_H

#include <stdint.h>

struct process_facts {
    uint64_t resident_bytes; /* 0: not known */
    uint64_t open_fds;       /* 0: not known */
    int64_t cpu_ms;
};

struct process_facts process_facts_read(void);

#endif

/*
 * syscall_fault.h - a system call that the kernel refuses, as another kernel, file system or disk
 * would.
 */
#ifndef TESTS_HARNESS_SYSCALL_FAULT_H
#define TESTS_HARNESS_SYSCALL_FAULT_H

#include <stdint.h>

struct syscall_fault {
    int number; /* SYS_... */
    int os_errno;
    /* Only calls with all these bits set in an argument, counted from 0; flags 0: every call. */
    unsigned argument;
    uint32_t flags;
};

/* What run returns (0 or an error's code) in a child that meets the fault; files stay, memory does
 * not.  Ends the test when the child dies. */
int run_with_syscall_fault(const struct syscall_fault *fault, int (*run)(void *context),
                           void *context);

#endif

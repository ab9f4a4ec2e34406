#include "tests/harness/syscall_fault.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/harness/test.h"

#define EXIT_NO_FILTER 255

/* Loads what a call looks like, in 32-bit words, and jumps to the verdict; the low half of an
 * argument comes first on both of our processors. */
static int install(const struct syscall_fault *fault)
{
    const uint32_t argument =
        (uint32_t)(offsetof(struct seccomp_data, args) + fault->argument * sizeof(uint64_t));
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)fault->number, 0, 4),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, argument),
        BPF_STMT(BPF_ALU | BPF_AND | BPF_K, fault->flags),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, fault->flags, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (uint32_t)fault->os_errno),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog program = { sizeof(filter) / sizeof(filter[0]), filter };

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return -1;
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

int run_with_syscall_fault(const struct syscall_fault *fault, int (*run)(void *context),
                           void *context)
{
    const pid_t pid = fork();
    int status = 0;

    assert_true(pid >= 0);
    if (pid == 0)
        _exit(install(fault) < 0 ? EXIT_NO_FILTER : -run(context));
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_not_equal(WEXITSTATUS(status), EXIT_NO_FILTER);
    return -WEXITSTATUS(status);
}

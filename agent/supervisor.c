#include "agent/supervisor.h"

#include "agent/reaper.h"
#include "agent/signals.h"
#include "base/cancel.h"
#include "base/err.h"
#include "base/log.h"

#include <errno.h>
#include <pthread.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

struct supervisor {
    sigset_t caught; /* what is passed on, and SIGCHLD */
    sigset_t before; /* what was blocked before us */
    struct cancel *ended, *impatient;
    pid_t child;
    atomic_int status;   /* meaningful when ended is set */
    unsigned stop_count; /* signals that ask to stop; the thread's */
    atomic_bool stopping;
    bool has_thread;
    pthread_t thread;
};

/* Left alone: what a fault of our own raises, and SIGPIPE, which is ignored.  SIGKILL and SIGSTOP
 * cannot be caught. */
static void fill_caught(sigset_t *set)
{
    static const int left[] = {
        SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS, SIGPIPE
    };

    (void)sigfillset(set);
    for (size_t i = 0; i < sizeof(left) / sizeof(left[0]); i++)
        (void)sigdelset(set, left[i]);
}

bool supervisor_is_shared(const siginfo_t *info, bool same_group, bool leader)
{
    if (info->si_code != SI_KERNEL || !same_group)
        return false;
    switch (info->si_signo) {
    case SIGHUP: /* a terminal that is gone is told to the leader alone */
        return !leader;
    case SIGINT:
    case SIGQUIT:
    case SIGTSTP:
    case SIGTTIN:
    case SIGTTOU:
    case SIGWINCH:
        return true;
    default:
        return false;
    }
}

static bool stops_us(int number)
{
    return number == SIGTSTP || number == SIGTTIN || number == SIGTTOU;
}

static bool asks_to_end(int number)
{
    return number == SIGINT || number == SIGTERM || number == SIGQUIT;
}

static void pass_on(struct supervisor *supervisor, const siginfo_t *info)
{
    const bool same_group = getpgid(supervisor->child) == getpgrp();
    const bool leader = getsid(0) == getpid();

    if (!supervisor_is_shared(info, same_group, leader)) {
        if (info->si_code == SI_QUEUE) {
            (void)sigqueue(supervisor->child, info->si_signo, info->si_value);
        } else {
            (void)kill(supervisor->child, info->si_signo);
        }
    } else if (stops_us(info->si_signo)) {
        (void)kill(getpid(), SIGSTOP); /* the shell waits for all of its job to stop */
    }
}

/* A supervisor of services may tell every process at once, so that the program has ended before we
 * see the same request: only one that was made again means that nobody wants to wait. */
static void on_late_request(struct supervisor *supervisor)
{
    if (supervisor->stop_count > 1) {
        log_warn("asked once more to stop: what is under way is aborted");
        cancel_set(supervisor->impatient, 0);
    } else {
        log_info("the program has ended; its last backup is under way");
    }
}

static void on_signal(struct supervisor *supervisor, const siginfo_t *info)
{
    const bool has_ended = cancel_is_set(supervisor->ended);

    if (asks_to_end(info->si_signo))
        supervisor->stop_count++;
    if (!has_ended) {
        pass_on(supervisor, info);
    } else if (asks_to_end(info->si_signo)) {
        on_late_request(supervisor);
    }
}

/* A reaper_fn. */
static void on_end(void *context, pid_t pid, int status)
{
    struct supervisor *supervisor = context;

    if (pid != supervisor->child || cancel_is_set(supervisor->ended))
        return;
    atomic_store(&supervisor->status, status);
    cancel_set(supervisor->ended, 0);
}

static void *watch_signals(void *context)
{
    struct supervisor *supervisor = context;

    while (!atomic_load(&supervisor->stopping)) {
        siginfo_t info = { 0 };

        if (sigwaitinfo(&supervisor->caught, &info) < 0)
            continue; /* EINTR: a debugger, or SIGCONT */
        if (info.si_signo != SIGCHLD)
            on_signal(supervisor, &info);
        /* Whatever woke us: signals of one kind that are pending count as one. */
        reaper_collect(on_end, supervisor);
    }
    return NULL;
}

int supervisor_new(struct cancel *ended, struct cancel *impatient,
                   struct supervisor **ret_supervisor, struct err *err)
{
    struct sigaction collect = { .sa_handler = SIG_DFL };
    struct supervisor *supervisor = calloc(1, sizeof(*supervisor));

    if (supervisor == NULL)
        return err_nomem(err);
    supervisor->ended = ended;
    supervisor->impatient = impatient;
    fill_caught(&supervisor->caught);
    (void)sigemptyset(&collect.sa_mask);
    /* Whoever ignores SIGCHLD, as a careless parent may have left it to us, is told of no child. */
    if (sigaction(SIGCHLD, &collect, NULL) < 0 ||
        pthread_sigmask(SIG_BLOCK, &supervisor->caught, &supervisor->before) != 0) {
        free(supervisor);
        return err_set_errno(err, "hold signals back");
    }
    if (getpid() != 1 && prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0)
        log_warn("orphans are left to others: %s", strerror_r(errno, (char[128]){ 0 }, 128));
    *ret_supervisor = supervisor;
    return 0;
}

static int explain_spawn(int os_errno, const char *program, struct err *err)
{
    errno = os_errno;
    if (os_errno == EAGAIN || os_errno == ENOMEM || os_errno == EMFILE || os_errno == ENFILE) {
        (void)err_set_errno(err, "start '%s'", program);
        return ERR_IO;
    }
    if (os_errno == ENOENT) {
        (void)err_set_errno(err, "start '%s'", program);
        err_hint(err, "is it installed here, and in PATH? a script needs its interpreter, too");
        return ERR_NOT_FOUND;
    }
    (void)err_set_errno(err, "start '%s'", program);
    err_hint(err, "it must be a program, or a script that begins with #!, and executable");
    return ERR_DENIED;
}

/* With signals as we were given them. */
static int spawn(struct supervisor *supervisor, char *const *argv)
{
    posix_spawnattr_t attributes;
    sigset_t defaults;
    int rc;

    (void)sigemptyset(&defaults);
    if (!signals_pipe_was_ignored())
        (void)sigaddset(&defaults, SIGPIPE);
    rc = posix_spawnattr_init(&attributes);
    if (rc != 0)
        return rc;
    (void)posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    (void)posix_spawnattr_setsigmask(&attributes, &supervisor->before);
    (void)posix_spawnattr_setsigdefault(&attributes, &defaults);
    rc = posix_spawnp(&supervisor->child, argv[0], NULL, &attributes, argv, environ);
    (void)posix_spawnattr_destroy(&attributes);
    return rc;
}

int supervisor_start(struct supervisor *supervisor, char *const *argv, struct err *err)
{
    int rc = spawn(supervisor, argv);

    if (rc != 0) {
        const int r = explain_spawn(rc, argv[0], err);

        supervisor->child = 0;
        if (err != NULL)
            err->code = r;
        return r;
    }
    rc = pthread_create(&supervisor->thread, NULL, watch_signals, supervisor);
    if (rc != 0) { /* nobody would tell it anything */
        (void)kill(supervisor->child, SIGKILL);
        return err_set(err, ERR_IO, "start a thread");
    }
    supervisor->has_thread = true;
    return 0;
}

int supervisor_status(struct supervisor *supervisor)
{
    return atomic_load(&supervisor->status);
}

void supervisor_free(struct supervisor *supervisor)
{
    if (supervisor == NULL)
        return;
    if (supervisor->has_thread) {
        atomic_store(&supervisor->stopping, true);
        (void)pthread_kill(supervisor->thread, SIGCHLD); /* one that it waits for anyway */
        (void)pthread_join(supervisor->thread, NULL);
    }
    (void)pthread_sigmask(SIG_SETMASK, &supervisor->before, NULL);
    free(supervisor);
}

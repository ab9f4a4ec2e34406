#include "agent/signals.h"

#include "base/cancel.h"
#include "base/err.h"

#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>

/* A handler has no argument of ours. */
static struct cancel *installed_cancel;

static bool pipe_was_ignored;

static void on_signal(int signal_number)
{
    if (cancel_is_set(installed_cancel)) { /* the second one: whoever sent it will not wait */
        (void)signal(signal_number, SIG_DFL);
        (void)raise(signal_number);
        return;
    }
    cancel_set(installed_cancel, signal_number);
}

int signals_install(struct cancel *cancel, struct err *err)
{
    static const int numbers[] = { SIGINT, SIGTERM, SIGHUP };
    /* Not SA_RESTART: whoever waits for input or for a lock shall look at cancel. */
    struct sigaction ask = { .sa_handler = on_signal };
    struct sigaction ignore = { .sa_handler = SIG_IGN };
    struct sigaction before;

    installed_cancel = cancel;
    (void)sigemptyset(&ask.sa_mask);
    (void)sigemptyset(&ignore.sa_mask);
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        if (sigaction(numbers[i], NULL, &before) < 0)
            return err_set_errno(err, "look at the action of signal %d", numbers[i]);
        if (before.sa_handler == SIG_IGN) /* nohup, or a shell's background job */
            continue;
        if (sigaction(numbers[i], &ask, NULL) < 0)
            return err_set_errno(err, "catch signal %d", numbers[i]);
    }
    if (sigaction(SIGPIPE, &ignore, &before) < 0)
        return err_set_errno(err, "ignore SIGPIPE");
    pipe_was_ignored = before.sa_handler == SIG_IGN;
    return 0;
}

bool signals_pipe_was_ignored(void)
{
    return pipe_was_ignored;
}

void signals_die(int signal_number)
{
    sigset_t set;

    (void)prctl(PR_SET_DUMPABLE, 0); /* a core of ours would hide the program's own */
    (void)signal(signal_number, SIG_DFL);
    (void)raise(signal_number);
    (void)sigemptyset(&set);
    (void)sigaddset(&set, signal_number);
    (void)pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

static atomic_uint *installed_counts[NSIG];

static void on_counted(int signal_number)
{
    atomic_fetch_add(installed_counts[signal_number], 1);
}

int signals_count(int signal_number, atomic_uint *count, struct err *err)
{
    struct sigaction action = { .sa_handler = on_counted };

    installed_counts[signal_number] = count;
    (void)sigemptyset(&action.sa_mask);
    if (sigaction(signal_number, &action, NULL) < 0)
        return err_set_errno(err, "catch signal %d", signal_number);
    return 0;
}

int signals_exit_status(const struct cancel *cancel)
{
    const int number = atomic_load(&cancel->signal_number);

    return number > 0 ? 128 + number : 1;
}

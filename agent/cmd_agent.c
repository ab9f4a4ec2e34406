#include "agent/command.h"

#include "agent/daemon.h"
#include "agent/session.h"
#include "agent/signals.h"

#include <signal.h>

int cmd_agent(struct session *session, struct err *err)
{
    static atomic_uint run_now, reload; /* raised by signals' handlers */
    struct cancel abort_jobs = CANCEL_INIT;
    const struct daemon daemon = {
        .session = session,
        .stop = session->cancel,
        .abort_jobs = &abort_jobs,
        .run_now = &run_now,
        .reload = &reload,
        .is_talkative = true, /* whoever watches it wants to see it */
    };
    int r;

    r = signals_count(SIGUSR1, &run_now, err);
    if (r == 0)
        r = signals_count(SIGHUP, &reload, err);
    return r < 0 ? r : daemon_run(&daemon, NULL, err);
}

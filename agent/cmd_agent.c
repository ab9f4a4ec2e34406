#include "agent/command.h"

#include "agent/console.h"
#include "agent/daemon.h"
#include "agent/session.h"
#include "agent/signals.h"
#include "base/log.h"

#include <signal.h>

int cmd_agent(struct session *session, struct err *err)
{
    static atomic_uint run_now; /* raised by a signal's handler */
    const struct settings *settings = &session->settings;
    struct cancel abort_jobs = CANCEL_INIT;
    const struct daemon daemon = {
        .session = session,
        .stop = session->cancel,
        .abort_jobs = &abort_jobs,
        .run_now = &run_now,
        .final_backup = settings_number(settings, OPTION_FINAL_BACKUP, 0) != 0,
    };
    int r;

    if (settings_get(settings, OPTION_LOG_LEVEL) == NULL) /* whoever watches it wants to see it */
        log_set_sink(console_log, session->console, LOG_LEVEL_INFO);
    r = signals_count(SIGUSR1, &run_now, err);
    return r < 0 ? r : daemon_run(&daemon, NULL, err);
}

#include "agent/command.h"

#include "agent/console.h"
#include "agent/daemon.h"
#include "agent/jobs.h"
#include "agent/restore_missing.h"
#include "agent/session.h"
#include "agent/supervisor.h"
#include "base/err.h"
#include "base/log.h"

#include <sys/wait.h>
#include <unistd.h>

#define EXIT_NOT_EXECUTABLE 126 /* as shells have it: POSIX, 2.8.2 */
#define EXIT_NOT_FOUND      127

struct program {
    struct supervisor *supervisor;
    char *const *argv;
    struct session *session;
};

static int restore_what_is_missing(struct session *session, struct err *err)
{
    struct jobs jobs = JOBS_INIT;
    int r;

    r = jobs_load(session, session->cancel, &jobs, err);
    /* A database's stores in their order, until one has a backup: then it is there. */
    for (size_t i = 0; r == 0 && i < jobs.count; i++) {
        enum missing_outcome outcome;

        r = restore_missing(&jobs.items[i].session, &jobs.items[i].database, &outcome, err);
        if (r < 0 && r != ERR_CANCELED) /* it would begin with an empty database, and save that */
            r = err_wrap(err, r, "the program is not started (--no-restore does it anyhow)");
    }
    jobs_dispose(&jobs);
    return r;
}

/* Once the agent is ready. */
static int start_program(void *context, struct err *err)
{
    struct program *program = context;
    struct session *session = program->session;
    int r;

    r = supervisor_start(program->supervisor, program->argv, err);
    if (r == ERR_NOT_FOUND) {
        session->exit_status = EXIT_NOT_FOUND;
    } else if (r == ERR_DENIED) {
        session->exit_status = EXIT_NOT_EXECUTABLE;
    }
    return r;
}

/* What the program ended with counts more than what became of its last backup, which was told. */
static int take_over(struct session *session, int status, size_t unsaved, struct err *err)
{
    if (WIFSIGNALED(status)) {
        session->exit_signal = WTERMSIG(status);
        session->exit_status = 128 + WTERMSIG(status);
    } else if (WEXITSTATUS(status) != 0) {
        session->exit_status = WEXITSTATUS(status);
    }
    if (unsaved == 0)
        return 0;
    return err_set(err, ERR_PARTIAL, "%zu databases have no last backup", unsaved);
}

static int run_program(struct session *session, struct err *err)
{
    struct cancel ended = CANCEL_INIT, abort_jobs = CANCEL_INIT;
    struct program program = { .argv = session->args->program, .session = session };
    const struct daemon daemon = {
        .session = session,
        .stop = &ended,
        .abort_jobs = &abort_jobs,
        .final_backup = true,
        .is_talkative = isatty(STDERR_FILENO) == 0, /* else the program has the terminal, too */
        .begin = start_program,
        .begin_context = &program,
    };
    size_t unsaved = 0;
    int r;

    if (settings_get(&session->settings, OPTION_LOG_LEVEL) == NULL)
        log_set_sink(console_log, session->console, LOG_LEVEL_WARN);
    r = supervisor_new(&ended, &abort_jobs, &program.supervisor, err);
    if (r == 0)
        r = cancel_check(session->cancel, err); /* from now on signals are the program's */
    if (r == 0)
        r = daemon_run(&daemon, &unsaved, err);
    if (r == 0)
        r = take_over(session, supervisor_status(program.supervisor), unsaved, err);
    supervisor_free(program.supervisor);
    return r;
}

int cmd_exec(struct session *session, struct err *err)
{
    int r = 0;

    if (settings_get(&session->settings, OPTION_LOG_LEVEL) == NULL)
        log_set_sink(console_log, session->console, LOG_LEVEL_INFO);
    if (!args_has(session->args, FLAG_NO_RESTORE))
        r = restore_what_is_missing(session, err);
    if (r < 0)
        return r;
    return run_program(session, err);
}

#include "agent/run.h"

#include "agent/args.h"
#include "agent/console.h"
#include "agent/hints.h"
#include "agent/session.h"
#include "agent/signals.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"

static int run_command(struct session *session, struct err *err)
{
    const struct args *args = session->args;
    int r = 0;

    if (args_has(args, FLAG_HELP))
        return cmd_help(session, err);
    if (args->command->has_options && !args->command->loads_itself)
        r = session_load(session, err);
    return r < 0 ? r : args->command->run(session, err);
}

int holdfast_run(int argc, char *const *argv, FILE *out, int err_fd, struct cancel *cancel)
{
    struct args args = ARGS_INIT;
    struct console console;
    struct err err;
    struct session session = { .args = &args,
                               .console = &console,
                               .cancel = cancel,
                               .clock = clock_system(),
                               .out = out,
                               .exit_status = -1 };
    int r, status;

    err_clear(&err);
    r = args_parse(argc, argv, &args, &err);
    session.json = args_has(&args, FLAG_JSON);
    console_init(&console, err_fd, session.json);
    log_set_sink(console_log, &console, LOG_LEVEL_WARN);
    if (r == 0)
        r = run_command(&session, &err);
    status = err_exit_status(r);
    if (r < 0) {
        hints_add(&err);
        console_error(&console, &err);
    }
    if (r == ERR_CANCELED)
        status = signals_exit_status(cancel);
    if (session.exit_status >= 0)
        status = session.exit_status;
    session_dispose(&session);
    log_set_sink(NULL, NULL, LOG_LEVEL_ERROR);
    console_dispose(&console);
    args_dispose(&args);
    if (session.exit_signal > 0)
        signals_die(session.exit_signal);
    return status;
}

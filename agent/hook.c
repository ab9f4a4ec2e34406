#include "agent/hook.h"

#include "agent/options.h"
#include "agent/reaper.h"
#include "agent/text.h"
#include "base/buf.h"
#include "base/cancel.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/parse.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define SHELL         "/bin/sh"
#define POLL_MS       50
#define END_MS        2000 /* what it may take to end when told to, before it is made to */
#define LINE_LEN_MAX  1000
#define ENTRY_LEN_MAX (128u << 10) /* Linux takes no longer one */

/* What hooks have no need of, beside the options that are secrets and their like at AWS. */
static const char *const credentials[] = {
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_SECURITY_TOKEN",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "HOLDFAST_ACCESS_KEY_ID",
};

/* One hook under way. */
struct run {
    const struct hook *hook;
    pid_t pid;
    int fd;          /* what it prints */
    struct buf line; /* that is not whole yet */
    bool ended;
    int status; /* as waitpid() gives it, once it has ended; -1: nobody knows */
};

static bool is_variable(const char *entry, const char *name)
{
    const size_t len = strlen(name);

    return strncmp(entry, name, len) == 0 && entry[len] == '=';
}

static bool is_credential(const char *entry)
{
    char name[OPTION_NAME_SIZE];

    for (size_t i = 0; i < sizeof(credentials) / sizeof(credentials[0]); i++) {
        if (is_variable(entry, credentials[i]))
            return true;
    }
    for (size_t id = 0; id < OPTION_COUNT; id++) {
        option_env_name((enum option_id)id, name);
        if (option_spec((enum option_id)id)->type == OPTION_SECRET && is_variable(entry, name))
            return true;
    }
    return false;
}

static bool is_fact(const struct hook *hook, const char *entry)
{
    for (size_t i = 0; i < hook->fact_count; i++) {
        if (is_variable(entry, hook->facts[i].name))
            return true;
    }
    return false;
}

static void free_environment(char **entries)
{
    for (size_t i = 0; entries != NULL && entries[i] != NULL; i++)
        free(entries[i]);
    free(entries);
}

static char *format_fact(const struct hook_fact *fact)
{
    struct buf entry = BUF_INIT(ENTRY_LEN_MAX);

    buf_addf(&entry, "%s=%s", fact->name, fact->value);
    if (buf_check(&entry, NULL) < 0) {
        buf_dispose(&entry);
        return NULL;
    }
    return entry.ptr;
}

/* Ours without credentials, and with the facts.  NULL when out of memory. */
static char **make_environment(const struct hook *hook)
{
    size_t count = 0, used = 0;
    char **entries;

    while (environ[count] != NULL)
        count++;
    entries = calloc(count + hook->fact_count + 1, sizeof(*entries));
    if (entries == NULL)
        return NULL;
    for (size_t i = 0; i < count; i++) {
        if (is_credential(environ[i]) || is_fact(hook, environ[i]))
            continue;
        entries[used] = strdup(environ[i]);
        if (entries[used++] == NULL)
            goto nomem;
    }
    for (size_t i = 0; i < hook->fact_count; i++) {
        if (hook->facts[i].value == NULL)
            continue;
        entries[used] = format_fact(&hook->facts[i]);
        if (entries[used++] == NULL)
            goto nomem;
    }
    return entries;
nomem:
    free_environment(entries);
    return NULL;
}

/* A process group of its own, so that all of it can be ended; nothing of our signals' handling; no
 * standard input. */
static int spawn(struct run *run, char **environment, int write_fd)
{
    char shell[] = SHELL, flag[] = "-c";
    char *command = strdup(run->hook->command);
    char *argv[] = { shell, flag, command, NULL };
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none, all;
    int rc = command != NULL ? 0 : ENOMEM;

    (void)sigemptyset(&none);
    (void)sigfillset(&all);
    (void)posix_spawnattr_init(&attributes);
    (void)posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK |
                                                    POSIX_SPAWN_SETSIGDEF);
    (void)posix_spawnattr_setpgroup(&attributes, 0);
    (void)posix_spawnattr_setsigmask(&attributes, &none);
    (void)posix_spawnattr_setsigdefault(&attributes, &all);
    (void)posix_spawn_file_actions_init(&actions);
    if (rc == 0)
        rc = posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    if (rc == 0)
        rc = posix_spawn_file_actions_adddup2(&actions, write_fd, STDOUT_FILENO);
    if (rc == 0)
        rc = posix_spawn_file_actions_adddup2(&actions, write_fd, STDERR_FILENO);
    if (rc == 0)
        rc = posix_spawn(&run->pid, shell, &actions, &attributes, argv, environment);
    (void)posix_spawn_file_actions_destroy(&actions);
    (void)posix_spawnattr_destroy(&attributes);
    free(command);
    return rc;
}

static int begin(struct run *run, struct err *err)
{
    char **environment = make_environment(run->hook);
    int fds[2] = { -1, -1 };
    int rc, r = 0;

    if (environment == NULL)
        return err_nomem(err);
    if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0) {
        r = err_set_errno(err, "make a pipe");
        goto out;
    }
    /* The other end is the hook's standard output, where nobody expects a write to fail. */
    (void)fcntl(fds[1], F_SETFL, 0);
    rc = spawn(run, environment, fds[1]);
    if (rc != 0) {
        errno = rc;
        r = err_set_errno(err, "run " SHELL);
        (void)close(fds[0]);
    } else {
        run->fd = fds[0];
    }
    (void)close(fds[1]);
out:
    free_environment(environment);
    return r;
}

static void log_line(struct run *run)
{
    struct buf text = BUF_INIT(LINE_LEN_MAX * 4 + 1);

    text_escape(&text, run->line.ptr);
    log_info("'%s': %s: %s", run->hook->database, run->hook->name, text.ptr);
    buf_dispose(&text);
    buf_clear(&run->line);
}

static void take_output(struct run *run, const char *data, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (data[i] != '\n' && data[i] != '\0')
            buf_add_char(&run->line, data[i]);
        if ((data[i] == '\n' && run->line.len > 0) || run->line.len == LINE_LEN_MAX)
            log_line(run);
    }
}

/* What there is to read, waiting for it for a moment. */
static void read_output(struct run *run, int wait_ms)
{
    struct pollfd wanted = { .fd = run->fd, .events = POLLIN };
    char data[4096];

    if (poll(&wanted, 1, wait_ms) <= 0)
        return;
    for (;;) {
        const ssize_t len = read(run->fd, data, sizeof(data));

        if (len > 0) {
            take_output(run, data, (size_t)len);
        } else if (len == 0) { /* all have closed it: from now on only the end is waited for */
            (void)close(run->fd);
            run->fd = -1;
            return;
        } else {
            return;
        }
    }
}

static void look_for_end(struct run *run)
{
    pid_t pid;

    do {
        pid = reaper_wait(run->pid, &run->status);
    } while (pid < 0 && errno == EINTR);
    run->ended = pid != 0;
    if (pid < 0) /* somebody else has waited for it */
        run->status = -1;
}

/* Its end, not that of its output: what it leaves running in the background may keep that open. */
static void wait_until(struct run *run, int64_t deadline_ms, const struct cancel *cancel)
{
    struct clock *clock = run->hook->clock;

    while (!run->ended && clock_mono_ms(clock) < deadline_ms && !cancel_is_set(cancel)) {
        read_output(run, POLL_MS);
        look_for_end(run);
    }
}

/* SIGTERM, and soon SIGKILL, for the whole group. */
static void end(struct run *run)
{
    (void)kill(-run->pid, SIGTERM);
    wait_until(run, clock_mono_ms(run->hook->clock) + END_MS, NULL);
    (void)kill(-run->pid, SIGKILL);
    wait_until(run, INT64_MAX, NULL);
}

static int judge(const struct run *run, struct err *err)
{
    if (run->status == -1)
        return err_set(err, ERR_IO, "how it ended is not known");
    if (WIFSIGNALED(run->status))
        return err_set(err, ERR_IO, "it was ended by signal %d", WTERMSIG(run->status));
    if (WEXITSTATUS(run->status) != 0)
        return err_set(err, ERR_IO, "it ended with status %d", WEXITSTATUS(run->status));
    return 0;
}

int hook_run(const struct hook *hook, struct err *err)
{
    struct run run = { .hook = hook, .fd = -1, .line = BUF_INIT(LINE_LEN_MAX + 1) };
    char limit[FORMAT_TIME_SIZE];
    int r;

    r = begin(&run, err);
    if (r < 0)
        return err_wrap(err, r, "%s", hook->name);
    wait_until(&run, clock_mono_ms(hook->clock) + hook->timeout_ms, hook->cancel);
    if (run.ended) {
        r = judge(&run, err);
    } else if (cancel_is_set(hook->cancel)) {
        r = cancel_check(hook->cancel, err);
        end(&run);
    } else {
        format_duration(hook->timeout_ms, limit);
        r = err_set(err, ERR_TIMEOUT, "it had not ended after %s, and was made to", limit);
        err_hint(err, "hook_timeout is how long it may take");
        end(&run);
    }
    if (run.fd >= 0) {
        read_output(&run, 0);
        if (run.fd >= 0)
            (void)close(run.fd);
    }
    if (run.line.len > 0)
        log_line(&run);
    buf_dispose(&run.line);
    return r < 0 ? err_wrap(err, r, "%s", hook->name) : 0;
}

/* A program that prints credentials.  It is run without a shell, with our environment and no
 * input; what it prints is read up to a limit, and it is ended when it takes too long. */
#include "s3/credentials_process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cancel.h"
#include "base/clock.h"
#include "base/err.h"
#include "s3/credentials.h"
#include "s3/credentials_fetch.h"
#include "s3/credentials_source.h"

#define TIME_LIMIT_MS  60000 /* AWS's tools have none; a helper may ask an identity provider */
#define POLL_MS        100
#define OUTPUT_LEN_MAX (64u << 10)
#define ERROR_LEN_MAX  4096u
#define ERROR_LEN_SAID 200 /* of its last line, in our message */
#define WHO            "credential_process"

struct process_source {
    struct s3_credentials_source source;
    const struct s3_source_context *context;
    char *command;
};

/* One step of the splitting: the next character into *to, or a change of quote. */
static const char *split_char(const char *at, char *quote, char **to)
{
    if (*at == '\\' && *quote != '\'' && at[1] != '\0') {
        /* Between double quotes a backslash is itself before all but these. */
        if (*quote == '"' && strchr("\"\\$`", at[1]) == NULL)
            *(*to)++ = *at;
        *(*to)++ = at[1];
        return at + 2;
    }
    if (*quote != '\0' && *at == *quote) {
        *quote = '\0';
    } else if (*quote == '\0' && (*at == '"' || *at == '\'')) {
        *quote = *at;
    } else {
        *(*to)++ = *at;
    }
    return at + 1;
}

int s3_command_split(const char *command, char ***ret_arguments, struct err *err)
{
    const size_t table = S3_ARGUMENT_COUNT_MAX * sizeof(char *);
    char **arguments = calloc(1, table + strlen(command) + 1);
    char *to, quote = '\0';
    const char *at = command;
    size_t count = 0;

    if (arguments == NULL)
        return err_nomem(err);
    to = (char *)(arguments + S3_ARGUMENT_COUNT_MAX);
    while (*(at += strspn(at, " \t")) != '\0' && count < S3_ARGUMENT_COUNT_MAX) {
        arguments[count++] = to;
        while (*at != '\0' && (quote != '\0' || (*at != ' ' && *at != '\t')))
            at = split_char(at, &quote, &to);
        *to++ = '\0';
    }
    if (count == 0 || count == S3_ARGUMENT_COUNT_MAX || quote != '\0') {
        free(arguments);
        (void)err_set(err, ERR_CONFIG, "credential_process %s",
                      quote != '\0' ? "has a quote that is not closed"
                      : count == 0  ? "names no program"
                                    : "has too many arguments");
        err_hint(err, "it is run without a shell; only quotes and backslashes are understood");
        return ERR_CONFIG;
    }
    *ret_arguments = arguments;
    return 0;
}

/* A process that was started, and the ends of its pipes that are ours. */
struct run {
    pid_t pid;
    int out, error; /* -1: closed */
    struct buf said, complained;
};

static void close_fd(int *fd)
{
    if (*fd >= 0)
        (void)close(*fd);
    *fd = -1;
}

static int spawn_with(char **arguments, const int out[2], const int error[2], pid_t *ret_pid)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none, usual;
    int r;

    r = posix_spawn_file_actions_init(&actions);
    if (r != 0)
        return r;
    r = posix_spawnattr_init(&attributes);
    if (r != 0) {
        (void)posix_spawn_file_actions_destroy(&actions);
        return r;
    }
    (void)sigemptyset(&none);
    (void)sigemptyset(&usual);
    (void)sigaddset(&usual, SIGPIPE);
    /* A group of its own, so that whatever it starts is ended with it. */
    (void)posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK |
                                                    POSIX_SPAWN_SETSIGDEF);
    (void)posix_spawnattr_setpgroup(&attributes, 0);
    (void)posix_spawnattr_setsigmask(&attributes, &none);
    (void)posix_spawnattr_setsigdefault(&attributes, &usual);
    r = posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    if (r == 0)
        r = posix_spawn_file_actions_adddup2(&actions, out[1], 1);
    if (r == 0)
        r = posix_spawn_file_actions_adddup2(&actions, error[1], 2);
    if (r == 0)
        r = posix_spawnp(ret_pid, arguments[0], &actions, &attributes, arguments, environ);
    (void)posix_spawnattr_destroy(&attributes);
    (void)posix_spawn_file_actions_destroy(&actions);
    return r;
}

static int start(char **arguments, struct run *run, struct err *err)
{
    int out[2] = { -1, -1 }, error[2] = { -1, -1 };
    int r;

    if (pipe2(out, O_CLOEXEC) < 0 || pipe2(error, O_CLOEXEC) < 0) {
        r = err_set_errno(err, "pipe");
        goto out;
    }
    r = spawn_with(arguments, out, error, &run->pid);
    if (r != 0) {
        errno = r;
        (void)err_set_errno(err, WHO " '%s'", arguments[0]);
        err_hint(err, "it is run without a shell: name a program, with its path");
        if (err != NULL)
            err->code = ERR_CONFIG;
        r = ERR_CONFIG;
        goto out;
    }
    run->out = out[0];
    run->error = error[0];
    out[0] = error[0] = -1;
out:
    close_fd(&out[0]);
    close_fd(&out[1]);
    close_fd(&error[0]);
    close_fd(&error[1]);
    return r;
}

/* What there is to read now; the end closes fd.  Past the cap the buf fails, and the rest goes
 * nowhere. */
static void drain(int *fd, struct buf *to)
{
    char piece[4096];
    const ssize_t len = read(*fd, piece, sizeof(piece));

    if (len > 0) {
        buf_add(to, piece, (size_t)len);
    } else if (len == 0 || errno != EINTR) {
        close_fd(fd);
    }
    explicit_bzero(piece, sizeof(piece));
}

static int read_all(const struct s3_source_context *context, struct run *run, struct err *err)
{
    const int64_t deadline_ms = clock_mono_ms(clock_system()) + TIME_LIMIT_MS;

    while (run->out >= 0 || run->error >= 0) {
        struct pollfd fds[] = { { run->out, POLLIN, 0 }, { run->error, POLLIN, 0 } };
        const int r = cancel_check(context->cancel, err);

        if (r < 0)
            return r;
        if (clock_mono_ms(clock_system()) > deadline_ms) {
            return err_set(err, ERR_TIMEOUT, WHO " has not ended after %d seconds",
                           TIME_LIMIT_MS / 1000);
        }
        if (poll(fds, 2, POLL_MS) <= 0)
            continue;
        if (run->out >= 0 && fds[0].revents != 0)
            drain(&run->out, &run->said);
        if (run->error >= 0 && fds[1].revents != 0)
            drain(&run->error, &run->complained);
    }
    return 0;
}

/* -1 when nobody knows: something else in this process has reaped it. */
static int wait_for(pid_t pid)
{
    int status = 0;

    for (;;) {
        const pid_t ended = waitpid(pid, &status, 0);

        if (ended == pid)
            return status;
        if (ended < 0 && errno != EINTR)
            return -1;
    }
}

/* The last line that it complained with, which is meant for people. */
static int failed(const struct run *run, int status, struct err *err)
{
    char line[ERROR_LEN_SAID + 1] = "";
    struct str text = buf_str(&run->complained);
    size_t begin;

    while (text.len > 0 && strchr("\r\n \t", text.ptr[text.len - 1]) != NULL)
        text.len--;
    for (begin = text.len; begin > 0 && text.ptr[begin - 1] != '\n'; begin--)
        continue;
    for (size_t i = 0; begin + i < text.len && i < ERROR_LEN_SAID; i++) {
        const char c = text.ptr[begin + i];

        line[i] = ' ';
        if ((unsigned char)c >= 0x20 && c != 0x7f)
            line[i] = c;
    }
    if (WIFSIGNALED(status))
        return err_set(err, ERR_DENIED, WHO " was ended by signal %d", WTERMSIG(status));
    return err_set(err, ERR_DENIED, WHO " failed with status %d%s%s", WEXITSTATUS(status),
                   line[0] != '\0' ? ": " : "", line);
}

static int process_fetch(struct s3_credentials_source *source, struct s3_credentials *ret,
                         struct err *err)
{
    const struct process_source *self = (struct process_source *)source;
    struct run run = { .out = -1,
                       .error = -1,
                       .said = BUF_INIT(OUTPUT_LEN_MAX),
                       .complained = BUF_INIT(ERROR_LEN_MAX) };
    char **arguments = NULL;
    int r, status;

    (void)buf_reserve(&run.said, OUTPUT_LEN_MAX);
    buf_commit(&run.said, 0);
    r = s3_command_split(self->command, &arguments, err);
    if (r == 0)
        r = start(arguments, &run, err);
    if (r < 0)
        goto out;
    r = read_all(self->context, &run, err);
    if (r < 0)
        (void)kill(-run.pid, SIGKILL);
    status = wait_for(run.pid);
    if (r == 0 && status != 0 && status != -1)
        r = failed(&run, status, err);
    if (r == 0)
        r = buf_check(&run.said, err);
    if (r == 0)
        r = s3_credentials_document_parse(buf_str(&run.said), S3_DOCUMENT_PROCESS, WHO, ret, err);
out:
    close_fd(&run.out);
    close_fd(&run.error);
    buf_wipe(&run.said);
    buf_wipe(&run.complained);
    free(arguments);
    return r;
}

static void process_free(struct s3_credentials_source *source)
{
    struct process_source *self = (struct process_source *)source;

    free(self->command);
    free(self);
}

int s3_source_process_new(const struct s3_source_context *context, const char *command,
                          struct s3_credentials_source **ret_source, struct err *err)
{
    static const struct s3_credentials_source_ops ops = { process_fetch, process_free };
    struct process_source *self = calloc(1, sizeof(*self));

    if (self == NULL)
        return err_nomem(err);
    self->source = (struct s3_credentials_source){ &ops, WHO, false, false };
    self->context = context;
    self->command = strdup(command);
    if (self->command == NULL) {
        free(self);
        return err_nomem(err);
    }
    *ret_source = (struct s3_credentials_source *)self;
    return 0;
}

#include "agent/console.h"

#include "agent/env.h"
#include "agent/output.h"
#include "agent/text.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define LINE_LEN_MAX (16u << 10)
#define COLOR_RED    "\x1b[1;31m"
#define COLOR_YELLOW "\x1b[1;33m"
#define COLOR_CYAN   "\x1b[36m"
#define COLOR_OFF    "\x1b[0m"
#define ERASE_LINE   "\r\x1b[K"

void console_init(struct console *console, int fd, bool json)
{
    const char *term = env_get("TERM");

    *console = (struct console){ .fd = fd, .json = json };
    console->live = !json && isatty(fd) && env_get("NO_COLOR") == NULL &&
                    (term == NULL || strcmp(term, "dumb") != 0);
    (void)pthread_mutex_init(&console->mutex, NULL);
}

void console_dispose(struct console *console)
{
    console_status_clear(console);
    (void)pthread_mutex_destroy(&console->mutex);
}

/* There is nobody left to tell when standard error cannot be written. */
static void put(struct console *console, const char *data, size_t len)
{
    (void)file_write_all(console->fd, data, len, "standard error", NULL);
}

static void put_text(struct console *console, const char *text)
{
    put(console, text, strlen(text));
}

/* With the lock held. */
static void erase_status(struct console *console)
{
    if (console->status_shown)
        put_text(console, ERASE_LINE);
    console->status_shown = false;
}

static void put_line(struct console *console, struct buf *line)
{
    if (buf_check(line, NULL) < 0)
        return;
    (void)pthread_mutex_lock(&console->mutex);
    erase_status(console);
    put(console, line->ptr, line->len); /* in one piece, so that processes do not mix */
    (void)pthread_mutex_unlock(&console->mutex);
}

static void add_labelled(struct console *console, struct buf *line, const char *color,
                         const char *label)
{
    if (console->live) {
        buf_addf(line, "%s%s%s ", color, label, COLOR_OFF);
    } else {
        buf_addf(line, "%s ", label);
    }
}

static void add_json(struct buf *line, json_t *object)
{
    char *text = object != NULL ? json_dumps(object, JSON_COMPACT) : NULL;

    if (text != NULL) {
        buf_add_text(line, text);
        buf_add_char(line, '\n');
    }
    free(text);
    json_decref(object);
}

static void add_log_line(struct console *console, struct buf *line, enum log_level level,
                         const char *text)
{
    buf_add_text(line, "holdfast: ");
    if (level == LOG_LEVEL_ERROR) {
        add_labelled(console, line, COLOR_RED, "error:");
    } else if (level == LOG_LEVEL_WARN) {
        add_labelled(console, line, COLOR_YELLOW, "warning:");
    } else {
        buf_addf(line, "%s: ", log_level_name(level));
    }
    text_escape(line, text);
    buf_add_char(line, '\n');
}

void console_log(void *context, enum log_level level, const char *line)
{
    struct console *console = context;
    struct buf out = BUF_INIT(LINE_LEN_MAX);

    if (console->json) {
        add_json(&out, json_pack("{s{ss so}}", "log", "level", log_level_name(level), "message",
                                 text_json(line)));
    } else {
        add_log_line(console, &out, level, line);
    }
    put_line(console, &out);
    buf_dispose(&out);
}

static void add_error_json(struct buf *line, const struct err *err)
{
    json_t *hint = text_json(err->hint[0] != '\0' ? err->hint : NULL);

    add_json(line,
             json_pack("{s{ss si so so}}", "error", "code", err_code_name(err->code), "exit_status",
                       err_exit_status(err->code), "message", text_json(err->msg), "hint", hint));
}

void console_error(struct console *console, const struct err *err)
{
    struct buf out = BUF_INIT(LINE_LEN_MAX);

    if (console->json) {
        add_error_json(&out, err);
    } else {
        buf_add_text(&out, "holdfast: ");
        add_labelled(console, &out, COLOR_RED, "error:");
        text_escape(&out, err->msg);
        buf_add_char(&out, '\n');
        if (err->hint[0] != '\0') {
            add_labelled(console, &out, COLOR_CYAN, "hint:");
            text_escape(&out, err->hint);
            buf_add_char(&out, '\n');
        }
    }
    put_line(console, &out);
    buf_dispose(&out);
}

void console_status(struct console *console, const char *text)
{
    struct buf line = BUF_INIT(LINE_LEN_MAX);

    if (!console->live)
        return;
    buf_add_text(&line, ERASE_LINE);
    buf_add_text(&line, text);
    (void)pthread_mutex_lock(&console->mutex);
    put(console, line.ptr, line.len); /* in one piece, or it flickers */
    console->status_shown = true;
    (void)pthread_mutex_unlock(&console->mutex);
    buf_dispose(&line);
}

void console_status_clear(struct console *console)
{
    (void)pthread_mutex_lock(&console->mutex);
    erase_status(console);
    (void)pthread_mutex_unlock(&console->mutex);
}

void console_ask(struct console *console, const char *text)
{
    (void)pthread_mutex_lock(&console->mutex);
    erase_status(console);
    put_text(console, text);
    (void)pthread_mutex_unlock(&console->mutex);
}

size_t terminal_width(int fd, size_t otherwise)
{
    struct winsize size = { 0 };

    if (!isatty(fd))
        return otherwise;
    if (ioctl(fd, TIOCGWINSZ, &size) < 0 || size.ws_col == 0)
        return 80;
    return size.ws_col;
}

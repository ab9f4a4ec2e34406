#include "agent/prompt.h"

#include "agent/console.h"
#include "agent/text.h"
#include "base/buf.h"
#include "base/cancel.h"
#include "base/err.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define QUESTION_LEN_MAX (8u << 10)
#define ANSWER_SIZE      64
#define POLL_MS          200

bool prompt_is_yes(const char *answer)
{
    const char *begin = answer + strspn(answer, " \t\r\n");
    const size_t len = strcspn(begin, " \t\r\n");

    if (begin[len + strspn(begin + len, " \t\r\n")] != '\0')
        return false;
    return (len == 1 && strncasecmp(begin, "y", 1) == 0) ||
           (len == 3 && strncasecmp(begin, "yes", 3) == 0);
}

/* One line; a terminal gives them whole.  An empty answer at the end of the input. */
static int read_answer(int fd, char answer[ANSWER_SIZE], const struct cancel *cancel,
                       struct err *err)
{
    for (;;) {
        struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
        ssize_t len;
        int r;

        r = cancel_check(cancel, err);
        if (r < 0)
            return r;
        if (poll(&poll_fd, 1, POLL_MS) <= 0)
            continue; /* nothing yet, or a signal: look at cancel */
        len = read(fd, answer, ANSWER_SIZE - 1);
        if (len < 0 && errno == EINTR)
            continue;
        if (len < 0)
            return err_set_errno(err, "read the answer");
        answer[len] = '\0';
        return 0;
    }
}

int prompt_confirm(struct console *console, int fd, const char *question,
                   const struct cancel *cancel, struct err *err)
{
    struct buf text = BUF_INIT(QUESTION_LEN_MAX);
    char answer[ANSWER_SIZE] = "";
    int r;

    if (!isatty(fd) || !isatty(console->fd)) {
        (void)err_set(err, ERR_REFUSED, "this needs a yes, and there is no terminal to ask on");
        err_hint(err, "--yes goes on without asking, --dry-run shows what would be done");
        return ERR_REFUSED;
    }
    text_escape(&text, question);
    buf_add_text(&text, " [y/N] ");
    r = buf_check(&text, err);
    if (r == 0) {
        console_ask(console, text.ptr);
        r = read_answer(fd, answer, cancel, err);
    }
    buf_dispose(&text);
    if (r < 0 || answer[0] == '\0')
        console_ask(console, "\n"); /* nobody pressed Enter */
    if (r < 0)
        return r;
    return prompt_is_yes(answer) ? 0 : err_set(err, ERR_REFUSED, "not confirmed: nothing was done");
}

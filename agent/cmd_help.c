#include "agent/command.h"

#include "agent/help.h"
#include "agent/output.h"
#include "agent/session.h"
#include "base/buf.h"

#define TEXT_LEN_MAX (64u << 10)

int cmd_help(struct session *session, struct err *err)
{
    const struct args *args = session->args;
    const struct command *about = NULL; /* NULL: all of Holdfast */
    struct buf text = BUF_INIT(TEXT_LEN_MAX);
    int r = 0;

    if (args->positional_count > 0 && args->command == command_find("help")) {
        r = command_require(args->positionals[0], &about, err);
    } else if (args->command != command_find("help")) {
        about = args->command; /* --help */
    }
    if (r < 0)
        return r;
    if (about != NULL) {
        help_command(&text, about);
    } else {
        help_overview(&text);
    }
    r = output_text(session->out, &text, err);
    buf_dispose(&text);
    return r;
}

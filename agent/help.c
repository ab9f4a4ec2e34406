#include "agent/help.h"

#include "agent/command.h"
#include "agent/config.h"
#include "agent/options.h"
#include "agent/text.h"
#include "base/buf.h"

#include <stdio.h>
#include <string.h>

#define LEFT_WIDTH  26
#define RIGHT_WIDTH 54
#define TERM_SIZE   96

/* "  --term      text", the text broken into lines beside its term. */
static void add_entry(struct buf *out, const char *term, const char *text)
{
    size_t column = text_width(term) + 2;

    buf_addf(out, "  %s", term);
    while (*text != '\0') {
        size_t len = strlen(text);

        if (column + 2 > LEFT_WIDTH) {
            buf_add_char(out, '\n');
            column = 0;
        }
        for (; column < LEFT_WIDTH; column++)
            buf_add_char(out, ' ');
        if (len > RIGHT_WIDTH) {
            for (len = RIGHT_WIDTH; len > 1 && text[len] != ' '; len--)
                ;
        }
        buf_add(out, text, len);
        text += len;
        text += strspn(text, " ");
        column = LEFT_WIDTH + len;
    }
    buf_add_char(out, '\n');
}

static const char *argument_of(const struct flag_spec *spec)
{
    return spec->argument != NULL ? spec->argument : "";
}

static void add_flag(struct buf *out, enum flag_id id, const char *text)
{
    const struct flag_spec *spec = flag_spec(id);
    char term[TERM_SIZE];
    char letter[8] = "    ";

    if (spec->letter != 0)
        (void)snprintf(letter, sizeof(letter), "-%c, ", spec->letter);
    (void)snprintf(term, sizeof(term), "%s--%s%s%s", letter, spec->name,
                   spec->argument != NULL ? " " : "", argument_of(spec));
    add_entry(out, term, text);
}

static void add_option(struct buf *out, enum option_id id)
{
    const struct option_spec *spec = option_spec(id);
    struct buf text = BUF_INIT(1024);
    char flag[OPTION_NAME_SIZE], term[TERM_SIZE];

    option_flag_name(id, flag);
    /* Of a secret only the name of its file may be on a command line. */
    (void)snprintf(term, sizeof(term), "--%s%s %s", flag,
                   spec->type == OPTION_SECRET ? "-file" : "",
                   spec->type == OPTION_SECRET ? "FILE" : spec->argument);
    buf_add_text(&text, spec->help);
    if (spec->default_text != NULL)
        buf_addf(&text, " (default: %s)", spec->default_text);
    add_entry(out, term, text.ptr);
    buf_dispose(&text);
}

static void add_options(struct buf *out)
{
    buf_add_text(out,
                 "\nSettings: a flag, or a variable (--state-dir is HOLDFAST_STATE_DIR), or a\n"
                 "key of the configuration (state_dir); the first that is given counts. Any of\n"
                 "them may name a file that holds the value: --access-key-id-file FILE,\n"
                 "HOLDFAST_SECRET_ACCESS_KEY_FILE.\n");
    for (size_t id = 0; id < OPTION_COUNT; id++)
        add_option(out, (enum option_id)id);
}

static void add_indented(struct buf *out, const char *lines)
{
    while (*lines != '\0') {
        size_t len = strcspn(lines, "\n");

        if (len > 0)
            buf_add_text(out, "  ");
        buf_add(out, lines, len);
        buf_add_char(out, '\n');
        lines += len + (lines[len] == '\n');
    }
}

void help_command(struct buf *out, const struct command *command)
{
    buf_addf(out, "holdfast %s%s%s\n  %s\n", command->name, command->usage[0] != '\0' ? " " : "",
             command->usage, command->summary);
    if (command->description[0] != '\0')
        buf_addf(out, "\n%s", command->description);
    buf_add_text(out, "\nExamples:\n");
    add_indented(out, command->examples);
    buf_add_text(out, "\nFlags:\n");
    for (size_t i = 0; i < COMMAND_FLAGS_MAX && command->flags[i].help != NULL; i++)
        add_flag(out, command->flags[i].id, command->flags[i].help);
    if (command->has_options) {
        add_flag(out, FLAG_CONFIG,
                 "the configuration (default: $HOLDFAST_CONFIG, or " CONFIG_DEFAULT_PATH
                 " if it is there)");
    }
    add_flag(out, FLAG_JSON, "print JSON, and errors as JSON on standard error");
    add_flag(out, FLAG_HELP, "show this");
    if (command->has_options)
        add_options(out);
}

void help_overview(struct buf *out)
{
    buf_add_text(out, "Holdfast backs up live SQLite databases, to S3 or to a directory, and puts\n"
                      "any backup back into the running database.\n\nCommands:\n");
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        add_entry(out, command_at(i)->name, command_at(i)->summary);
    buf_add_text(out,
                 "\nBegin without any configuration:\n"
                 "  holdfast create /data/app.db --store file:///backups\n"
                 "  holdfast list /data/app.db --store file:///backups\n"
                 "  holdfast restore /data/app.db latest --store file:///backups\n"
                 "\n'holdfast help COMMAND' explains a command, with examples and all flags.\n"
                 "\nExit status: 0 done, 1 failed, 2 usage or configuration, 10 not found,\n"
                 "11 locked, 12 access denied, 13 verification failed, 14 refused by a guard,\n"
                 "128 and the signal's number when interrupted.\n");
}

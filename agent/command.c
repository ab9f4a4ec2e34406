#include "agent/command.h"

#include "agent/text.h"
#include "base/err.h"

#include <string.h>

static const struct flag_spec flags[FLAG_COUNT] = {
    [FLAG_CONFIG] = { "config", 'c', "FILE" },
    [FLAG_JSON] = { "json", 0, NULL },
    [FLAG_HELP] = { "help", 'h', NULL },
    [FLAG_NAME] = { "name", 0, "NAME" },
    [FLAG_LABEL] = { "label", 0, "TEXT" },
    [FLAG_ADOPT] = { "adopt", 0, NULL },
    [FLAG_OUTPUT] = { "output", 'o', "FILE" },
    [FLAG_FORCE] = { "force", 0, NULL },
    [FLAG_FULL] = { "full", 0, NULL },
    [FLAG_PRUNE] = { "prune", 0, NULL },
    [FLAG_READ] = { "read", 0, NULL },
    [FLAG_RESTORE] = { "restore", 0, NULL },
    [FLAG_FROM_PACKS] = { "from-packs", 0, NULL },
    [FLAG_SAMPLE] = { "sample", 0, "SHARE" },
    [FLAG_ALL] = { "all", 0, NULL },
    [FLAG_QUICK_CHECK] = { "quick-check", 0, NULL },
    [FLAG_SEED] = { "seed", 0, "FILE" },
    [FLAG_PAGES] = { "pages", 0, NULL },
    [FLAG_ROWS] = { "rows", 0, NULL },
    [FLAG_LIMIT] = { "limit", 0, "COUNT" },
    [FLAG_AT] = { "at", 0, "TIME" },
    [FLAG_AS_OF] = { "as-of", 0, "TIME" },
    [FLAG_UNDO] = { "undo", 0, NULL },
    [FLAG_SWAP] = { "swap", 0, NULL },
    [FLAG_NO_UNDO] = { "no-undo", 0, NULL },
    [FLAG_IF_MISSING] = { "if-missing", 0, NULL },
    [FLAG_NO_RESTORE] = { "no-restore", 0, NULL },
    [FLAG_YES] = { "yes", 'y', NULL },
    [FLAG_DRY_RUN] = { "dry-run", 'n', NULL },
};

static const struct command commands[COMMAND_COUNT] = {
    {
        .name = "create",
        .summary = "back up a database that is in use",
        .usage = "DB [--label TEXT]",
        .description =
            "Takes a consistent snapshot of the database, uploads it and adds it to the\n"
            "list. The database is only read. In WAL mode nobody waits; with a rollback\n"
            "journal, commits wait for a moment. A failure leaves the list as it was.\n"
            "\n"
            "Only pages that changed since the last backup are sent, in two requests. If\n"
            "nothing was committed since, nothing is read or sent, and the backup that\n"
            "stands is shown; --force and --label make another one all the same.\n"
            "\n"
            "DB is the path of a SQLite file, or a name from the configuration.\n",
        .examples = "# a first backup, without any configuration\n"
                    "holdfast create /data/app.db --store file:///backups\n"
                    "\n"
                    "# to an S3 bucket, with a note to find it by\n"
                    "holdfast create /data/app.db --store s3://backups/prod --label 'before 2.0'\n"
                    "\n"
                    "# by its name, when /etc/holdfast/holdfast.ini has a section [database:app]\n"
                    "holdfast create app\n",
        .flags = { { FLAG_LABEL, "a note that the list shows" },
                   { FLAG_FORCE, "make one although nothing has changed" },
                   { FLAG_FULL, "send all pages: a backup that needs no other one" },
                   { FLAG_PRUNE, "apply the retention policy, and delete what is due" },
                   { FLAG_NAME, "the database's name in the store; default: the file's" },
                   { FLAG_ADOPT, "go on although the name has backups from another host and path" },
                   { FLAG_DRY_RUN, "check everything, write nothing" } },
        .positional_min = 1,
        .positional_max = 1,
        .has_options = true,
        .run = cmd_create,
    },
    {
        .name = "list",
        .summary = "show the backups of a database",
        .usage = "DB",
        .description = "One row a backup, newest first: when it was taken, its id, the number of\n"
                       "tables, the size of the database, the bytes stored for it, and its state.\n"
                       "Everything listed can be restored.\n"
                       "\n"
                       "DB is a name from the configuration, the path of a SQLite file, or the\n"
                       "database's name in the store.\n",
        .examples = "holdfast list app\n"
                    "\n"
                    "# the ids of all backups, for a script\n"
                    "holdfast list app --json | jq -r '.backups[].id'\n"
                    "\n"
                    "# what there was before somebody deleted it, in a versioned bucket\n"
                    "holdfast list app --as-of '2026-11-23 14:00'\n",
        .flags = { { FLAG_AS_OF, "what a versioned bucket held then, deleted since or not" },
                   { FLAG_NAME, "the database's name in the store" } },
        .positional_min = 1,
        .positional_max = 1,
        .has_options = true,
        .run = cmd_list,
    },
    {
        .name = "download",
        .summary = "fetch a backup as an ordinary SQLite file",
        .usage = "DB BACKUP [-o FILE] [--seed FILE]",
        .description =
            "Writes the database as it was to a new file: every page is verified, then\n"
            "SQLite's integrity_check is run, and only then does the file get its name.\n"
            "With --seed only those pages are fetched that an older copy has not.\n"
            "\n"
            "BACKUP is an id, the first four or more characters of one, or 'latest': the\n"
            "newest that was not made by a restore.\n",
        .examples = "# to app.1b4e28ba.sqlite3 in this directory\n"
                    "holdfast download app 1b4e28ba\n"
                    "\n"
                    "# straight into another program\n"
                    "holdfast download app latest -o - | ssh elsewhere 'cat > app.db'\n"
                    "\n"
                    "# keep a copy up to date: only what has changed is fetched\n"
                    "holdfast download app latest -o copy.db --seed copy.db --force\n",
        .flags = { { FLAG_OUTPUT, "where to; '-' is standard output; default: "
                                  "DB.<first 8 of the id>.sqlite3 here" },
                   { FLAG_FORCE, "replace a file that exists" },
                   { FLAG_AS_OF, "what a versioned bucket held then, deleted since or not" },
                   { FLAG_SEED, "an older copy; its pages are copied where they are still right" },
                   { FLAG_NAME, "the database's name in the store" },
                   { FLAG_DRY_RUN, "say what would be written, and do not" } },
        .positional_min = 2,
        .positional_max = 2,
        .has_options = true,
        .run = cmd_download,
    },
    {
        .name = "restore",
        .summary = "put a backup back, into the running database",
        .usage = "DB BACKUP | DB --at TIME | DB --undo",
        .description =
            "Builds the backup beside the database, fetching only pages that differ from\n"
            "the present ones, and verifies all of it; then takes a backup of the present\n"
            "state; then writes the old content into the live\n"
            "database in one transaction. Programs that have it open see the restored\n"
            "content at once and need no restart. Killed at any moment, it leaves the old\n"
            "content or the new.\n"
            "\n"
            "BACKUP is an id, the first four or more characters of one, or 'latest': the\n"
            "newest that was not made by a restore. A database that does not exist is\n"
            "created. Before an existing one is overwritten a question is asked, unless\n"
            "--yes.\n",
        .examples = "# see what it would do, then do it\n"
                    "holdfast restore app 1b4e28ba --dry-run\n"
                    "holdfast restore app 1b4e28ba\n"
                    "\n"
                    "# as it was at a quarter past two; as it was two hours ago\n"
                    "holdfast restore app --at '2026-11-23 14:15'\n"
                    "holdfast restore app --at '2h ago'\n"
                    "\n"
                    "# take the last restore back\n"
                    "holdfast restore app --undo\n"
                    "\n"
                    "# only look at it\n"
                    "holdfast restore app latest --output /tmp/look.db\n"
                    "\n"
                    "# in an init container: fill an empty volume, else do nothing\n"
                    "holdfast restore /data/app.db latest --if-missing --store s3://backups/prod\n",
        .flags = { { FLAG_AT, "the newest backup at or before this time" },
                   { FLAG_AS_OF, "what a versioned bucket held then, deleted since or not" },
                   { FLAG_UNDO, "the state from before the last restore" },
                   { FLAG_OUTPUT, "restore to this new file, leave the database alone" },
                   { FLAG_SWAP, "exchange the file instead; the application must be stopped" },
                   { FLAG_NO_UNDO, "take no backup of the present state first" },
                   { FLAG_IF_MISSING, "do nothing when the database exists" },
                   { FLAG_NAME, "the database's name in the store" },
                   { FLAG_ADOPT, "the present state may come from another host and path" },
                   { FLAG_YES, "do not ask" },
                   { FLAG_DRY_RUN, "check everything, say what would be done, change nothing" } },
        .positional_min = 1,
        .positional_max = 2,
        .has_options = true,
        .run = cmd_restore,
    },
    {
        .name = "diff",
        .summary = "show what changed between two backups",
        .usage = "DB FROM [TO] [--rows] [--pages]",
        .description =
            "Counts the pages that changed from backup FROM to backup TO, the tables that\n"
            "came and went, and in each table the rows that were added, removed and\n"
            "changed. For pages nothing but indexes is read; for tables both backups are\n"
            "fetched to temporary files, the second one as far as it differs.\n"
            "\n"
            "Rows belong together by their rowid, in tables WITHOUT ROWID by their primary\n"
            "key. FROM and TO are ids, the first four or more characters of one, or\n"
            "'latest', which TO is when it is not given.\n",
        .examples = "# what has happened since\n"
                    "holdfast diff app 1b4e28ba\n"
                    "\n"
                    "# between two backups, with the keys of the first ten rows a table\n"
                    "holdfast diff app 1b4e28ba 9c0d1e2f --rows --limit 10\n"
                    "\n"
                    "# only how much, without fetching anything\n"
                    "holdfast diff app 1b4e28ba --pages --json | jq .pages.bytes\n",
        .flags = { { FLAG_ROWS, "list the keys of the rows, too" },
                   { FLAG_LIMIT, "so many keys a table and kind of change; default: 100" },
                   { FLAG_PAGES, "compare pages only" },
                   { FLAG_AS_OF, "what a versioned bucket held then, deleted since or not" },
                   { FLAG_NAME, "the database's name in the store" } },
        .positional_min = 2,
        .positional_max = 3,
        .has_options = true,
        .run = cmd_diff,
    },
    {
        .name = "verify",
        .summary = "find out whether backups restore",
        .usage = "[DB [BACKUP]] [--read | --restore]",
        .description =
            "Looks at every object that the backups need, by one listing, and reads their\n"
            "page maps. --read reads all of their data, each pack once, and checks every\n"
            "page; --sample 5% reads a part of it. --restore restores each backup to a\n"
            "temporary file, has SQLite check it, and counts its tables and rows.\n"
            "\n"
            "What is found is written down: 'list' shows damaged backups, and the newest\n"
            "verified one is never removed by a policy. The exit status is 13 when any\n"
            "backup is damaged.\n"
            "\n"
            "Without DB it is about every configured database, or, where none is\n"
            "configured, about all in the store; the exit status is 3 when one fails.\n",
        .examples = "holdfast verify app\n"
                    "holdfast verify --read --store s3://backups/prod\n"
                    "holdfast verify app latest --restore\n",
        .flags = { { FLAG_READ, "read all data, and check every page" },
                   { FLAG_SAMPLE, "with --read: a share of the data, such as 5%" },
                   { FLAG_RESTORE, "restore to a temporary file, and check that" },
                   { FLAG_AS_OF, "what a versioned bucket held then, deleted since or not" },
                   { FLAG_NAME, "the database's name in the store; default: the file's" } },
        .positional_min = 0,
        .positional_max = 2,
        .has_options = true,
        .run = cmd_verify,
    },
    {
        .name = "repair",
        .summary = "mend damaged backups, and a lost manifest",
        .usage = "DB [--dry-run]",
        .description =
            "Every pack tells of its backup. Where the newest manifest is lost or cannot be\n"
            "read, a new one is made of what the packs say, and written after it; nothing is\n"
            "overwritten. Pins and the like come from the newest manifest that can be read.\n"
            "\n"
            "Then all data is read, as by 'verify --read'. Damaged pages that the database\n"
            "still has, byte for byte, are written again, into a new pack. The exit status is\n"
            "13 when a backup stays damaged: it is told which, and how many of its pages are\n"
            "lost. DB must be the database's path, or have one in the configuration.\n",
        .examples = "# what is damaged, and what of it the database still has\n"
                    "holdfast repair /data/app.db --store s3://backups/prod --dry-run\n"
                    "\n"
                    "holdfast repair app\n",
        .flags = { { FLAG_FROM_PACKS,
                     "make a manifest of the packs although the newest one can be read" },
                   { FLAG_NAME, "the database's name in the store; default: the file's" },
                   { FLAG_DRY_RUN, "say what would be done, change nothing" } },
        .positional_min = 1,
        .positional_max = 1,
        .has_options = true,
        .run = cmd_repair,
    },
    {
        .name = "prune",
        .summary = "apply the retention policy, and delete what no backup needs",
        .usage = "[DB] [--dry-run]",
        .description =
            "Backups that the policy does not keep leave the list. Data that no backup\n"
            "needs any more is deleted when it has been so for prune_grace (24 hours), so\n"
            "that a restore that is under way elsewhere is not cut off. What killed runs\n"
            "left behind goes after the same time. Packs of which backups need only some\n"
            "pages are written anew (max_unused). Pinned backups, the newest verified one\n"
            "and the newest of all are always kept. Without DB it is about every\n"
            "configured database, or, where none is configured, about all in the store.\n",
        .examples = "# what would go, and why the others stay\n"
                    "holdfast prune /data/app.db --store s3://backups/prod --dry-run\n"
                    "\n"
                    "# with a policy of one's own\n"
                    "holdfast prune app --keep-hourly 48 --keep-daily 30\n",
        .flags = { { FLAG_NAME, "the database's name in the store; default: the file's" },
                   { FLAG_DRY_RUN, "say what would be done, change nothing" } },
        .positional_min = 0,
        .positional_max = 1,
        .has_options = true,
        .run = cmd_prune,
    },
    {
        .name = "pin",
        .summary = "keep a backup whatever the retention policy says",
        .usage = "DB BACKUP",
        .description = "",
        .examples = "holdfast pin app latest\n",
        .flags = { { FLAG_NAME, "the database's name in the store; default: the file's" } },
        .positional_min = 2,
        .positional_max = 2,
        .has_options = true,
        .run = cmd_pin,
    },
    {
        .name = "unpin",
        .summary = "leave a pinned backup to the retention policy again",
        .usage = "DB BACKUP",
        .description = "",
        .examples = "holdfast unpin app 1b4e28ba\n",
        .flags = { { FLAG_NAME, "the database's name in the store; default: the file's" } },
        .positional_min = 2,
        .positional_max = 2,
        .has_options = true,
        .run = cmd_unpin,
    },
    {
        .name = "run",
        .summary = "back up what is due, once: for cron",
        .usage = "[DB...]",
        .description =
            "Backs up every database of the configuration, or those named, one after\n"
            "another, if its schedule has had a time since its last good backup; applies the\n"
            "retention policy, and deletes what is due. One that fails does not keep the\n"
            "others: the exit status is then 3. Nothing is printed when all is well.\n"
            "\n"
            "While another run is at work on one of the databases, it gives up (status 11);\n"
            "with --wait-lock 10m it waits, and then does what is still due.\n",
        .examples = "# /etc/cron.d/holdfast: each quarter of an hour, what is due by its schedule\n"
                    "*/15 * * * * root holdfast run\n"
                    "\n"
                    "# without any configuration, and whether it is due or not\n"
                    "holdfast run --all /data/app.db --store s3://backups/prod\n",
        .flags = { { FLAG_ALL, "also what is not due" } },
        .positional_max = ARGS_DATABASES_MAX,
        .has_options = true,
        .run = cmd_run,
    },
    {
        .name = "agent",
        .summary = "back up on schedule, until stopped",
        .usage = "[DB...]",
        .description =
            "Stays in the foreground and backs up every database of the configuration, or\n"
            "those named, each on its own schedule (by default every hour), with its\n"
            "retention policy. What was missed while it did not run is made up for once, at\n"
            "the start; what failed is tried again after a minute, then less and less often.\n"
            "\n"
            "SIGTERM and SIGINT stop it when what is under way has ended, a second one at\n"
            "once; with final_backup, after a last backup of each. SIGUSR1: back up now.\n"
            "SIGHUP: read the configuration again; if it is wrong, all stays as it was.\n"
            "A pattern such as '/data/app-*.db' means the databases that match it at any\n"
            "time.\n",
        .examples = "# beside an application, in a container of its own\n"
                    "holdfast agent /data/app.db --store s3://backups/prod --final-backup yes\n"
                    "\n"
                    "# everything that /etc/holdfast/holdfast.ini names\n"
                    "holdfast agent\n",
        .positional_max = ARGS_DATABASES_MAX,
        .has_options = true,
        .run = cmd_agent,
    },
    {
        .name = "exec",
        .summary = "start an application, back up beside it, and once more when it ends",
        .usage = "[DB...] -- COMMAND [ARG...]",
        .description =
            "Restores every database whose file is missing from its newest backup, starts\n"
            "COMMAND, and is an agent while it runs. A store that has no backup yet is no\n"
            "obstacle; one that cannot be asked is, if a file is missing.\n"
            "\n"
            "COMMAND has standard input, the terminal and all signals. When it has ended,\n"
            "however that was, each database is backed up once more, for stop_timeout at\n"
            "most; then the exit status is COMMAND's own, or we end by the same signal. It\n"
            "is 3 if COMMAND succeeded and a last backup did not, 127 if there is no\n"
            "COMMAND, 126 if it cannot be executed. As process 1 it collects orphans.\n",
        .examples = "# the last lines of a Dockerfile\n"
                    "ENTRYPOINT [\"holdfast\", \"exec\", \"/data/app.db\", \"--\"]\n"
                    "CMD [\"myapp\", \"--port\", \"8080\"]\n"
                    "\n"
                    "# what the configuration names, on a terminal\n"
                    "holdfast exec -- python3 app.py\n",
        .flags = { { FLAG_NO_RESTORE, "leave missing databases missing" } },
        .positional_max = ARGS_DATABASES_MAX,
        .has_options = true,
        .takes_program = true,
        .run = cmd_exec,
    },
    {
        .name = "status",
        .summary = "show how scheduled backups have gone, and when the next are",
        .usage = "[DB...]",
        .description =
            "Says what run and agent have written down in the state directory: when the\n"
            "last good backup was, what failed since, and when the next one is due.\n",
        .examples = "holdfast status --json\n",
        .positional_max = ARGS_DATABASES_MAX,
        .has_options = true,
        .run = cmd_status,
    },
    {
        .name = "health",
        .summary = "fail unless every database has a good backup that is new enough",
        .usage = "[DB...] [--max-age TIME]",
        .description =
            "Silent, with exit status 0, when all is well; else 3. It looks at what run and\n"
            "agent have written down, not at the store. New enough is what max_age says, or\n"
            "else: no two slots of the schedule have passed since.\n",
        .examples = "# in a Dockerfile\n"
                    "HEALTHCHECK CMD [\"holdfast\", \"health\"]\n",
        .positional_max = ARGS_DATABASES_MAX,
        .has_options = true,
        .run = cmd_health,
    },
    {
        .name = "doctor",
        .summary = "find out what keeps backups from working",
        .usage = "[DB...] [--quick-check]",
        .description =
            "Makes one check after another, each with its result and what to do about it:\n"
            "the configuration and who can read its secrets; each database, its journal,\n"
            "locks and schedule; each store's name, connection, certificate and clock, what\n"
            "the key may do there, conditional writes and the region; state and spool\n"
            "directory. What can be tried is tried, on small objects that are removed again.\n"
            "A check that fails does not hide those after it.\n"
            "\n"
            "The exit status is 3 when any check fails; warnings leave it 0. Without DB it\n"
            "is about every configured database, or, where none is configured, the store.\n",
        .examples =
            "holdfast doctor\n"
            "\n"
            "# before there is any configuration\n"
            "holdfast doctor /data/app.db --store s3://backups/prod\n"
            "\n"
            "# what failed, for a script\n"
            "holdfast doctor --json | jq -r '.checks[] | select(.result==\"failure\").hint'\n",
        .flags = { { FLAG_QUICK_CHECK, "have SQLite look through each database, too" } },
        .positional_max = ARGS_DATABASES_MAX,
        .has_options = true,
        .loads_itself = true,
        .run = cmd_doctor,
    },
    {
        .name = "version",
        .summary = "show the version, and those of the libraries",
        .usage = "",
        .description = "",
        .examples = "holdfast version --json\n",
        .run = cmd_version,
    },
    {
        .name = "help",
        .summary = "explain Holdfast, or one command",
        .usage = "[COMMAND]",
        .description = "",
        .examples = "holdfast help restore\n",
        .positional_max = 1,
        .run = cmd_help,
    },
};

const struct flag_spec *flag_spec(enum flag_id id)
{
    return &flags[id];
}

bool flag_is_common(enum flag_id id)
{
    return id == FLAG_CONFIG || id == FLAG_JSON || id == FLAG_HELP;
}

const struct command *command_at(size_t index)
{
    return &commands[index];
}

const struct command *command_find(const char *name)
{
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    }
    return NULL;
}

int command_require(const char *name, const struct command **ret_command, struct err *err)
{
    const struct command *command = command_find(name);
    struct nearest nearest;

    if (command != NULL) {
        *ret_command = command;
        return 0;
    }
    nearest_init(&nearest, name);
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        nearest_offer(&nearest, commands[i].name);
    (void)err_set(err, ERR_CONFIG, "no command '%s'", name);
    if (nearest.best != NULL)
        err_hint(err, "did you mean '%s'? 'holdfast help' lists all commands", nearest.best);
    err_hint(err, "'holdfast help' lists all commands");
    return ERR_CONFIG;
}

bool command_has_flag(const struct command *command, enum flag_id id)
{
    if (flag_is_common(id))
        return true;
    for (size_t i = 0; i < COMMAND_FLAGS_MAX && command->flags[i].help != NULL; i++) {
        if (command->flags[i].id == id)
            return true;
    }
    return false;
}

/* Goal: without a database a command is about all of them, and whatever becomes of one, the others
 * have their turn. */
#include "agent/each_database.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/console.h"
#include "agent/database.h"
#include "agent/session.h"
#include "base/clock.h"
#include "base/err.h"
#include "store/object_store.h"
#include "tests/harness/temp_dir.h"
#include "tests/harness/test.h"

static char seen[256]; /* databases, in order */
static int code;       /* what "bad" fails with */

static int note(struct session *session, struct object_store *store,
                const struct database *database, struct err *err)
{
    (void)session;
    assert_non_null(store);
    (void)snprintf(seen + strlen(seen), sizeof(seen) - strlen(seen), "%s ", database->name);
    return strcmp(database->name, "bad") == 0 ? err_set(err, code, "it is bad") : 0;
}

struct rig {
    char *dir;
    struct args args;
    struct console console;
    struct cancel cancel;
    struct session session;
    char *out;
    size_t out_len;
};

/* config: the file's text; NULL: none. */
static void rig_init(struct rig *rig, const char *config, char *argument)
{
    static char program[] = "holdfast", verify[] = "verify";
    char *argv[] = { program, verify, argument, NULL };
    char url[512];

    memset(rig, 0, sizeof(*rig));
    seen[0] = '\0';
    rig->dir = temp_dir_new();
    (void)snprintf(url, sizeof(url), "file://%s", rig->dir);
    assert_int_equal(setenv("HOLDFAST_STORE", url, 1), 0);
    console_init(&rig->console, STDERR_FILENO, false);
    rig->session = (struct session){ .args = &rig->args,
                                     .console = &rig->console,
                                     .cancel = &rig->cancel,
                                     .clock = clock_system(),
                                     .out = open_memstream(&rig->out, &rig->out_len) };
    assert_int_equal(args_parse(argument != NULL ? 3 : 2, argv, &rig->args, NULL), 0);
    assert_int_equal(session_load(&rig->session, NULL), 0);
    if (config != NULL) {
        assert_int_equal(
            config_parse(config, strlen(config), "x.ini", &rig->session.sources->config, NULL), 0);
    }
}

static void rig_dispose(struct rig *rig)
{
    session_dispose(&rig->session);
    (void)fclose(rig->session.out);
    free(rig->out);
    console_dispose(&rig->console);
    args_dispose(&rig->args);
    temp_dir_free(rig->dir);
}

static void add_folder(const struct rig *rig, const char *name)
{
    char path[512];
    FILE *file;

    (void)snprintf(path, sizeof(path), "%s/%s", rig->dir, name);
    assert_int_equal(mkdir(path, 0755), 0);
    (void)snprintf(path, sizeof(path), "%s/%s/manifest", rig->dir, name);
    assert_int_equal(mkdir(path, 0755), 0);
    (void)snprintf(path, sizeof(path), "%s/%s/manifest/0000000001.json", rig->dir, name);
    file = fopen(path, "we");
    assert_non_null(file);
    (void)fclose(file);
}

static void finds_those_of_the_store(void **state)
{
    struct rig rig;
    struct err err = { 0 };

    (void)state;
    rig_init(&rig, NULL, NULL);
    code = ERR_CORRUPT;
    assert_int_equal(each_database(&rig.session, "verify", note, &err), ERR_NOT_FOUND);
    add_folder(&rig, "bad");
    add_folder(&rig, "app");
    add_folder(&rig, "web");
    assert_int_equal(each_database(&rig.session, "verify", note, &err), ERR_PARTIAL);
    assert_string_equal(seen, "app bad web ");
    assert_non_null(strstr(err.msg, "1 of 3"));
    assert_int_equal(err_exit_status(ERR_PARTIAL), 3);
    (void)fflush(rig.session.out);
    assert_string_equal(rig.out, "app:\n\nbad:\n\nweb:\n");
    rig_dispose(&rig);
}

static void takes_the_configured_ones_before_those_of_the_store(void **state)
{
    static const char config[] = "[database:web]\npath = /data/web.db\n"
                                 "[database:bad]\npath = /data/bad.db\n"
                                 "[database:app]\npath = /data/app.db\n";
    struct rig rig;

    (void)state;
    rig_init(&rig, config, NULL);
    add_folder(&rig, "other");
    code = ERR_NET;
    assert_int_equal(each_database(&rig.session, "verify", note, NULL), ERR_PARTIAL);
    assert_string_equal(seen, "web bad app ");
    rig_dispose(&rig);
}

static void stops_when_it_is_told_to(void **state)
{
    struct rig rig;

    (void)state;
    rig_init(&rig, NULL, NULL);
    add_folder(&rig, "bad");
    add_folder(&rig, "web");
    code = ERR_CANCELED;
    assert_int_equal(each_database(&rig.session, "verify", note, NULL), ERR_CANCELED);
    assert_string_equal(seen, "bad ");
    rig_dispose(&rig);
}

static void one_that_is_given_fails_with_its_own_code(void **state)
{
    struct rig rig;
    struct err err = { 0 };
    char bad[] = "bad";

    (void)state;
    rig_init(&rig, NULL, bad);
    add_folder(&rig, "web");
    code = ERR_CORRUPT;
    assert_int_equal(each_database(&rig.session, "verify", note, &err), ERR_CORRUPT);
    assert_string_equal(seen, "bad ");
    assert_string_equal(err.msg, "verify 'bad': it is bad");
    rig_dispose(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_those_of_the_store),
        cmocka_unit_test(takes_the_configured_ones_before_those_of_the_store),
        cmocka_unit_test(stops_when_it_is_told_to),
        cmocka_unit_test(one_that_is_given_fails_with_its_own_code),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

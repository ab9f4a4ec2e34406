#include "agent/config.h"
#include "agent/doctor.h"
#include "agent/doctor_report.h"
#include "agent/session.h"
#include "base/err.h"

#include <string.h>
#include <sys/stat.h>

/* A group may read them: that is how a service's own user gets at root's file. */
static void check_permissions(struct doctor_report *report, const char *path)
{
    struct stat st;

    if (stat(path, &st) < 0) {
        struct err err = { 0 };

        (void)err_set_errno(&err, "look at '%s'", path);
        doctor_fail(report, "secret", &err);
    } else if ((st.st_mode & (S_IROTH | S_IWOTH)) != 0) {
        doctor_warn(report, "secret", "chmod o-rw it, and think of a new key",
                    "'%s' holds a secret, and every user of this machine can %s it", path,
                    (st.st_mode & S_IWOTH) != 0 ? "change" : "read");
    } else {
        doctor_ok(report, "secret", "'%s' holds one, and not everybody can read it", path);
    }
}

/* Where the secrets of one set of options come from: the file itself, or files that it names. */
static bool check_set(struct doctor_report *report, const struct option_set *set, const char *file)
{
    bool in_file = false;

    for (size_t id = 0; id < OPTION_COUNT; id++) {
        const struct option_value *value = &set->values[id];

        if (option_spec((enum option_id)id)->type != OPTION_SECRET || !value->is_set)
            continue;
        if (value->file != NULL) {
            check_permissions(report, value->file);
        } else {
            in_file = file != NULL;
        }
    }
    return in_file;
}

static void check_secrets(struct doctor_report *report, const struct session *session)
{
    const struct config *config = &session->sources->config;
    bool in_file = check_set(report, &config->options, config->file);

    for (size_t i = 0; i < config->database_count; i++) {
        if (check_set(report, &config->databases[i].options, config->file))
            in_file = true;
    }
    for (size_t i = 0; i < config->store_count; i++) {
        if (check_set(report, &config->stores[i].options, config->file))
            in_file = true;
    }
    if (in_file && config->file != NULL)
        check_permissions(report, config->file);
    (void)check_set(report, &session->sources->env, NULL);
    (void)check_set(report, &session->args->options, NULL);
}

void doctor_check_config(struct doctor_report *report, const struct session *session,
                         struct err *load_error)
{
    const struct config *config = &session->sources->config;

    doctor_subject(report, "configuration");
    if (load_error != NULL) {
        doctor_fail(report, "file", load_error);
        doctor_skip(report, "secret", "the settings cannot be read");
        return;
    }
    if (config->file == NULL) {
        doctor_ok(report, "file", "there is none: no '%s', and none is named", CONFIG_DEFAULT_PATH);
    } else {
        doctor_ok(report, "file", "'%s' has %zu database%s", config->file, config->database_count,
                  config->database_count == 1 ? "" : "s");
    }
    check_secrets(report, session);
}

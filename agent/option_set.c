#include "agent/options.h"

#include "agent/env.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "base/parse.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define VALUE_LEN_MAX (64u << 10)

static void option_value_dispose(struct option_value *value)
{
    free(value->text);
    free(value->file);
    secret_dispose(&value->secret);
    *value = (struct option_value){ 0 };
}

void option_set_dispose(struct option_set *set)
{
    for (size_t id = 0; id < OPTION_COUNT; id++)
        option_value_dispose(&set->values[id]);
}

/* YAML, and so Compose, makes "true" of yes before it reaches the environment. */
static const char *plain_answer(const char *choices, const char *text)
{
    static const char *const others[][2] = { { "true", "yes" }, { "on", "yes" }, { "1", "yes" },
                                             { "false", "no" }, { "off", "no" }, { "0", "no" } };

    for (size_t i = 0; strcmp(choices, "no yes") == 0 && i < sizeof(others) / sizeof(*others);
         i++) {
        if (strcasecmp(text, others[i][0]) == 0)
            return others[i][1];
    }
    return text;
}

static int check_choice(const struct option_spec *spec, const char *text, uint64_t *ret_number,
                        struct err *err)
{
    const struct str wanted = str_from(plain_answer(spec->choices, text));
    const char *choice = spec->choices;

    for (uint64_t index = 0; *choice != '\0'; index++) {
        const size_t len = strcspn(choice, " ");

        if (str_eq((struct str){ choice, len }, wanted)) {
            *ret_number = index;
            return 0;
        }
        choice += len + (choice[len] == ' ');
    }
    return err_set(err, ERR_CONFIG, "'%s' is none of: %s", text, spec->choices);
}

static int check_size(const struct option_spec *spec, const char *text, uint64_t *ret_number,
                      struct err *err)
{
    char min[FORMAT_SIZE_SIZE], max[FORMAT_SIZE_SIZE];
    uint64_t size = 0;
    int r;

    r = parse_size(text, &size, err);
    if (r < 0)
        return r;
    if (size < spec->min || size > spec->max) {
        format_size(spec->min, min);
        format_size(spec->max, max);
        return err_set(err, ERR_CONFIG, "'%s' is not between %s and %s", text, min, max);
    }
    *ret_number = size;
    return 0;
}

static int check_duration(const struct option_spec *spec, const char *text, uint64_t *ret_number,
                          struct err *err)
{
    char min[FORMAT_TIME_SIZE], max[FORMAT_TIME_SIZE];
    int64_t ms = 0;
    int r;

    r = parse_duration(text, &ms, err);
    if (r < 0)
        return r;
    if (ms < (int64_t)spec->min || ms > (int64_t)spec->max) {
        format_duration((int64_t)spec->min, min);
        format_duration((int64_t)spec->max, max);
        return err_set(err, ERR_CONFIG, "'%s' is not between %s and %s", text, min, max);
    }
    *ret_number = (uint64_t)ms;
    return 0;
}

static int check_value(const struct option_spec *spec, const char *text, uint64_t *ret_number,
                       struct err *err)
{
    if (*text == '\0')
        return err_set(err, ERR_CONFIG, "has no value");
    switch (spec->type) {
    case OPTION_NUMBER:
        return parse_u64(text, spec->min, spec->max, ret_number, err);
    case OPTION_SIZE:
        return check_size(spec, text, ret_number, err);
    case OPTION_DURATION:
        return check_duration(spec, text, ret_number, err);
    case OPTION_CHOICE:
        return check_choice(spec, text, ret_number, err);
    case OPTION_TEXT:
    case OPTION_PATH:
    case OPTION_SECRET:
        return 0;
    }
    return 0;
}

static int value_set(const struct option_spec *spec, struct option_value *value, const char *text,
                     struct err *err)
{
    uint64_t number = 0;
    int r;

    r = check_value(spec, text, &number, err);
    if (r < 0)
        return r;
    if (spec->type == OPTION_SECRET) {
        r = secret_set(&value->secret, text, strlen(text), err);
        if (r < 0)
            return r;
    } else {
        value->text = strdup(text);
        if (value->text == NULL)
            return err_nomem(err);
    }
    value->number = number;
    value->is_set = true;
    return 0;
}

/* The content of a file without the line end that editors put there. */
static int value_set_from_file(const struct option_spec *spec, struct option_value *value,
                               const char *path, struct err *err)
{
    struct buf content = BUF_INIT(VALUE_LEN_MAX);
    int r;

    r = file_read(path, &content, err);
    if (r < 0) {
        r = err_wrap(err, ERR_CONFIG, "read the value from '%s'", path);
        goto out;
    }
    if (strlen(content.ptr) != content.len) {
        r = err_set(err, ERR_CONFIG, "'%s' holds a NUL character", path);
        goto out;
    }
    while (content.len > 0 && strchr("\r\n", content.ptr[content.len - 1]) != NULL)
        content.ptr[--content.len] = '\0';
    r = value_set(spec, value, content.ptr, err);
    if (r < 0)
        r = err_wrap(err, r, "'%s'", path);
    if (r == 0 && spec->type == OPTION_SECRET && (value->file = strdup(path)) == NULL)
        r = err_nomem(err);
out:
    buf_wipe(&content);
    return r;
}

int option_set_put(struct option_set *set, struct option_name name, const char *text,
                   const char *where, struct err *err)
{
    const struct option_spec *spec = option_spec(name.id);
    struct option_value *value = &set->values[name.id];
    int r;

    if (value->is_set) {
        r = err_set(err, ERR_CONFIG, "given twice");
        err_hint(err, "give it once: as itself, or as the name of a file that holds it");
    } else if (name.is_file) {
        r = value_set_from_file(spec, value, text, err);
    } else {
        r = value_set(spec, value, text, err);
    }
    return r < 0 ? err_wrap(err, r, "%s", where) : 0;
}

static int load_env(struct option_set *set, struct option_name name, const char *variable,
                    struct err *err)
{
    const char *text = env_get(variable);

    if (text == NULL)
        return 0;
    return option_set_put(set, name, text, variable, err);
}

int option_set_load_env(struct option_set *set, struct err *err)
{
    for (size_t id = 0; id < OPTION_COUNT; id++) {
        char variable[OPTION_NAME_SIZE];
        char file_variable[OPTION_NAME_SIZE + sizeof("_FILE")];
        int r;

        option_env_name((enum option_id)id, variable);
        r = load_env(set, (struct option_name){ (enum option_id)id, false }, variable, err);
        if (r < 0)
            return r;
        (void)snprintf(file_variable, sizeof(file_variable), "%s_FILE", variable);
        r = load_env(set, (struct option_name){ (enum option_id)id, true }, file_variable, err);
        if (r < 0)
            return r;
    }
    return 0;
}

int option_set_load_aws_env(struct option_set *set, struct err *err)
{
    for (size_t id = 0; id < OPTION_COUNT; id++) {
        for (size_t i = 0; i < OPTION_AWS_COUNT; i++) {
            const char *variable = option_spec((enum option_id)id)->aws_names[i];
            int r;

            if (variable == NULL || set->values[id].is_set)
                continue;
            r = load_env(set, (struct option_name){ (enum option_id)id, false }, variable, err);
            if (r < 0)
                return r;
        }
    }
    return 0;
}

const struct option_value *settings_get(const struct settings *settings, enum option_id id)
{
    const bool of_another_store =
        settings->layers[SETTINGS_STORE] != NULL && option_is_of_store(id);

    for (size_t i = 0; i < SETTINGS_LAYER_COUNT; i++) {
        const struct option_set *set = settings->layers[i];

        if (of_another_store && (i == SETTINGS_DATABASE || i == SETTINGS_FILE))
            continue;
        if (set != NULL && set->values[id].is_set)
            return &set->values[id];
    }
    return NULL;
}

const char *settings_text(const struct settings *settings, enum option_id id)
{
    const struct option_value *value = settings_get(settings, id);

    return value != NULL ? value->text : NULL;
}

const struct secret *settings_secret(const struct settings *settings, enum option_id id)
{
    const struct option_value *value = settings_get(settings, id);

    return value != NULL ? &value->secret : NULL;
}

uint64_t settings_number(const struct settings *settings, enum option_id id, uint64_t otherwise)
{
    const struct option_value *value = settings_get(settings, id);

    return value != NULL ? value->number : otherwise;
}

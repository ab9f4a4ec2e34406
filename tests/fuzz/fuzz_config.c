/* Goal: whatever a configuration file holds, it is understood or refused with its line. */
#include "agent/config.h"
#include "base/err.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* Keys that end so make the parser open whatever file they name. */
static int names_files(const uint8_t *data, size_t len)
{
    return memmem(data, len, "_file", strlen("_file")) != NULL;
}

static void check_config(const struct config *config)
{
    for (size_t i = 0; i < config->database_count; i++) {
        const struct config_database *database = &config->databases[i];

        assert(database->path[0] == '/');
        assert(config_find_database(config, database->name) == database);
    }
    for (size_t id = 0; id < OPTION_COUNT; id++) {
        const struct option_value *value = &config->options.values[id];

        if (!value->is_set)
            continue;
        assert((option_spec((enum option_id)id)->type == OPTION_SECRET) == (value->text == NULL));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct config config = CONFIG_INIT;
    struct err err;

    if (len > CONFIG_LEN_MAX || names_files(data, len))
        return 0;
    err_clear(&err);
    if (config_parse((const char *)data, len, "x.ini", &config, &err) == 0) {
        check_config(&config);
    } else {
        assert(config.file == NULL);
        assert(err.code == ERR_CONFIG);
        assert(strncmp(err.msg, "x.ini:", strlen("x.ini:")) == 0);
    }
    config_dispose(&config);
    return 0;
}

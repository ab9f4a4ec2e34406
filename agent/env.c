#include "agent/env.h"

#include <stddef.h>
#include <stdlib.h>

const char *env_get(const char *name)
{
    const char *value = getenv(name); /* NOLINT(concurrency-mt-unsafe): nothing calls setenv() */

    return value != NULL && *value != '\0' ? value : NULL;
}

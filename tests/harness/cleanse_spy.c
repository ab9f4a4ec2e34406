#include "tests/harness/cleanse_spy.h"

static struct cleansed last;

/* The names that ld's --wrap gives to what it replaces, and to the replacement. */
void real_cleanse(void *data, size_t len) __asm__("__real_OPENSSL_cleanse");
void spying_cleanse(void *data, size_t len) __asm__("__wrap_OPENSSL_cleanse");

void spying_cleanse(void *data, size_t len)
{
    real_cleanse(data, len);
    last = (struct cleansed){ data, len };
}

struct cleansed last_cleansed(void)
{
    return last;
}

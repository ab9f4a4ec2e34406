/*
 * secret.h - a string that is wiped when it goes, and that nothing formats.
 *
 * It lies in pages of its own, which are left out of core dumps and, where the limit on locked
 * memory allows, never swapped.
 */
#ifndef BASE_SECRET_H
#define BASE_SECRET_H

#include <stdbool.h>
#include <stddef.h>

struct err;

struct secret {
    char *ptr; /* NUL-terminated, or NULL when unset; private to those who sign and encrypt */
    size_t len;
};

#define SECRET_INIT                                                                                \
    {                                                                                              \
        NULL, 0                                                                                    \
    }

/* Copy len bytes, wiping what was there. */
int secret_set(struct secret *secret, const char *text, size_t len, struct err *err);
int secret_copy(struct secret *to, const struct secret *from, struct err *err);
bool secret_is_set(const struct secret *secret); /* set and not empty */
void secret_dispose(struct secret *secret);      /* wipes; may be repeated */

#endif

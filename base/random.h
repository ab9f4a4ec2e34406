/*
 * random.h - random bytes from the kernel, and UUIDs from them.
 */
#ifndef BASE_RANDOM_H
#define BASE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

/* getrandom(2); aborts the process if the kernel has none to give, which it never has not. */
void random_bytes(void *data, size_t len);
uint64_t random_u64(void);

#define UUID_TEXT_SIZE 37 /* 36 characters and the NUL */
/* Version 4, lower case: RFC 9562 section 5.4. */
void uuid_v4(char out[UUID_TEXT_SIZE]);

#endif

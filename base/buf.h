/*
 * buf.h - text and bytes that grow up to a cap, and read-only views of them.
 *
 * Appending never returns an error: a failure (out of memory, past the cap) sticks, later appends
 * do nothing, and one buf_check() at the end reports it.  The contents always end in a NUL that is
 * not counted, so `ptr` can be used as a C string when the contents have no NUL of their own.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;

/* A view: not owned, not NUL-terminated. */
struct str {
    const char *ptr;
    size_t len;
};

#define STR_LIT(literal) ((struct str){ (literal), sizeof(literal) - 1 })

struct str str_from(const char *text); /* NULL gives the empty view */
bool str_eq(struct str a, struct str b);
bool str_eq_text(struct str a, const char *text);
bool str_starts_with(struct str text, struct str prefix);
bool str_ends_with(struct str text, struct str suffix);
/* A malloc'd, NUL-terminated copy; NULL when out of memory. */
char *str_dup(struct str text);

struct buf {
    char *ptr; /* never NULL after BUF_INIT: points to "" until the first append */
    size_t len;
    size_t size; /* allocated */
    size_t max;  /* bytes that contents may have */
    int failed;  /* 0, ERR_NOMEM or ERR_LIMIT */
};

extern char buf_empty[1];

#define BUF_INIT(max_len)                                                                          \
    {                                                                                              \
        buf_empty, 0, 0, (max_len), 0                                                              \
    }

void buf_dispose(struct buf *buf); /* back to BUF_INIT with the same max; may be repeated */
void buf_wipe(struct buf *buf);    /* as dispose, after overwriting the contents (secrets) */
void buf_clear(struct buf *buf);   /* empty; keeps the memory, forgets a failure */
void buf_add(struct buf *buf, const void *data, size_t len);
void buf_add_char(struct buf *buf, char c);
void buf_add_text(struct buf *buf, const char *text);
void buf_add_str(struct buf *buf, struct str text);
void buf_addf(struct buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));
void buf_addfv(struct buf *buf, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));
void buf_add_hex(struct buf *buf, const void *data, size_t len); /* lower case */
/* Make room for len more bytes and return where they go; NULL on failure.  Count them with
 * buf_commit(). */
void *buf_reserve(struct buf *buf, size_t len);
void buf_commit(struct buf *buf, size_t len);
/* 0, or what went wrong first. */
int buf_check(const struct buf *buf, struct err *err);
/* Hand the contents over as a malloc'd C string and leave buf empty; NULL when it failed. */
char *buf_detach(struct buf *buf);
struct str buf_str(const struct buf *buf);

#endif

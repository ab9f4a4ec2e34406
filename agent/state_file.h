/*
 * state_file.h - a small JSON document about a database, kept between runs:
 * "<state dir>/<database>/<name>".
 */
#ifndef AGENT_STATE_FILE_H
#define AGENT_STATE_FILE_H

#include <jansson.h>

struct err;

/* *ret_root is NULL, and that is no failure, when there is none.  ERR_CORRUPT when it is not JSON;
 * ERR_IO. */
int state_file_load(const char *state_dir, const char *database, const char *name,
                    json_t **ret_root, struct err *err);
/* Takes root, whatever comes of it; NULL is ERR_NOMEM. */
int state_file_save(const char *state_dir, const char *database, const char *name, json_t *root,
                    struct err *err);
/* What a reader says of a document that is not what it should be.  ERR_CORRUPT. */
int state_file_bad(const char *state_dir, const char *database, const char *name, struct err *err);

#endif

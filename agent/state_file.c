#include "agent/state_file.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"

#include <stdlib.h>
#include <string.h>

#define FILE_LEN_MAX (1u << 20)

static char *file_path(const char *state_dir, const char *database, const char *name)
{
    char *dir = path_join(state_dir, database);
    char *path = dir != NULL ? path_join(dir, name) : NULL;

    free(dir);
    return path;
}

int state_file_bad(const char *state_dir, const char *database, const char *name, struct err *err)
{
    return err_set(err, ERR_CORRUPT, "'%s/%s/%s' is not what it should be", state_dir, database,
                   name);
}

int state_file_load(const char *state_dir, const char *database, const char *name,
                    json_t **ret_root, struct err *err)
{
    struct buf text = BUF_INIT(FILE_LEN_MAX);
    char *path = file_path(state_dir, database, name);
    json_t *root = NULL;
    int r;

    r = path == NULL ? err_nomem(err) : file_read(path, &text, err);
    if (r == ERR_NOT_FOUND) {
        err_clear(err);
        r = 0;
    } else if (r == 0) {
        root = json_loadb(text.ptr, text.len, 0, NULL);
        if (root == NULL)
            r = state_file_bad(state_dir, database, name, err);
    }
    if (r == 0)
        *ret_root = root;
    buf_dispose(&text);
    free(path);
    return r;
}

int state_file_save(const char *state_dir, const char *database, const char *name, json_t *root,
                    struct err *err)
{
    char *text = root != NULL ? json_dumps(root, JSON_COMPACT) : NULL;
    char *path = file_path(state_dir, database, name);
    char *dir = path != NULL ? path_parent(path) : NULL;
    int r;

    if (text == NULL || dir == NULL) {
        r = err_nomem(err);
        goto out;
    }
    r = file_mkdirs(dir, 0700, err);
    if (r == 0)
        r = file_write_atomic(path, text, strlen(text), 0600, err);
out:
    json_decref(root);
    free(text);
    free(path);
    free(dir);
    return r;
}

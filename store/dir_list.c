#include "store/dir_list.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"

/* Keys below one folder, each as the listing shows it; folders end in '/', so that sorting the
 * bytes puts "a-b" before "a/c" and that before "a0". */
struct names {
    char **items;
    size_t count, size;
};

struct walk {
    const char *root, *prefix, *start_after;
    object_list_fn callback;
    void *context;
};

static void names_dispose(struct names *names)
{
    for (size_t i = 0; i < names->count; i++)
        free(names->items[i]);
    free(names->items);
}

static int names_add(struct names *names, char *item, struct err *err)
{
    if (names->count == names->size) {
        const size_t size = names->size == 0 ? 16 : names->size * 2;
        char **items = realloc(names->items, size * sizeof(*items));

        if (items == NULL) {
            free(item);
            return err_nomem(err);
        }
        names->items = items;
        names->size = size;
    }
    names->items[names->count++] = item;
    return 0;
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* "<folder><name>", or with a slash at the end when it is a folder itself; NULL for what is not
 * listed: names that begin with a dot, and what is neither file nor folder. */
static int entry_key(const char *root, const char *folder, const char *name, char **ret_key,
                     struct err *err)
{
    struct buf key = BUF_INIT(OBJECT_KEY_LEN_MAX + 1);
    struct stat st;
    char *path;
    int r = 0;

    *ret_key = NULL;
    if (name[0] == '.')
        return 0;
    buf_addf(&key, "%s%s", folder, name);
    if (key.failed == ERR_LIMIT || key.len == OBJECT_KEY_LEN_MAX + 1)
        goto out; /* not ours: no such key can be put */
    path = path_join(root, key.ptr);
    if (path == NULL) {
        r = err_nomem(err);
        goto out;
    }
    if (stat(path, &st) < 0) {
        if (errno != ENOENT) /* otherwise deleted meanwhile */
            r = err_set_errno(err, "look at '%s'", path);
    } else if (S_ISDIR(st.st_mode) || S_ISREG(st.st_mode)) {
        if (S_ISDIR(st.st_mode))
            buf_add_char(&key, '/');
        r = buf_check(&key, err);
        if (r == 0 && (*ret_key = buf_detach(&key)) == NULL)
            r = err_nomem(err);
    }
    free(path);
out:
    buf_dispose(&key);
    return r;
}

/* The sorted keys directly below folder ("" or ending in '/'). */
static int read_folder(const char *root, const char *folder, struct names *ret_names,
                       struct err *err)
{
    struct names names = { NULL, 0, 0 };
    struct dirent *entry;
    char *path = path_join(root, folder);
    DIR *dir;
    int r = 0;

    if (path == NULL)
        return err_nomem(err);
    dir = opendir(path);
    if (dir == NULL && errno != ENOENT && errno != ENOTDIR)
        r = err_set_errno(err, "list '%s'", path);
    while (r == 0 && dir != NULL) {
        char *key = NULL;

        errno = 0;
        entry = readdir(dir); /* NOLINT(concurrency-mt-unsafe): safe for a stream of one's own */
        if (entry == NULL) {
            if (errno != 0)
                r = err_set_errno(err, "list '%s'", path);
            break;
        }
        r = entry_key(root, folder, entry->d_name, &key, err);
        if (r == 0 && key != NULL)
            r = names_add(&names, key, err);
    }
    if (dir != NULL)
        (void)closedir(dir);
    free(path);
    if (r < 0) {
        names_dispose(&names);
        return r;
    }
    if (names.count > 0)
        qsort(names.items, names.count, sizeof(*names.items), compare);
    *ret_names = names;
    return 0;
}

/* Whether a folder can hold keys that start with the prefix and come after start_after. */
static bool folder_matters(const struct walk *walk, const char *folder)
{
    const size_t folder_len = strlen(folder), prefix_len = strlen(walk->prefix);
    const size_t common = folder_len < prefix_len ? folder_len : prefix_len;

    if (strncmp(folder, walk->prefix, common) != 0)
        return false;
    /* Every key in it begins with the folder: all come before start_after if the folder's name
     * does and start_after does not lie inside. */
    return walk->start_after == NULL || strcmp(folder, walk->start_after) >= 0 ||
           strncmp(folder, walk->start_after, folder_len) == 0;
}

static int report(const struct walk *walk, const char *key, struct err *err)
{
    char *path = path_join(walk->root, key);
    struct object_info info;
    struct stat st;
    int r = 0;

    if (path == NULL)
        return err_nomem(err);
    if (stat(path, &st) == 0) { /* deleted meanwhile: no longer listed */
        info.size = (uint64_t)st.st_size;
        info.modified_ms = (int64_t)st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000;
        r = walk->callback(walk->context, key, &info, err);
    }
    free(path);
    return r;
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as a path, which has a limit */
static int walk_folder(const struct walk *walk, const char *folder, struct err *err)
{
    struct names names;
    int r;

    r = read_folder(walk->root, folder, &names, err);
    if (r < 0)
        return r;
    for (size_t i = 0; i < names.count && r == 0; i++) {
        const char *key = names.items[i];

        if (key[strlen(key) - 1] == '/') {
            if (folder_matters(walk, key))
                r = walk_folder(walk, key, err);
        } else if (strncmp(key, walk->prefix, strlen(walk->prefix)) == 0 &&
                   (walk->start_after == NULL || strcmp(key, walk->start_after) > 0)) {
            r = report(walk, key, err);
        }
    }
    names_dispose(&names);
    return r;
}

int dir_list_objects(const char *root, const char *prefix, const char *start_after,
                     object_list_fn callback, void *context, struct err *err)
{
    const struct walk walk = { root, prefix, start_after, callback, context };
    const char *slash = strrchr(prefix, '/');
    char *folder;
    int r;

    /* Begin in the deepest folder that the prefix names. */
    folder = str_dup((struct str){ prefix, slash == NULL ? 0 : (size_t)(slash - prefix) + 1 });
    if (folder == NULL)
        return err_nomem(err);
    r = walk_folder(&walk, folder, err);
    free(folder);
    return r;
}

int dir_list_folders(const char *root, const char *prefix, object_list_fn callback, void *context,
                     struct err *err)
{
    struct names names;
    int r;

    r = read_folder(root, prefix, &names, err);
    if (r < 0)
        return r;
    for (size_t i = 0; i < names.count && r == 0; i++) {
        const char *key = names.items[i];

        if (key[strlen(key) - 1] == '/')
            r = callback(context, key, NULL, err);
    }
    names_dispose(&names);
    return r;
}

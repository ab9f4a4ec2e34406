/*
 * dir_list.h - the listing of a directory store: files below a folder, in byte order of their keys.
 */
#ifndef STORE_DIR_LIST_H
#define STORE_DIR_LIST_H

#include "store/object_store.h"

/* As object_store_ops.list and .list_prefixes, below the directory root.  Memory is that of the
 * names of the folders on the way down. */
int dir_list_objects(const char *root, const char *prefix, const char *start_after,
                     object_list_fn callback, void *context, struct err *err);
int dir_list_folders(const char *root, const char *prefix, object_list_fn callback, void *context,
                     struct err *err);

#endif

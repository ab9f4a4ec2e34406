/*
 * dir_store.h - a local directory as an object store.
 *
 * An object is a file of the same relative path.  It is written under a temporary name that begins
 * with a dot in the same folder (".tmp-XXXXXX"), fsynced, renamed without replacing, and the
 * folder fsynced; listings skip names that begin with a dot.
 */
#ifndef STORE_DIR_STORE_H
#define STORE_DIR_STORE_H

struct err;
struct object_store;

/* path is absolute; the directory is made when the first object is put. */
int dir_store_new(const char *path, struct object_store **ret_store, struct err *err);

#endif

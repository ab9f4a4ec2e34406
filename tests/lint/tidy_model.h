/*
 * tidy_model.h - what clang-tidy must know of functions in other files, which it does not see.
 *
 * tidy.py puts it before every file.  That err_set() and its like return the negative code tells
 * the analyzer that `return err_set(...)` is the path on which nothing was written to `ret_...`;
 * without, it reports each use of such a result as the use of garbage.
 */
#ifndef TESTS_LINT_TIDY_MODEL_H
#define TESTS_LINT_TIDY_MODEL_H

#include "base/err.h"

#define err_set(err, code, ...)  ((void)(err_set)(err, code, __VA_ARGS__), (code))
#define err_wrap(err, code, ...) ((void)(err_wrap)(err, code, __VA_ARGS__), (code))
#define err_set_errno(err, ...)  ((void)(err_set_errno)(err, __VA_ARGS__), (int)ERR_IO)
#define err_nomem(err)           ((void)(err_nomem)(err), (int)ERR_NOMEM)

#endif

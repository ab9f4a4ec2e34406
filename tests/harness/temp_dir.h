/*
 * temp_dir.h - a directory of a test's own, gone at its end with all that is in it.
 */
#ifndef TESTS_HARNESS_TEMP_DIR_H
#define TESTS_HARNESS_TEMP_DIR_H

/* Below $TMPDIR or /tmp.  malloc'd; ends the test when it cannot be made. */
char *temp_dir_new(void);
/* Removes everything below it, and frees the path.  NULL is fine. */
void temp_dir_free(char *path);
/* The names directly in a directory, those that begin with a dot too, counted. */
int temp_dir_count(const char *path);

#endif

/*
 * credentials_process.h - inside s3/: split a profile's credential_process into arguments.  Pure.
 */
#ifndef S3_CREDENTIALS_PROCESS_H
#define S3_CREDENTIALS_PROCESS_H

struct err;

#define S3_ARGUMENT_COUNT_MAX 64

/* Words as a shell would see them that knows quotes and backslashes, and nothing else: no
 * variables, no globs, no pipes.  *ret_arguments ends in NULL and is one allocation; free() it.
 * ERR_CONFIG for an open quote, no word at all, and more than S3_ARGUMENT_COUNT_MAX - 1. */
int s3_command_split(const char *command, char ***ret_arguments, struct err *err);

#endif

/*
 * profile.h - the files of AWS's own tools: ~/.aws/config and ~/.aws/credentials.
 *
 * Both are read into one set; where both have a key of a profile, the credentials file wins, and
 * within a file the later line.  In the config file a profile is "[profile NAME]" or "[default]",
 * in the credentials file "[NAME]".  Indented lines belong to the key before them, and "[services
 * NAME]" holds nothing but such groups.  A parser of our own: inih cuts lines at 200 bytes, and
 * session tokens are longer.
 *
 * Source: docs.aws.amazon.com/sdkref/latest/guide/file-format.html
 */
#ifndef S3_PROFILE_H
#define S3_PROFILE_H

#include <stdbool.h>

#include "base/buf.h"

struct err;
struct s3_profiles;

enum s3_profile_file {
    S3_PROFILE_CONFIG,
    S3_PROFILE_CREDENTIALS
};

/* Of the files that AWS_CONFIG_FILE and AWS_SHARED_CREDENTIALS_FILE name, else those in ~/.aws.
 * Only ERR_NOMEM: one that cannot be read is as empty. */
int s3_profiles_load(struct s3_profiles **ret_profiles, struct err *err);
/* For who depends on them: ERR_CONFIG when a file is there, or was named, and could not be read. */
int s3_profiles_check(const struct s3_profiles *profiles, struct err *err);
/* Without any; for s3_profiles_parse(). */
int s3_profiles_new(struct s3_profiles **ret_profiles, struct err *err);
void s3_profiles_free(struct s3_profiles *profiles); /* wipes; NULL is fine */

/* Add a file's text.  Only ERR_NOMEM: what is no section and no key is passed over. */
int s3_profiles_parse(struct s3_profiles *profiles, struct str text, enum s3_profile_file file,
                      struct err *err);

bool s3_profiles_has(const struct s3_profiles *profiles, const char *profile);
/* A key's value, NULL when it is not there or empty.  Keys compare without case. */
const char *s3_profiles_get(const struct s3_profiles *profiles, const char *profile,
                            const char *key);
/* "[services NAME]": key of the group "s3", say. */
const char *s3_profiles_get_service(const struct s3_profiles *profiles, const char *services,
                                    const char *group, const char *key);

#endif

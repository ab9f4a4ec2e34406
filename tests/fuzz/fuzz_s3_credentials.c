/* Goal: whatever stands in the files of AWS's tools is read within bounds, and what is taken of it
 * as credentials can stand in a header. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "s3/credentials.h"
#include "s3/credentials_fetch.h"
#include "s3/credentials_process.h"
#include "s3/profile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check_line(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        assert((unsigned char)text[i] >= 0x20 && text[i] != 0x7f);
}

static void check(struct s3_credentials *credentials, bool is_taken)
{
    if (is_taken) {
        assert(credentials->access_key_id[0] != '\0');
        assert(secret_is_set(&credentials->secret_access_key));
        check_line(credentials->access_key_id, strlen(credentials->access_key_id));
        check_line(credentials->secret_access_key.ptr, credentials->secret_access_key.len);
        if (secret_is_set(&credentials->session_token))
            check_line(credentials->session_token.ptr, credentials->session_token.len);
    }
    s3_credentials_dispose(credentials);
}

static void check_command(const char *command)
{
    char **arguments = NULL;

    if (command == NULL || s3_command_split(command, &arguments, NULL) < 0)
        return;
    for (size_t i = 0; arguments[i] != NULL; i++)
        assert(strlen(arguments[i]) <= strlen(command));
    free(arguments);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static const struct s3_credentials_names names = { "it", "aws_access_key_id",
                                                       "aws_secret_access_key",
                                                       "aws_session_token" };
    const struct str text = { (const char *)data, len };
    struct s3_credentials found = S3_CREDENTIALS_INIT;
    struct s3_profiles *profiles = NULL;
    int r;

    for (int file = S3_PROFILE_CONFIG; file <= S3_PROFILE_CREDENTIALS; file++) {
        if (s3_profiles_new(&profiles, NULL) < 0)
            return 0;
        assert(s3_profiles_parse(profiles, text, (enum s3_profile_file)file, NULL) == 0);
        r = s3_credentials_take(&names, str_from(s3_profiles_get(profiles, "default", names.id)),
                                str_from(s3_profiles_get(profiles, "default", names.secret)),
                                str_from(s3_profiles_get(profiles, "default", names.token)), &found,
                                NULL);
        check(&found, r > 0);
        check_command(s3_profiles_get(profiles, "default", "credential_process"));
        (void)s3_profiles_get_service(profiles, "default", "s3", "endpoint_url");
        s3_profiles_free(profiles);
    }
    r = s3_credentials_document_parse(text, S3_DOCUMENT_METADATA, "it", &found, NULL);
    check(&found, r == 0);
    r = s3_credentials_document_parse(text, S3_DOCUMENT_PROCESS, "it", &found, NULL);
    check(&found, r == 0);
    return 0;
}

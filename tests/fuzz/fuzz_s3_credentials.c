/* Goal: of whatever stands in a shared credentials file, what is taken can stand in a header. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "base/buf.h"
#include "s3/credentials.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check_line(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        assert((unsigned char)text[i] >= 0x20 && text[i] != 0x7f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    const struct str text = { (const char *)data, len };
    struct s3_credentials credentials = S3_CREDENTIALS_INIT;

    if (s3_profile_parse(text, "file", "default", &credentials, NULL) == 0) {
        assert(credentials.access_key_id[0] != '\0');
        assert(secret_is_set(&credentials.secret_access_key));
        check_line(credentials.access_key_id, strlen(credentials.access_key_id));
        check_line(credentials.secret_access_key.ptr, credentials.secret_access_key.len);
        if (secret_is_set(&credentials.session_token))
            check_line(credentials.session_token.ptr, credentials.session_token.len);
    } else {
        assert(credentials.access_key_id == NULL);
    }
    s3_credentials_dispose(&credentials);
    return 0;
}

/* Goal: whatever the Security Token Service answers, what is taken of it as credentials is whole
 * and can stand in a header, and nothing secret is in the message about the rest. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "s3/credentials.h"
#include "s3/xml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check_line(const char *text, size_t len)
{
    assert(strlen(text) == len);
    for (size_t i = 0; i < len; i++)
        assert((unsigned char)text[i] >= 0x20 && text[i] != 0x7f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    const struct str text = { (const char *)data, len };
    struct s3_credentials found = S3_CREDENTIALS_INIT;
    struct err err = { 0 };
    const int r = s3_xml_sts_parse(text, &found, &err);

    if (r == 0) {
        assert(found.access_key_id[0] != '\0');
        check_line(found.access_key_id, strlen(found.access_key_id));
        assert(secret_is_set(&found.secret_access_key));
        check_line(found.secret_access_key.ptr, found.secret_access_key.len);
        if (secret_is_set(&found.session_token))
            check_line(found.session_token.ptr, found.session_token.len);
    } else {
        assert(found.access_key_id == NULL && !secret_is_set(&found.secret_access_key));
        check_line(err.msg, strlen(err.msg));
        /* Another STS may put a secret into an answer that is wrong: it is not repeated. */
        assert(strstr(err.msg, "hunter2") == NULL);
    }
    s3_credentials_dispose(&found);
    return 0;
}

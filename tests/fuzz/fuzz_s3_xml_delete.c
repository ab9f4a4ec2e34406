/* Goal: the answer to DeleteObjects is read or refused, and a key that stays has an error. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "s3/xml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    const struct str text = { (const char *)data, len };
    struct s3_xml_error error = { .code = "" };
    struct err err = { 0 };

    if (s3_xml_delete_parse(text, &error, &err) == ERR_SERVER) {
        assert(strncmp(err.msg, "delete '", 8) == 0);
        assert(strcmp(error.code, "NoSuchKey") != 0);
    }
    return 0;
}

/* Goal: whatever a server answers, the error made of it is one line without control characters. */
#include <assert.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "s3/failure.h"
#include "s3/http.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check_line(const char *text)
{
    for (; *text != '\0'; text++)
        assert((unsigned char)*text >= 0x20 && *text != 0x7f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    const struct s3_failure_context context = { .bucket = "b", .host = "h", .region = "r" };
    const struct str body = { (const char *)data, len };
    struct http_response response = { .status = len % 2 == 0 ? 403 : 200 };
    struct err err = { 0 };
    const int code = s3_failure_describe(&response, body, &context, NULL, &err);

    assert(code < 0 && err.code == code);
    check_line(err.msg);
    check_line(err.hint);
    check_line(err.s3_code);
    check_line(err.request_id);
    return 0;
}

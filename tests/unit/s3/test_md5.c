/* Goal: Content-MD5 is that of the bytes, in whatever pieces they come. */
#include "s3/md5.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/cancel.h"
#include "base/err.h"
#include "base/io.h"
#include "tests/harness/test.h"

#define LONG_LEN (700u << 10) /* more than is read at once */

/* RFC 1321, appendix A.5, in base64. */
static void is_that_of_the_standard(void **state)
{
    char md5[S3_MD5_SIZE];

    (void)state;
    assert_int_equal(s3_md5_text(STR_LIT(""), md5, NULL), 0);
    assert_string_equal(md5, "1B2M2Y8AsgTpgAmY7PhCfg==");
    assert_int_equal(s3_md5_text(STR_LIT("abc"), md5, NULL), 0);
    assert_string_equal(md5, "kAFQmDzST7DWlj99KOF/cg==");
}

static void a_source_is_read_from_its_beginning(void **state)
{
    char *text = malloc(LONG_LEN);
    char whole[S3_MD5_SIZE], read[S3_MD5_SIZE], byte[1];
    struct io_source *source = NULL;
    struct cancel cancel = CANCEL_INIT;
    size_t len;

    (void)state;
    assert_non_null(text);
    memset(text, 'x', LONG_LEN);
    assert_int_equal(s3_md5_text((struct str){ text, LONG_LEN }, whole, NULL), 0);
    assert_int_equal(memory_source_new(text, LONG_LEN, &source, NULL), 0);
    assert_int_equal(io_read(source, byte, 1, &len, NULL), 0);
    assert_int_equal(s3_md5_source(source, NULL, read, NULL), 0);
    assert_string_equal(read, whole);
    cancel_set(&cancel, SIGTERM);
    assert_int_equal(s3_md5_source(source, &cancel, read, NULL), ERR_CANCELED);
    io_source_free(source);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_that_of_the_standard),
        cmocka_unit_test(a_source_is_read_from_its_beginning),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Goal: the answers to beginning and completing an upload are read or refused. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/buf.h"
#include "s3/xml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    const struct str text = { (const char *)data, len };
    struct s3_xml_error error;
    char *id = NULL;

    if (s3_xml_initiate_parse(text, &id, NULL) == 0)
        assert(id[0] != '\0');
    free(id);
    if (s3_xml_complete_parse(text, NULL) == 0)
        assert(!s3_xml_error_parse(text, &error)); /* never both */
    return 0;
}

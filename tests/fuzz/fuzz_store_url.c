/* Goal: whatever a store's URL is, it is taken apart within bounds, and what is accepted can be
 * used: an absolute path, or a bucket and a prefix that is a valid key. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "store/object_store.h"
#include "store/store_url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    char *text = malloc(len + 1);
    struct store_url url;
    struct err err;

    assert(text != NULL);
    memcpy(text, data, len);
    text[len] = '\0';
    if (store_url_parse(text, &url, &err) == 0) {
        if (url.kind == STORE_KIND_FILE) {
            assert(url.path[0] == '/' && url.bucket == NULL);
        } else {
            assert(url.bucket[0] != '\0' && url.path == NULL);
            assert(url.prefix[0] == '\0' || object_key_check(url.prefix, NULL) == 0);
        }
        store_url_dispose(&url);
    } else {
        assert(err.code == ERR_CONFIG && err.msg[0] != '\0');
    }
    free(text);
    return 0;
}

/* Goal: whatever stands where a proxy and the hosts without one belong, it is read within bounds,
 * and what is shown of a proxy has no password in it.  The input is "proxy\nlist\nhost". */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "s3/proxy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static char *cut(char *text)
{
    char *end = text + strcspn(text, "\n");

    if (*end != '\0')
        *end++ = '\0';
    return end;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    char *text = str_dup((struct str){ (const char *)data, len });
    char shown[HTTP_PROXY_TEXT_SIZE];
    struct err err = { 0 };
    char *list, *host;

    if (text == NULL)
        return 0;
    list = cut(text);
    host = cut(list);
    http_proxy_show(text, shown);
    assert(strchr(shown, '@') == NULL && strchr(shown, '/') == NULL);
    if (http_proxy_check(text, &err) == 0) {
        assert(shown[0] != '\0');
    } else {
        assert(err.code == ERR_CONFIG && err.hint[0] != '\0');
    }
    if (http_proxy_is_exempt(list, host))
        assert(list[0] != '\0');
    if (strcmp(list, "*") == 0)
        assert(http_proxy_is_exempt(list, host));
    free(text);
    return 0;
}

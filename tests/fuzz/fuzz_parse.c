/* Goal: no text makes the parsers of numbers, sizes, durations and times read or compute out of
 * bounds, and what they accept is within what their headers say. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/parse.h"

#define NOW_MS INT64_C(1795413600000)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    char *text = malloc(len + 1);
    uint8_t bytes[16];
    uint64_t number;
    int64_t ms;
    bool truth;

    assert(text != NULL);
    memcpy(text, data, len);
    text[len] = '\0';
    if (parse_u64(text, 5, 1000, &number, NULL) == 0)
        assert(number >= 5 && number <= 1000);
    if (parse_size(text, &number, NULL) == 0) {
        char size[FORMAT_SIZE_SIZE];

        format_size(number, size);
    }
    if (parse_duration(text, &ms, NULL) == 0)
        assert(ms >= 0);
    if (parse_time(text, NOW_MS, &ms, NULL) == 0) {
        char again[FORMAT_TIME_SIZE];
        int64_t back = 0;

        assert(ms >= -86400000);                        /* 1970 in the easternmost zone */
        if (ms >= 0 && ms < INT64_C(253402300800000)) { /* the year 10000 */
            format_time_utc(ms, true, again);
            assert(parse_time(again, NOW_MS, &back, NULL) == 0 && back == ms);
        }
    }
    (void)parse_http_date(text, &ms, NULL);
    (void)parse_bool(text, &truth, NULL);
    (void)parse_hex(text, bytes, sizeof(bytes), NULL);
    free(text);
    return 0;
}

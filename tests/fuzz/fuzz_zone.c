/* Goal: whatever a file of zone data or a rule holds, it is understood or refused; and what is
 * understood covers all of time with spans that meet. */
#include "agent/zone.h"
#include "agent/zone_rule.h"
#include "base/err.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define DAY_SEC 86400

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check_spans(const struct zone *zone)
{
    struct zone_span span = zone_span(zone, INT64_MIN);

    assert(span.begin_sec == INT64_MIN && span.offset_before_sec == span.offset_sec);
    while (span.end_sec < INT64_MAX) {
        const struct zone_span next = zone_span(zone, span.end_sec);

        assert(next.begin_sec == span.end_sec && next.end_sec > next.begin_sec);
        assert(next.offset_before_sec == span.offset_sec);
        assert(next.offset_sec > -2 * DAY_SEC && next.offset_sec < 2 * DAY_SEC);
        span = next;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    char *text = malloc(len + 1);
    struct zone *zone = NULL;
    struct err err;

    assert(text != NULL);
    memcpy(text, data, len);
    text[len] = '\0';
    err_clear(&err);
    if (zone_parse("x", data, len, &zone, &err) == 0) {
        check_spans(zone);
    } else {
        assert(err.code == ERR_CORRUPT && zone == NULL);
    }
    zone_free(zone);
    zone = NULL;
    if (zone_parse_rule("x", text, &zone, NULL) == 0)
        check_spans(zone);
    zone_free(zone);
    free(text);
    return 0;
}

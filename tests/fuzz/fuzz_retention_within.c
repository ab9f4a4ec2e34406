/* Goal: whatever keep_within is set to, it is refused, or means what its digits say. */
#include "retention/policy.h"

#include "base/err.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* What was understood, written in restic's order, is understood the same. */
static void go_round(const struct retention_within *within)
{
    struct retention_within again = { 0, 0, 0, 0 };
    char text[128];

    (void)snprintf(text, sizeof(text), "%uy%um%ud%uh", within->years, within->months, within->days,
                   within->hours);
    assert(retention_within_parse(text, &again, NULL) == 0);
    assert(again.years == within->years && again.months == within->months &&
           again.days == within->days && again.hours == within->hours);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct retention_within within = { 0, 0, 0, 0 };
    char *text = malloc(len + 1); /* exact, so that ASan sees reads past the end */
    struct err err;
    int r;

    assert(text != NULL);
    memcpy(text, data, len);
    text[len] = '\0';
    err_clear(&err);
    r = retention_within_parse(text, &within, &err);
    if (r == 0) {
        assert(strspn(text, "0123456789ymdh") == strlen(text) && text[0] != '\0');
        assert(within.years <= RETENTION_COUNT_MAX && within.months <= RETENTION_COUNT_MAX &&
               within.days <= RETENTION_COUNT_MAX && within.hours <= RETENTION_COUNT_MAX);
        go_round(&within);
    } else {
        assert(r == ERR_CONFIG && err.code == ERR_CONFIG && err.msg[0] != '\0');
    }
    free(text);
    return 0;
}

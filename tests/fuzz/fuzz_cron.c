/* Goal: whatever a schedule is said to be, it is understood or refused with a reason; what is
 * understood has a canonical form that means the same, slots in order, and the slot before each. */
#include "agent/schedule.h"
#include "agent/zone.h"
#include "base/buf.h"
#include "base/err.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* Clocks that change by 30 minutes, in the south. */
static const struct zone *zone_get(void)
{
    static struct zone *zone;

    if (zone == NULL)
        assert(zone_parse_rule("x", "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0", &zone, NULL) == 0);
    return zone;
}

static void check_format(const struct schedule *schedule)
{
    struct buf text = BUF_INIT(1000), again_text = BUF_INIT(1000);
    struct schedule again;

    schedule_format(schedule, &text);
    assert(buf_check(&text, NULL) == 0);
    assert(schedule_parse(text.ptr, schedule->zone, &again, NULL) == 0);
    assert(again.every_ms == schedule->every_ms);
    assert(again.cron.minutes == schedule->cron.minutes);
    assert(again.cron.hours == schedule->cron.hours);
    assert(again.cron.days == schedule->cron.days);
    assert(again.cron.months == schedule->cron.months);
    assert(again.cron.weekdays == schedule->cron.weekdays);
    assert(again.cron.hour_star == schedule->cron.hour_star);
    assert(again.cron.day_star == schedule->cron.day_star);
    assert(again.cron.weekday_star == schedule->cron.weekday_star);
    schedule_format(&again, &again_text);
    assert(strcmp(text.ptr, again_text.ptr) == 0);
    buf_dispose(&again_text);
    buf_dispose(&text);
}

/* A few from before each change of the year 2026. */
static void check_slots(const struct schedule *schedule)
{
    static const int64_t starts_ms[] = { -1, INT64_C(1775310000000), INT64_C(1791030000000) };

    for (size_t i = 0; i < sizeof(starts_ms) / sizeof(starts_ms[0]); i++) {
        int64_t before_ms = schedule_next(schedule, starts_ms[i]);

        assert(before_ms > starts_ms[i]);
        for (int n = 0; n < 8; n++) {
            const int64_t next_ms = schedule_next(schedule, before_ms);

            assert(next_ms > before_ms && next_ms < SCHEDULE_NEVER);
            assert(schedule_previous(schedule, next_ms) == next_ms);
            assert(schedule_previous(schedule, next_ms - 1) == before_ms);
            before_ms = next_ms;
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    char *text = malloc(len + 1);
    struct schedule schedule;
    struct err err;

    assert(text != NULL);
    memcpy(text, data, len);
    text[len] = '\0';
    err_clear(&err);
    if (schedule_parse(text, zone_get(), &schedule, &err) == 0) {
        check_format(&schedule);
        check_slots(&schedule);
    } else {
        assert(err.code == ERR_CONFIG && err.msg[0] != '\0');
    }
    free(text);
    return 0;
}

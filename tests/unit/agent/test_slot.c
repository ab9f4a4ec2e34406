/* Goal: whatever the clock and the backups do, the next one is never missed, overtaken or far off.
 */
#include "agent/slot.h"

#include "tests/harness/test.h"

#define MINUTE INT64_C(60000)
#define HOUR   (60 * MINUTE)
#define START  INT64_C(1772323200000) /* 2026-03-01 00:00 UTC */

static struct schedule hourly(void)
{
    struct schedule schedule;

    assert_int_equal(schedule_parse("@hourly", NULL, &schedule, NULL), 0);
    return schedule;
}

static struct slot slot_at(int64_t last_success_ms, int64_t jitter_ms, int64_t now_ms)
{
    const struct schedule schedule = hourly();
    struct slot slot;

    slot_init(&slot, &schedule, jitter_ms, last_success_ms, now_ms);
    return slot;
}

static void what_was_never_backed_up_is_due_at_once(void **state)
{
    struct slot slot = slot_at(0, MINUTE, START + 10 * MINUTE);

    (void)state;
    assert_true(slot_is_due(&slot, START + 10 * MINUTE));
}

static void what_was_missed_is_made_up_for_once(void **state)
{
    const int64_t now_ms = START + 9 * HOUR + 10 * MINUTE;
    struct slot slot = slot_at(START + MINUTE, MINUTE, now_ms);

    (void)state;
    assert_true(slot_is_due(&slot, now_ms));
    slot_begin(&slot);
    slot_end(&slot, true, now_ms + MINUTE);
    assert_int_equal(slot.due_ms, START + 10 * HOUR + MINUTE);
}

static void what_is_done_waits_for_the_next_slot_and_its_jitter(void **state)
{
    struct slot slot = slot_at(START + MINUTE, 2 * MINUTE, START + 10 * MINUTE);

    (void)state;
    assert_false(slot_is_due(&slot, START + HOUR + 2 * MINUTE - 1));
    assert_true(slot_is_due(&slot, START + HOUR + 2 * MINUTE));
}

static void a_start_within_the_jitter_does_not_lose_the_slot(void **state)
{
    /* The slot was at 1:00, this one's turn is at 1:02, and it is 1:01. */
    struct slot slot = slot_at(START + 3 * MINUTE, 2 * MINUTE, START + HOUR + MINUTE);

    (void)state;
    assert_int_equal(slot.due_ms, START + HOUR + 2 * MINUTE);
}

static void a_backup_that_runs_is_not_due_and_slots_meanwhile_count_as_one(void **state)
{
    struct slot slot = slot_at(0, 0, START);

    (void)state;
    assert_true(slot_is_due(&slot, START));
    slot_begin(&slot);
    for (int64_t hour = 0; hour < 5; hour++)
        assert_false(slot_is_due(&slot, START + hour * HOUR));
    slot_end(&slot, true, START + 5 * HOUR - MINUTE);
    assert_int_equal(slot.due_ms, START + 5 * HOUR);
}

static void a_failure_is_tried_again_ever_later_and_at_the_next_slot(void **state)
{
    static const int64_t after[] = { 1, 2, 4, 8, 16, 28 }; /* minutes; the last is cut short */
    struct slot slot = slot_at(0, 0, START + MINUTE);
    int64_t now_ms = START + MINUTE;

    (void)state;
    for (size_t i = 0; i < sizeof(after) / sizeof(after[0]); i++) {
        slot_begin(&slot);
        slot_end(&slot, false, now_ms);
        assert_int_equal(slot.due_ms, now_ms + after[i] * MINUTE);
        now_ms = slot.due_ms;
    }
    assert_int_equal(now_ms, START + HOUR);
    slot_begin(&slot);
    slot_end(&slot, false, now_ms);
    assert_int_equal(slot.due_ms, now_ms + 30 * MINUTE);
    slot_begin(&slot);
    slot_end(&slot, true, slot.due_ms);
    assert_int_equal(slot.failures, 0);
    assert_int_equal(slot.due_ms, START + 2 * HOUR);
}

static void a_clock_put_back_does_not_delay_the_next_one(void **state)
{
    struct slot slot = slot_at(START + 48 * HOUR, 0, START + 48 * HOUR + MINUTE);

    (void)state;
    assert_int_equal(slot.due_ms, START + 49 * HOUR);
    assert_false(slot_is_due(&slot, START + 10 * HOUR + MINUTE));
    assert_int_equal(slot.due_ms, START + 11 * HOUR);
}

static void a_clock_put_forward_makes_it_due_once(void **state)
{
    struct slot slot = slot_at(START + MINUTE, 0, START + MINUTE);

    (void)state;
    assert_true(slot_is_due(&slot, START + 30 * HOUR));
    slot_begin(&slot);
    slot_end(&slot, true, START + 30 * HOUR);
    assert_false(slot_is_due(&slot, START + 30 * HOUR + MINUTE));
}

static void a_year_of_hours_is_a_year_of_backups(void **state)
{
    struct slot slot = slot_at(START, 7 * MINUTE, START);
    unsigned count = 0;

    (void)state;
    for (int64_t now_ms = START; now_ms < START + INT64_C(365) * 24 * HOUR; now_ms += MINUTE) {
        if (!slot_is_due(&slot, now_ms))
            continue;
        slot_begin(&slot);
        slot_end(&slot, true, now_ms + MINUTE / 2);
        count++;
    }
    assert_int_equal(count, 365 * 24);
}

static void what_is_asked_for_meanwhile_comes_after_it(void **state)
{
    struct slot slot = slot_at(START, 0, START);

    (void)state;
    slot_ask(&slot); /* nothing runs: whoever asks begins it */
    slot_begin(&slot);
    slot_end(&slot, true, START);
    assert_false(slot_is_due(&slot, START));
    slot_begin(&slot);
    slot_ask(&slot);
    assert_false(slot_is_due(&slot, START));
    slot_end(&slot, true, START + MINUTE);
    assert_true(slot_is_due(&slot, START + MINUTE));
    slot_begin(&slot);
    slot_end(&slot, true, START + MINUTE);
    assert_false(slot_is_due(&slot, START + MINUTE)); /* once */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_never_backed_up_is_due_at_once),
        cmocka_unit_test(what_was_missed_is_made_up_for_once),
        cmocka_unit_test(what_is_done_waits_for_the_next_slot_and_its_jitter),
        cmocka_unit_test(a_start_within_the_jitter_does_not_lose_the_slot),
        cmocka_unit_test(a_backup_that_runs_is_not_due_and_slots_meanwhile_count_as_one),
        cmocka_unit_test(what_is_asked_for_meanwhile_comes_after_it),
        cmocka_unit_test(a_failure_is_tried_again_ever_later_and_at_the_next_slot),
        cmocka_unit_test(a_clock_put_back_does_not_delay_the_next_one),
        cmocka_unit_test(a_clock_put_forward_makes_it_due_once),
        cmocka_unit_test(a_year_of_hours_is_a_year_of_backups),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

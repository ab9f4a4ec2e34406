#include "agent/slot.h"

static int64_t next_ms(const struct slot *slot, int64_t now_ms)
{
    /* A slot whose jitter is still to come is the next one, although it has passed. */
    const int64_t next = schedule_next(&slot->schedule, now_ms - slot->jitter_ms);

    return next == SCHEDULE_NEVER ? next : next + slot->jitter_ms;
}

bool slot_was_missed(const struct schedule *schedule, int64_t last_success_ms, int64_t now_ms)
{
    return schedule_previous(schedule, now_ms) > last_success_ms;
}

void slot_init(struct slot *slot, const struct schedule *schedule, int64_t jitter_ms,
               int64_t last_success_ms, int64_t now_ms)
{
    *slot = (struct slot){ .schedule = *schedule, .jitter_ms = jitter_ms };
    slot->due_ms = slot_was_missed(schedule, last_success_ms, now_ms - jitter_ms)
                       ? now_ms
                       : next_ms(slot, now_ms);
}

bool slot_is_due(struct slot *slot, int64_t now_ms)
{
    const int64_t next = next_ms(slot, now_ms);

    if (slot->running)
        return false;
    if (next < slot->due_ms)
        slot->due_ms = next; /* the clock was put back */
    return now_ms >= slot->due_ms;
}

void slot_ask(struct slot *slot)
{
    slot->asked = slot->running;
}

void slot_begin(struct slot *slot)
{
    slot->running = true;
}

void slot_end(struct slot *slot, bool ok, int64_t now_ms)
{
    int64_t retry_ms = SLOT_RETRY_MS_MIN;

    slot->running = false;
    slot->due_ms = next_ms(slot, now_ms);
    if (slot->asked) {
        slot->asked = false;
        slot->due_ms = now_ms;
    }
    if (ok) {
        slot->failures = 0;
        return;
    }
    for (unsigned i = 0; i < slot->failures && retry_ms < SLOT_RETRY_MS_MAX; i++)
        retry_ms *= 2;
    if (retry_ms > SLOT_RETRY_MS_MAX)
        retry_ms = SLOT_RETRY_MS_MAX;
    if (now_ms + retry_ms < slot->due_ms)
        slot->due_ms = now_ms + retry_ms;
    slot->failures++;
}

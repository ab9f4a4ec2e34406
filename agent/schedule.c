#include "agent/schedule.h"

#include "agent/zone.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/parse.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define HORIZON_SEC INT64_C(253402300800) /* the year 10000 */
/* 29 February on a given day of the week: every 28 years, 40 around 2100. */
#define SEARCH_SEC (INT64_C(41) * 366 * 24 * 60 * 60)
#define EVERY      "every"

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static const char *skip_blanks(const char *text)
{
    while (is_blank(*text))
        text++;
    return text;
}

static int parse_every(const char *text, int64_t *ret_ms, struct err *err)
{
    char *word = str_dup(str_from(text));
    size_t len;
    int64_t ms = 0;
    int r;

    if (word == NULL)
        return err_nomem(err);
    for (len = strlen(word); len > 0 && is_blank(word[len - 1]); len--)
        word[len - 1] = '\0';
    r = parse_duration(word, &ms, err);
    if (r == 0 && (ms < SCHEDULE_EVERY_MS_MIN || ms > SCHEDULE_EVERY_MS_MAX || ms % 1000 != 0))
        r = err_set(err, ERR_CONFIG, "'%s' is not whole seconds from 1m to 366d", word);
    free(word);
    if (r < 0)
        return r;
    *ret_ms = ms;
    return 0;
}

/* A word that begins with a digit; five fields have blanks between them. */
static bool is_duration(const char *text)
{
    const size_t len = strcspn(text, " \t");

    return *text >= '0' && *text <= '9' && *skip_blanks(text + len) == '\0';
}

int schedule_parse(const char *text, const struct zone *zone, struct schedule *ret, struct err *err)
{
    struct schedule schedule = { .zone = zone };
    const size_t every_len = strlen(EVERY);
    int r;

    text = skip_blanks(text);
    if (*text == '\0') {
        err_set(err, ERR_CONFIG, "the schedule is empty");
        err_hint(err, "five fields as in a crontab, a word such as @hourly, or 'every 15m'");
        return ERR_CONFIG;
    }
    if (strncasecmp(text, EVERY, every_len) == 0 && is_blank(text[every_len])) {
        r = parse_every(skip_blanks(text + every_len), &schedule.every_ms, err);
    } else if (is_duration(text)) {
        r = parse_every(text, &schedule.every_ms, err);
    } else {
        r = cron_parse(text, &schedule.cron, err);
    }
    if (r == 0)
        *ret = schedule;
    return r;
}

void schedule_format(const struct schedule *schedule, struct buf *out)
{
    static const struct {
        int64_t seconds;
        char unit;
    } units[] = { { 86400, 'd' }, { 3600, 'h' }, { 60, 'm' }, { 1, 's' } };
    int64_t seconds = schedule->every_ms / 1000;

    if (seconds == 0) {
        cron_format(&schedule->cron, out);
        return;
    }
    buf_add_text(out, EVERY " ");
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (seconds >= units[i].seconds)
            buf_addf(out, "%lld%c", (long long)(seconds / units[i].seconds), units[i].unit);
        seconds %= units[i].seconds;
    }
}

static int64_t min_i64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t max_i64(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* The first slot in [from_sec, to_sec), which lies in span. */
static bool find_in_span(const struct cron *cron, const struct zone_span *span, int64_t from_sec,
                         int64_t to_sec, int64_t *ret_sec)
{
    const int64_t changed_by_sec = span->offset_sec - span->offset_before_sec;
    int64_t wall_sec;

    if (!cron->hour_star) {
        /* Put forward: what the wall did not show comes now. */
        if (from_sec == span->begin_sec && changed_by_sec > 0 &&
            cron_find(cron, from_sec + span->offset_before_sec, from_sec + span->offset_sec,
                      &wall_sec)) {
            *ret_sec = from_sec;
            return true;
        }
        /* Put back: until here the wall shows what it has shown before. */
        if (changed_by_sec < 0)
            from_sec = max_i64(from_sec, span->begin_sec - changed_by_sec);
    }
    if (!cron_find(cron, from_sec + span->offset_sec, to_sec + span->offset_sec, &wall_sec))
        return false;
    *ret_sec = wall_sec - span->offset_sec;
    return true;
}

/* The first slot at or after from_sec. */
static int64_t next_by_cron(const struct schedule *schedule, int64_t from_sec)
{
    const int64_t end_sec = min_i64(from_sec + SEARCH_SEC, HORIZON_SEC);
    int64_t found_sec = SCHEDULE_NEVER;

    while (from_sec < end_sec) {
        const struct zone_span span = zone_span(schedule->zone, from_sec);
        const int64_t to_sec = min_i64(span.end_sec, end_sec);

        if (find_in_span(&schedule->cron, &span, from_sec, to_sec, &found_sec))
            return found_sec;
        from_sec = to_sec;
    }
    return SCHEDULE_NEVER;
}

int64_t schedule_next(const struct schedule *schedule, int64_t after_ms)
{
    const int64_t after = max_i64(after_ms, -1); /* the first slot that there can be is at 0 */
    int64_t sec;

    if (schedule->every_ms > 0) {
        const int64_t slots = after < 0 ? 0 : after / schedule->every_ms + 1;

        return slots > (SCHEDULE_NEVER - 1) / schedule->every_ms ? SCHEDULE_NEVER
                                                                 : slots * schedule->every_ms;
    }
    if (after >= HORIZON_SEC * 1000)
        return SCHEDULE_NEVER;
    sec = next_by_cron(schedule, after < 0 ? 0 : after / 1000 + 1);
    return sec == SCHEDULE_NEVER ? SCHEDULE_NEVER : sec * 1000;
}

/* By schedule_next(), so that the two cannot differ: asked from further and further back until its
 * answer is not in the future, and then by halves for the last such answer. */
int64_t schedule_previous(const struct schedule *schedule, int64_t now_ms)
{
    int64_t slot_ms, beyond_ms, back_ms = 60000;

    if (now_ms < 0)
        return SCHEDULE_NONE;
    if (schedule->every_ms > 0)
        return now_ms - now_ms % schedule->every_ms;
    now_ms = min_i64(now_ms, HORIZON_SEC * 1000);
    beyond_ms = now_ms;
    for (;; back_ms *= 8) {
        slot_ms = schedule_next(schedule, now_ms - back_ms);
        if (slot_ms <= now_ms)
            break;
        if (back_ms > now_ms)
            return SCHEDULE_NONE;
    }
    while (slot_ms < beyond_ms) {
        const int64_t middle_ms = slot_ms + (beyond_ms - slot_ms) / 2;
        const int64_t next_ms = schedule_next(schedule, middle_ms);

        if (next_ms <= now_ms) {
            slot_ms = next_ms;
        } else {
            beyond_ms = middle_ms;
        }
    }
    return slot_ms;
}

/* FNV-1a, whose upper bits hardly differ between short seeds, and the finalizer of splitmix64,
 * which mends that. */
static uint64_t hash(const char *text)
{
    uint64_t value = UINT64_C(0xcbf29ce484222325);

    for (; *text != '\0'; text++)
        value = (value ^ (uint8_t)*text) * UINT64_C(0x100000001b3);
    value = (value ^ value >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    value = (value ^ value >> 27) * UINT64_C(0x94d049bb133111eb);
    return value ^ value >> 31;
}

int64_t schedule_jitter_ms(const char *seed, int64_t jitter_max_ms)
{
    return jitter_max_ms <= 0 ? 0 : (int64_t)(hash(seed) % ((uint64_t)jitter_max_ms + 1));
}

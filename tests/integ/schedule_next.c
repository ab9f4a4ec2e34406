/* The slots of agent/schedule.h, for comparison with another program's: JSON lines in, JSON lines
 * out; times in seconds.
 *
 *   {"schedule": "0 3 * * *", "zone": "Europe/Berlin", "after": s, "until": s}
 *   -> [s, ...]          those after one and at or before the other, or {"error": "..."}
 *   {"schedule": "0 3 * * *", "zone": "Europe/Berlin", "previous": [s, ...]}
 *   -> [s, ...]          for each the last at or before it
 *   {"zone": "Europe/Berlin", "offsets": [s, ...]}
 *   -> [s, ...]          how far the wall is from UTC
 */
#include "agent/schedule.h"
#include "agent/zone.h"
#include "base/err.h"

#include <assert.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

static const struct zone *zone_get(const char *name, struct err *err)
{
    static struct zone *zone;

    if (zone == NULL || strcmp(zone_name(zone), name) != 0) {
        zone_free(zone);
        zone = NULL;
        if (zone_load(name, &zone, err) < 0)
            return NULL;
    }
    return zone;
}

static void add_slots(const struct schedule *schedule, const json_t *question, json_t *answer)
{
    const int64_t until_ms = json_integer_value(json_object_get(question, "until")) * 1000;
    int64_t at_ms = json_integer_value(json_object_get(question, "after")) * 1000;

    while ((at_ms = schedule_next(schedule, at_ms)) <= until_ms) {
        assert(at_ms % 1000 == 0);
        (void)json_array_append_new(answer, json_integer(at_ms / 1000));
    }
}

static void add_previous(const struct schedule *schedule, const json_t *times, json_t *answer)
{
    for (size_t i = 0; i < json_array_size(times); i++) {
        const int64_t now_ms = json_integer_value(json_array_get(times, i)) * 1000;

        (void)json_array_append_new(answer,
                                    json_integer(schedule_previous(schedule, now_ms) / 1000));
    }
}

static void add_offsets(const struct zone *zone, const json_t *times, json_t *answer)
{
    for (size_t i = 0; i < json_array_size(times); i++) {
        const int64_t at_sec = json_integer_value(json_array_get(times, i));

        (void)json_array_append_new(answer, json_integer(zone_span(zone, at_sec).offset_sec));
    }
}

static json_t *answer_to(const json_t *question)
{
    const char *text = json_string_value(json_object_get(question, "schedule"));
    const json_t *offsets = json_object_get(question, "offsets");
    const json_t *previous = json_object_get(question, "previous");
    json_t *answer = json_array();
    struct schedule schedule = { 0 };
    struct err err;
    const struct zone *zone;

    err_clear(&err);
    zone = zone_get(json_string_value(json_object_get(question, "zone")), &err);
    if (zone == NULL || (text != NULL && schedule_parse(text, zone, &schedule, &err) < 0)) {
        json_decref(answer);
        return json_pack("{s:s}", "error", err.msg);
    }
    if (offsets != NULL) {
        add_offsets(zone, offsets, answer);
    } else if (previous != NULL) {
        add_previous(&schedule, previous, answer);
    } else {
        add_slots(&schedule, question, answer);
    }
    return answer;
}

int main(void)
{
    static char line[1 << 20];

    while (fgets(line, sizeof(line), stdin) != NULL) {
        json_t *question = json_loads(line, 0, NULL);
        json_t *answer;

        if (question == NULL) {
            (void)fprintf(stderr, "not a question: %.80s\n", line);
            return 1;
        }
        answer = answer_to(question);
        if (json_dumpf(answer, stdout, JSON_COMPACT) != 0 || puts("") < 0 || fflush(stdout) != 0)
            return 1;
        json_decref(answer);
        json_decref(question);
    }
    return 0;
}

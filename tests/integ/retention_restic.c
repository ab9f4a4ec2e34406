/* The policy of retention/policy.h, for comparison with another program's: JSON lines in, JSON
 * lines out.
 *
 *   {"policy": {"last": 1, ..., "within": "1y2m"}, "now": ms, "times": [ms, ...]}
 *   -> [reasons, ...]    numbers as in enum retention_reason, in the order of times
 */
#include "retention/policy.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static unsigned get(const json_t *policy, const char *name)
{
    return (unsigned)json_integer_value(json_object_get(policy, name));
}

static int answer(const char *line)
{
    json_t *question = json_loads(line, 0, NULL), *reasons_json = json_array();
    const json_t *policy_json = json_object_get(question, "policy");
    const json_t *times = json_object_get(question, "times");
    const char *within = json_string_value(json_object_get(policy_json, "within"));
    const size_t count = json_array_size(times);
    struct retention_policy policy = {
        .last = get(policy_json, "last"),
        .hourly = get(policy_json, "hourly"),
        .daily = get(policy_json, "daily"),
        .weekly = get(policy_json, "weekly"),
        .monthly = get(policy_json, "monthly"),
        .yearly = get(policy_json, "yearly"),
    };
    struct retention_item *items = calloc(count + 1, sizeof(*items));
    unsigned *reasons = calloc(count + 1, sizeof(*reasons));
    int r = 1;

    if (question == NULL || items == NULL || reasons == NULL)
        goto out;
    if (within != NULL && retention_within_parse(within, &policy.within, NULL) < 0)
        goto out;
    for (size_t i = 0; i < count; i++)
        items[i].created_at_ms = json_integer_value(json_array_get(times, i));
    retention_apply(&policy, items, count, json_integer_value(json_object_get(question, "now")),
                    reasons);
    for (size_t i = 0; i < count; i++)
        (void)json_array_append_new(reasons_json, json_integer(reasons[i]));
    r = json_dumpf(reasons_json, stdout, JSON_COMPACT) == 0 && putchar('\n') == '\n' ? 0 : 1;
out:
    free(items);
    free(reasons);
    json_decref(reasons_json);
    json_decref(question);
    return r;
}

int main(void)
{
    static char line[1 << 20];

    while (fgets(line, sizeof(line), stdin) != NULL) {
        if (answer(line) != 0) {
            (void)fprintf(stderr, "not a question: %.80s\n", line);
            return 1;
        }
    }
    return 0;
}

#include "snapshot/pack_set.h"

#include "base/err.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

void pack_set_dispose(struct pack_set *set)
{
    free(set->ranges);
    *set = (struct pack_set)PACK_SET_INIT;
}

int pack_set_copy(const struct pack_set *from, struct pack_set *ret_set, struct err *err)
{
    const size_t size = from->range_count * sizeof(*from->ranges);
    struct pack_set copy = { malloc(size > 0 ? size : 1), from->range_count, from->range_count };

    if (copy.ranges == NULL)
        return err_nomem(err);
    if (size > 0)
        memcpy(copy.ranges, from->ranges, size);
    *ret_set = copy;
    return 0;
}

bool pack_set_has(const struct pack_set *set, uint32_t index)
{
    size_t low = 0, high = set->range_count;

    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        const struct pack_range *range = &set->ranges[middle];

        if (index < range->first) {
            high = middle;
        } else if (index - range->first >= range->count) {
            low = middle + 1;
        } else {
            return true;
        }
    }
    return false;
}

size_t pack_set_size(const struct pack_set *set)
{
    size_t size = 0;

    for (size_t i = 0; i < set->range_count; i++)
        size += set->ranges[i].count;
    return size;
}

int pack_set_append(struct pack_set *set, uint32_t first, uint32_t count, struct err *err)
{
    struct pack_range *last = set->range_count > 0 ? &set->ranges[set->range_count - 1] : NULL;
    struct pack_range *ranges;

    assert(count > 0 && (last == NULL || first >= last->first + last->count));
    if (last != NULL && first == last->first + last->count) {
        last->count += count;
        return 0;
    }
    if (set->range_count == set->range_size) {
        const size_t size = set->range_size > 0 ? set->range_size * 2 : 1;

        ranges = realloc(set->ranges, size * sizeof(*ranges));
        if (ranges == NULL)
            return err_nomem(err);
        set->ranges = ranges;
        set->range_size = size;
    }
    set->ranges[set->range_count++] = (struct pack_range){ first, count };
    return 0;
}

int pack_set_from_flags(const bool *members, size_t count, struct pack_set *ret_set,
                        struct err *err)
{
    struct pack_set set = PACK_SET_INIT;

    for (size_t i = 0; i < count; i++) {
        if (members[i] && pack_set_append(&set, (uint32_t)i, 1, err) < 0) {
            pack_set_dispose(&set);
            return ERR_NOMEM;
        }
    }
    *ret_set = set;
    return 0;
}

void pack_set_to_flags(const struct pack_set *set, bool *members)
{
    for (size_t i = 0; i < set->range_count; i++) {
        for (uint32_t k = 0; k < set->ranges[i].count; k++)
            members[set->ranges[i].first + k] = true;
    }
}

void pack_set_renumber(struct pack_set *set, const uint32_t *kept_before)
{
    size_t count = 0;

    for (size_t i = 0; i < set->range_count; i++) {
        const struct pack_range old = set->ranges[i];
        const uint32_t first = kept_before[old.first];
        const uint32_t end = kept_before[old.first + old.count];
        struct pack_range *last = count > 0 ? &set->ranges[count - 1] : NULL;

        if (first == end)
            continue;
        if (last != NULL && last->first + last->count == first) {
            last->count += end - first;
        } else {
            set->ranges[count++] = (struct pack_range){ first, end - first };
        }
    }
    set->range_count = count;
}

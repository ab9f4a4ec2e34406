/*
 * pack_set.h - which of a manifest's packs a backup refers to.  Pure.
 *
 * A set of indexes into manifest.packs, as ranges in ascending order that neither touch nor
 * overlap.  Hourly backups refer to hundreds of packs each, nearly all of them neighbours, so a
 * list of names would make a manifest grow with the square of the backups in it.
 */
#ifndef SNAPSHOT_PACK_SET_H
#define SNAPSHOT_PACK_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;

struct pack_range {
    uint32_t first, count; /* count > 0 */
};

struct pack_set {
    struct pack_range *ranges;
    size_t range_count, range_size;
};

#define PACK_SET_INIT                                                                              \
    {                                                                                              \
        0                                                                                          \
    }

void pack_set_dispose(struct pack_set *set); /* may be repeated */
int pack_set_copy(const struct pack_set *from, struct pack_set *ret_set, struct err *err);
bool pack_set_has(const struct pack_set *set, uint32_t index);
/* How many packs are in it. */
size_t pack_set_size(const struct pack_set *set);

/* The indexes below count whose member is true. */
int pack_set_from_flags(const bool *members, size_t count, struct pack_set *ret_set,
                        struct err *err);
/* Make true what is in the set; flags has room for every index in it. */
void pack_set_to_flags(const struct pack_set *set, bool *members);

/* Append a range that begins at or after the end of the last one. */
int pack_set_append(struct pack_set *set, uint32_t first, uint32_t count, struct err *err);

/* New indexes, after some packs have gone: kept_before[i] packs of those before index i stay, for i
 * up to and with the number of packs.  Members that go leave the set. */
void pack_set_renumber(struct pack_set *set, const uint32_t *kept_before);

#endif

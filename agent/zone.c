#include "agent/zone.h"

#include "agent/env.h"
#include "agent/zone_rule.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define ZONE_FOLDER    "/usr/share/zoneinfo"
#define ZONE_LOCALTIME "/etc/localtime"

#define TZIF_HEADER_LEN 44
#define TZIF_TYPE_LEN   6
#define RULE_LEN_MAX    256
/* What RFC 8536, 3.2 lets offsets be. */
#define OFFSET_SEC_MIN   (-89999)
#define OFFSET_SEC_MAX   93599
#define RULE_YEAR_MIN    1969 /* summer in the south may begin before 1970 and end in it */
#define RULE_CHANGES_MAX ((size_t)2 * (ZONE_YEAR_MAX - RULE_YEAR_MIN + 1))

struct change {
    int64_t at_sec;
    int32_t offset_sec; /* from then on */
};

struct zone {
    char *name;
    struct change *changes; /* in ascending order, each to another offset */
    size_t count;
    int32_t first_offset_sec; /* before all changes */
};

/* One of the two blocks of a TZif file: the counts of its header, and the data after it. */
struct tzif {
    const uint8_t *data;
    size_t data_len;
    size_t time_size; /* 4 or 8 bytes */
    size_t time_count, type_count, leap_count;
    uint8_t version;
};

static struct zone *zone_new(const char *name, size_t changes_max)
{
    struct zone *zone = calloc(1, sizeof(*zone));

    if (zone == NULL)
        return NULL;
    zone->name = strdup(name);
    zone->changes = calloc(changes_max + 1, sizeof(*zone->changes));
    if (zone->name == NULL || zone->changes == NULL) {
        zone_free(zone);
        return NULL;
    }
    return zone;
}

void zone_free(struct zone *zone)
{
    if (zone == NULL)
        return;
    free(zone->changes);
    free(zone->name);
    free(zone);
}

const char *zone_name(const struct zone *zone)
{
    return zone->name;
}

static void add_change(struct zone *zone, int64_t at_sec, int32_t offset_sec)
{
    const int32_t before =
        zone->count > 0 ? zone->changes[zone->count - 1].offset_sec : zone->first_offset_sec;

    if (offset_sec != before)
        zone->changes[zone->count++] = (struct change){ at_sec, offset_sec };
}

static int year_of(int64_t at_sec)
{
    const time_t at = (time_t)at_sec;
    struct tm date = { 0 };

    (void)gmtime_r(&at, &date);
    return date.tm_year + 1900;
}

/* What the rule says after from_sec, when the data that stood before it end. */
static void add_rule(struct zone *zone, const struct zone_rule *rule, int64_t from_sec)
{
    int64_t last_sec = from_sec;
    int year = RULE_YEAR_MIN;

    if (!rule->has_summer)
        return;
    if (from_sec > 0)
        year = from_sec < INT64_C(253402300800) ? year_of(from_sec) : ZONE_YEAR_MAX + 1;
    for (; year <= ZONE_YEAR_MAX; year++) {
        const int64_t begins = zone_rule_summer_begins(rule, year);
        const int64_t ends = zone_rule_summer_ends(rule, year);

        for (int i = 0; i < 2; i++) {
            /* Summer all year is written as one that ends when the next begins. */
            const bool summer = (i == 0) == (begins < ends);
            const int64_t at_sec = summer ? begins : ends;

            if (at_sec <= last_sec && !(summer && at_sec == last_sec))
                continue;
            if (at_sec == last_sec && zone->count > 0 &&
                zone->changes[zone->count - 1].at_sec == at_sec)
                zone->count--;
            add_change(zone, at_sec, summer ? rule->summer_sec : rule->standard_sec);
            last_sec = at_sec;
        }
    }
}

static uint64_t read_be(const uint8_t *data, size_t len)
{
    uint64_t value = 0;

    for (size_t i = 0; i < len; i++)
        value = value << 8 | data[i];
    return value;
}

static int corrupt(const char *name, const char *what, struct err *err)
{
    return err_set(err, ERR_CORRUPT, "time zone '%s': %s", name, what);
}

/* A header, and that the data which it promises are there. */
static int read_header(const char *name, const uint8_t *data, size_t len, size_t time_size,
                       struct tzif *ret, struct err *err)
{
    struct tzif block = { .time_size = time_size };
    size_t ut_count, std_count, char_count;

    if (len < TZIF_HEADER_LEN || memcmp(data, "TZif", 4) != 0)
        return corrupt(name, "not a TZif file", err);
    block.version = data[4];
    ut_count = (size_t)read_be(data + 20, 4);
    std_count = (size_t)read_be(data + 24, 4);
    block.leap_count = (size_t)read_be(data + 28, 4);
    block.time_count = (size_t)read_be(data + 32, 4);
    block.type_count = (size_t)read_be(data + 36, 4);
    char_count = (size_t)read_be(data + 40, 4);
    block.data = data + TZIF_HEADER_LEN;
    /* Each count is less than 2^32, so this cannot overflow. */
    block.data_len = block.time_count * (time_size + 1) + block.type_count * TZIF_TYPE_LEN +
                     char_count + block.leap_count * (time_size + 4) + std_count + ut_count;
    if (block.data_len > len - TZIF_HEADER_LEN)
        return corrupt(name, "ends too early", err);
    *ret = block;
    return 0;
}

static int read_offset(const char *name, const struct tzif *block, size_t type, int32_t *ret,
                       struct err *err)
{
    const uint8_t *types = block->data + block->time_count * (block->time_size + 1);
    int32_t offset_sec;

    if (type >= block->type_count)
        return corrupt(name, "names a type of local time that it has not", err);
    offset_sec = (int32_t)(uint32_t)read_be(types + type * TZIF_TYPE_LEN, 4);
    if (offset_sec < OFFSET_SEC_MIN || offset_sec > OFFSET_SEC_MAX)
        return corrupt(name, "more than a day from UTC", err);
    *ret = offset_sec;
    return 0;
}

static int read_changes(struct zone *zone, const struct tzif *block, int64_t *ret_last_sec,
                        struct err *err)
{
    const uint8_t *indexes = block->data + block->time_count * block->time_size;
    int r = read_offset(zone->name, block, 0, &zone->first_offset_sec, err);

    *ret_last_sec = INT64_MIN;
    for (size_t i = 0; r == 0 && i < block->time_count; i++) {
        const int64_t at_sec =
            (int64_t)read_be(block->data + i * block->time_size, block->time_size);
        int32_t offset_sec = 0;

        if (i > 0 && at_sec <= *ret_last_sec)
            return corrupt(zone->name, "changes are not in order", err);
        r = read_offset(zone->name, block, indexes[i], &offset_sec, err);
        if (r == 0)
            add_change(zone, at_sec, offset_sec);
        *ret_last_sec = at_sec;
    }
    return r;
}

/* What stands between two line ends after the data: a rule, or nothing. */
static int read_footer(struct zone *zone, const uint8_t *data, size_t len, int64_t from_sec,
                       struct err *err)
{
    struct zone_rule rule;
    char text[RULE_LEN_MAX];
    const uint8_t *end = len > 1 ? memchr(data + 1, '\n', len - 1) : NULL;
    size_t text_len;
    int r;

    if (end == NULL || data[0] != '\n')
        return corrupt(zone->name, "has no footer", err);
    text_len = (size_t)(end - data) - 1;
    if (text_len >= sizeof(text) || memchr(data + 1, '\0', text_len) != NULL)
        return corrupt(zone->name, "its footer is not a rule", err);
    if (text_len == 0)
        return 0;
    memcpy(text, data + 1, text_len);
    text[text_len] = '\0';
    r = zone_rule_parse(text, &rule, err);
    if (r < 0)
        return corrupt(zone->name, "its footer is not a rule", err);
    add_rule(zone, &rule, from_sec);
    return 0;
}

int zone_parse(const char *name, const void *data, size_t len, struct zone **ret, struct err *err)
{
    const uint8_t *bytes = data;
    struct zone *zone = NULL;
    struct tzif old, block;
    size_t block_at, end;
    int64_t last_sec;
    int r;

    /* First a block with times of 32 bits, for old readers, then one with 64. */
    r = read_header(name, bytes, len, 4, &old, err);
    if (r < 0)
        return r;
    if (old.version < '2')
        return corrupt(name, "version 1, without times after 2037", err);
    block_at = TZIF_HEADER_LEN + old.data_len;
    r = read_header(name, bytes + block_at, len - block_at, 8, &block, err);
    if (r < 0)
        return r;
    if (block.leap_count > 0)
        return corrupt(name, "counts leap seconds, which clocks do not", err);
    zone = zone_new(name, block.time_count + RULE_CHANGES_MAX);
    if (zone == NULL)
        return err_nomem(err);
    r = read_changes(zone, &block, &last_sec, err);
    end = block_at + TZIF_HEADER_LEN + block.data_len;
    if (r == 0)
        r = read_footer(zone, bytes + end, len - end, last_sec, err);
    if (r < 0) {
        zone_free(zone);
        return r;
    }
    *ret = zone;
    return 0;
}

int zone_parse_rule(const char *name, const char *text, struct zone **ret, struct err *err)
{
    struct zone_rule rule;
    struct zone *zone;
    int r = zone_rule_parse(text, &rule, err);

    if (r < 0)
        return r;
    zone = zone_new(name, RULE_CHANGES_MAX);
    if (zone == NULL)
        return err_nomem(err);
    zone->first_offset_sec = rule.standard_sec;
    add_rule(zone, &rule, INT64_MIN);
    *ret = zone;
    return 0;
}

static int load_utc(const char *name, struct zone **ret, struct err *err)
{
    *ret = zone_new(name, 0);
    return *ret != NULL ? 0 : err_nomem(err);
}

static int load_file(const char *name, const char *path, struct zone **ret, struct err *err)
{
    struct buf data = BUF_INIT(ZONE_FILE_LEN_MAX);
    int r = file_read(path, &data, err);

    if (r == 0)
        r = zone_parse(name, data.ptr, data.len, ret, err);
    buf_dispose(&data);
    return r;
}

/* Without a dot it cannot leave the folder. */
static bool is_name(const char *name)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                  "_-+/";

    return name[0] != '\0' && name[strspn(name, allowed)] == '\0';
}

static int load_named(const char *name, const char *asked_for, struct zone **ret, struct err *err)
{
    const char *folder = env_get("TZDIR");
    struct err cause;
    char *path;
    int r;

    if (strcasecmp(name, "UTC") == 0)
        return load_utc(asked_for, ret, err);
    if (!is_name(name))
        return ERR_NOT_FOUND;
    path = path_join(folder != NULL ? folder : ZONE_FOLDER, name);
    if (path == NULL)
        return err_nomem(err);
    err_clear(&cause);
    r = load_file(asked_for, path, ret, &cause);
    if (r == ERR_IO && (cause.os_errno == EISDIR || cause.os_errno == ENOTDIR))
        r = ERR_NOT_FOUND;
    if (err != NULL)
        *err = cause;
    free(path);
    return r;
}

static int unknown(const char *name, struct err *err)
{
    err_set(err, ERR_CONFIG, "time zone '%s' is not known", name);
    err_hint(err, "UTC, local, or a name such as Europe/Berlin that is below " ZONE_FOLDER
                  " (package tzdata)");
    return ERR_CONFIG;
}

static int load_local(struct zone **ret, struct err *err)
{
    /* Set to nothing it means UTC, which env_get() does not tell from unset. */
    const char *tz = getenv("TZ"); /* NOLINT(concurrency-mt-unsafe): nothing calls setenv() */
    int r;

    if (tz == NULL) {
        r = load_file("local", ZONE_LOCALTIME, ret, err);
        return r == ERR_NOT_FOUND ? load_utc("local", ret, err) : r;
    }
    if (*tz == ':')
        tz++;
    if (*tz == '\0')
        return load_utc("local", ret, err);
    r = *tz == '/' ? load_file("local", tz, ret, err) : load_named(tz, "local", ret, err);
    if (r != ERR_NOT_FOUND)
        return r;
    if (zone_parse_rule("local", tz, ret, NULL) == 0)
        return 0;
    return err_wrap(err, unknown(tz, err), "TZ");
}

int zone_load(const char *name, struct zone **ret, struct err *err)
{
    int r;

    if (strcasecmp(name, "local") == 0)
        return load_local(ret, err);
    r = load_named(name, name, ret, err);
    return r == ERR_NOT_FOUND ? unknown(name, err) : r;
}

struct zone_span zone_span(const struct zone *zone, int64_t at_sec)
{
    struct zone_span span = { .begin_sec = INT64_MIN, .end_sec = INT64_MAX };
    size_t low = 0, high;

    if (zone == NULL)
        return span;
    high = zone->count;
    while (low < high) { /* to the number of changes at or before at_sec */
        const size_t middle = low + (high - low) / 2;

        if (zone->changes[middle].at_sec <= at_sec) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    span.offset_sec = low > 0 ? zone->changes[low - 1].offset_sec : zone->first_offset_sec;
    span.offset_before_sec = low > 1 ? zone->changes[low - 2].offset_sec : zone->first_offset_sec;
    if (low > 0)
        span.begin_sec = zone->changes[low - 1].at_sec;
    if (low < zone->count)
        span.end_sec = zone->changes[low].at_sec;
    return span;
}

#include "s3/profile.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <openssl/crypto.h>

#include "base/err.h"
#include "base/file.h"
#include "s3/credentials.h"

#define FILE_LEN_MAX (1u << 20) /* bytes */

enum section_kind {
    SECTION_NONE, /* what is before the first one, and those that nobody here reads */
    SECTION_PROFILE,
    SECTION_SERVICES
};

/* One line, or the head of a section, whose key is "". */
struct entry {
    enum section_kind kind;
    char *section;
    char *group; /* the key that an indented line belongs to; "" when it is not indented */
    char *key, *value;
};

struct s3_profiles {
    struct entry *entries;
    size_t count, size;
    int failed; /* 0, or why a file that was named could not be read */
    struct err why;
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static struct str trim(struct str text)
{
    while (text.len > 0 && is_blank(text.ptr[0])) {
        text.ptr++;
        text.len--;
    }
    while (text.len > 0 && is_blank(text.ptr[text.len - 1]))
        text.len--;
    return text;
}

/* The first line of *rest, without its end. */
static struct str next_line(struct str *rest)
{
    const char *end = memchr(rest->ptr, '\n', rest->len);
    struct str line = { rest->ptr, end != NULL ? (size_t)(end - rest->ptr) : rest->len };
    const size_t used = line.len + (end != NULL ? 1 : 0);

    rest->ptr += used;
    rest->len -= used;
    return line;
}

static void wipe_free(char *text)
{
    if (text != NULL)
        OPENSSL_cleanse(text, strlen(text));
    free(text);
}

static void entry_dispose(struct entry *entry)
{
    free(entry->section);
    free(entry->group);
    free(entry->key);
    wipe_free(entry->value);
}

static int add_entry(struct s3_profiles *profiles, const struct entry *place, struct str key,
                     struct str value, struct err *err)
{
    struct entry entry = { .kind = place->kind };

    if (profiles->count == profiles->size) {
        const size_t size = profiles->size * 2 + 16;
        struct entry *larger = realloc(profiles->entries, size * sizeof(*larger));

        if (larger == NULL)
            return err_nomem(err);
        profiles->entries = larger;
        profiles->size = size;
    }
    entry.section = strdup(place->section);
    entry.group = strdup(place->group);
    entry.key = str_dup(key);
    entry.value = str_dup(value);
    if (entry.section == NULL || entry.group == NULL || entry.key == NULL || entry.value == NULL) {
        entry_dispose(&entry);
        return err_nomem(err);
    }
    profiles->entries[profiles->count++] = entry;
    return 0;
}

/* What "[...]" begins.  "profile" before a name is for the config file, and harmless in the
 * other. */
static enum section_kind read_section(struct str line, enum s3_profile_file file,
                                      struct str *ret_name)
{
    const char *end = memchr(line.ptr, ']', line.len);
    struct str name;
    size_t word;

    *ret_name = STR_LIT("");
    if (end == NULL)
        return SECTION_NONE;
    name = trim((struct str){ line.ptr + 1, (size_t)(end - line.ptr) - 1 });
    for (word = 0; word < name.len && name.ptr[word] != ' ' && name.ptr[word] != '\t'; word++)
        continue;
    *ret_name = name;
    if (word == name.len) {
        return file == S3_PROFILE_CREDENTIALS || str_eq_text(name, "default") ? SECTION_PROFILE
                                                                              : SECTION_NONE;
    }
    *ret_name = trim((struct str){ name.ptr + word, name.len - word });
    name.len = word;
    if (str_eq_text(name, "profile"))
        return SECTION_PROFILE;
    return str_eq_text(name, "services") ? SECTION_SERVICES : SECTION_NONE;
}

/* "key = value # comment"; false when there is no '='. */
static bool read_property(struct str line, struct str *ret_key, struct str *ret_value)
{
    const char *equals = memchr(line.ptr, '=', line.len);
    struct str value;

    if (equals == NULL)
        return false;
    *ret_key = trim((struct str){ line.ptr, (size_t)(equals - line.ptr) });
    value = trim((struct str){ equals + 1, line.len - (size_t)(equals - line.ptr) - 1 });
    for (size_t i = 1; i < value.len; i++) { /* a comment needs white space before it */
        if ((value.ptr[i] == '#' || value.ptr[i] == ';') &&
            (value.ptr[i - 1] == ' ' || value.ptr[i - 1] == '\t'))
            value = trim((struct str){ value.ptr, i - 1 });
    }
    *ret_value = value;
    return ret_key->len > 0;
}

static int set_text(char **to, struct str text, struct err *err)
{
    free(*to);
    *to = str_dup(text);
    return *to == NULL ? err_nomem(err) : 0;
}

static int begin_section(struct s3_profiles *profiles, struct str line, enum s3_profile_file file,
                         struct entry *place, struct err *err)
{
    struct str name;
    int r;

    place->kind = read_section(line, file, &name);
    r = set_text(&place->section, name, err);
    if (r == 0)
        r = set_text(&place->group, STR_LIT(""), err);
    if (r == 0 && place->kind != SECTION_NONE)
        r = add_entry(profiles, place, STR_LIT(""), STR_LIT(""), err);
    return r;
}

static int take_line(struct s3_profiles *profiles, struct str line, struct entry *place,
                     struct err *err)
{
    const bool indented = line.ptr[0] == ' ' || line.ptr[0] == '\t';
    struct str key, value;
    int r = 0;

    if (place->kind == SECTION_NONE || !read_property(line, &key, &value))
        return 0;
    if (!indented)
        r = set_text(&place->group, STR_LIT(""), err);
    if (r == 0)
        r = add_entry(profiles, place, key, value, err);
    if (r == 0 && !indented && value.len == 0)
        r = set_text(&place->group, key, err);
    return r;
}

int s3_profiles_parse(struct s3_profiles *profiles, struct str text, enum s3_profile_file file,
                      struct err *err)
{
    struct entry place = { .kind = SECTION_NONE };
    int r;

    r = set_text(&place.section, STR_LIT(""), err);
    if (r == 0)
        r = set_text(&place.group, STR_LIT(""), err);
    while (r == 0 && text.len > 0) {
        const struct str line = next_line(&text), shown = trim(line);

        if (shown.len == 0 || shown.ptr[0] == '#' || shown.ptr[0] == ';' ||
            memchr(line.ptr, '\0', line.len) != NULL)
            continue;
        r = line.ptr[0] == '[' ? begin_section(profiles, line, file, &place, err)
                               : take_line(profiles, line, &place, err);
    }
    free(place.section);
    free(place.group);
    return r;
}

int s3_profiles_new(struct s3_profiles **ret_profiles, struct err *err)
{
    struct s3_profiles *profiles = calloc(1, sizeof(*profiles));

    if (profiles == NULL)
        return err_nomem(err);
    *ret_profiles = profiles;
    return 0;
}

static int load_file(struct s3_profiles *profiles, const char *variable, const char *beside_home,
                     enum s3_profile_file file, struct err *err)
{
    const char *named = s3_env(variable), *home = s3_env("HOME");
    struct buf text = BUF_INIT(FILE_LEN_MAX);
    struct err failure;
    char *path;
    int r;

    if (named == NULL && home == NULL)
        return 0;
    path = named != NULL ? strdup(named) : path_join(home, beside_home);
    if (path == NULL)
        return err_nomem(err);
    /* One allocation for the whole file, so that growing leaves no copy of a secret behind. */
    (void)buf_reserve(&text, FILE_LEN_MAX / 16);
    err_clear(&failure);
    r = file_read(path, &text, &failure);
    if (r == 0) {
        r = s3_profiles_parse(profiles, buf_str(&text), file, err);
    } else if (r == ERR_NOT_FOUND && named == NULL) {
        r = 0; /* nobody said that there should be one */
    } else if (r != ERR_NOMEM) {
        profiles->failed = ERR_CONFIG;
        profiles->why = failure;
        profiles->why.code = ERR_CONFIG;
        err_hint(&profiles->why, "see AWS_CONFIG_FILE and AWS_SHARED_CREDENTIALS_FILE");
        r = 0;
    } else {
        (void)err_nomem(err);
    }
    buf_wipe(&text);
    free(path);
    return r;
}

int s3_profiles_load(struct s3_profiles **ret_profiles, struct err *err)
{
    struct s3_profiles *profiles = NULL;
    int r;

    r = s3_profiles_new(&profiles, err);
    if (r == 0)
        r = load_file(profiles, "AWS_CONFIG_FILE", ".aws/config", S3_PROFILE_CONFIG, err);
    if (r == 0) {
        r = load_file(profiles, "AWS_SHARED_CREDENTIALS_FILE", ".aws/credentials",
                      S3_PROFILE_CREDENTIALS, err);
    }
    if (r < 0) {
        s3_profiles_free(profiles);
        return r;
    }
    *ret_profiles = profiles;
    return 0;
}

void s3_profiles_free(struct s3_profiles *profiles)
{
    if (profiles == NULL)
        return;
    for (size_t i = 0; i < profiles->count; i++)
        entry_dispose(&profiles->entries[i]);
    free(profiles->entries);
    free(profiles);
}

/* The last one counts: the credentials file is read last. */
static const char *find(const struct s3_profiles *profiles, enum section_kind kind,
                        const char *section, const char *group, const char *key)
{
    for (size_t i = profiles->count; i > 0; i--) {
        const struct entry *entry = &profiles->entries[i - 1];

        if (entry->kind == kind && strcmp(entry->section, section) == 0 &&
            strcasecmp(entry->group, group) == 0 && strcasecmp(entry->key, key) == 0)
            return entry->value;
    }
    return NULL;
}

int s3_profiles_check(const struct s3_profiles *profiles, struct err *err)
{
    if (profiles->failed < 0 && err != NULL)
        *err = profiles->why;
    return profiles->failed;
}

bool s3_profiles_has(const struct s3_profiles *profiles, const char *profile)
{
    return find(profiles, SECTION_PROFILE, profile, "", "") != NULL;
}

const char *s3_profiles_get(const struct s3_profiles *profiles, const char *profile,
                            const char *key)
{
    const char *value = find(profiles, SECTION_PROFILE, profile, "", key);

    return value != NULL && value[0] != '\0' ? value : NULL;
}

const char *s3_profiles_get_service(const struct s3_profiles *profiles, const char *services,
                                    const char *group, const char *key)
{
    const char *value = find(profiles, SECTION_SERVICES, services, group, key);

    return value != NULL && value[0] != '\0' ? value : NULL;
}

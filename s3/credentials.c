#include "s3/credentials.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/err.h"
#include "base/file.h"
#include "base/log.h"

#define FILE_LEN_MAX       (1u << 20) /* bytes of a shared credentials file */
#define KEY_ID_LEN_MAX     256        /* bytes; AWS has 128 */
#define CREDENTIAL_LEN_MAX 8192       /* bytes of a secret or a token */

static const char *env(const char *name)
{
    const char *value = getenv(name); /* NOLINT(concurrency-mt-unsafe): nothing calls setenv */

    return value != NULL && value[0] != '\0' ? value : NULL;
}

/* Printable, so that nothing of it can end a header line. */
static bool is_printable(const char *text, size_t len, bool space_too)
{
    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)text[i] < (space_too ? 0x20 : 0x21) || text[i] == 0x7f)
            return false;
    }
    return true;
}

/* The names of the three values as the user knows them, for messages. */
struct names {
    const char *where; /* "the configuration", "the environment", a file */
    const char *id, *secret, *token;
};

static int refuse(const struct names *names, const char *which, const char *why, struct err *err)
{
    (void)err_set(err, ERR_CONFIG, "%s of %s %s", which, names->where, why);
    err_hint(err, "set %s and %s together, each on one line", names->id, names->secret);
    return ERR_CONFIG;
}

/* Copy what a source has.  1 when it has a pair, 0 when it has nothing. */
static int take(const struct names *names, struct str id, struct str secret, struct str token,
                struct s3_credentials *credentials, struct err *err)
{
    int r;

    if (id.len == 0 && secret.len == 0 && token.len == 0)
        return 0;
    if (id.len == 0)
        return refuse(names, names->id, "is missing", err);
    if (secret.len == 0)
        return refuse(names, names->secret, "is missing", err);
    if (id.len > KEY_ID_LEN_MAX || !is_printable(id.ptr, id.len, false))
        return refuse(names, names->id, "is not an access key id", err);
    if (secret.len > CREDENTIAL_LEN_MAX / 8 || !is_printable(secret.ptr, secret.len, true))
        return refuse(names, names->secret, "is not a secret access key", err);
    if (token.len > CREDENTIAL_LEN_MAX || !is_printable(token.ptr, token.len, false))
        return refuse(names, names->token, "is not a session token", err);
    free(credentials->access_key_id);
    credentials->access_key_id = str_dup(id);
    if (credentials->access_key_id == NULL)
        return err_nomem(err);
    r = secret_set(&credentials->secret_access_key, secret.ptr, secret.len, err);
    if (r == 0 && token.len > 0)
        r = secret_set(&credentials->session_token, token.ptr, token.len, err);
    return r < 0 ? r : 1;
}

static struct str secret_str(const struct secret *secret)
{
    return secret_is_set(secret) ? (struct str){ secret->ptr, secret->len } : (struct str){ 0 };
}

static int from_options(const struct s3_credentials_options *options,
                        struct s3_credentials *credentials, struct err *err)
{
    static const struct names names = { "the configuration", "access_key_id", "secret_access_key",
                                        "session_token" };

    return take(&names, str_from(options->access_key_id), secret_str(options->secret_access_key),
                secret_str(options->session_token), credentials, err);
}

static int from_environment(const struct s3_credentials_options *options,
                            struct s3_credentials *credentials, struct err *err)
{
    static const struct names names = { "the environment", "AWS_ACCESS_KEY_ID",
                                        "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN" };
    const char *token = env(names.token);

    if (options->profile != NULL && options->profile[0] != '\0')
        return 0; /* asked for by name: the environment is not meant */
    if (token != NULL && env(names.id) == NULL && env(names.secret) == NULL)
        token = NULL; /* left over: on its own it is not half of a pair */
    return take(&names, str_from(env(names.id)), str_from(env(names.secret)), str_from(token),
                credentials, err);
}

static struct str trim(struct str text)
{
    while (text.len > 0 && strchr(" \t\r", text.ptr[0]) != NULL) {
        text.ptr++;
        text.len--;
    }
    while (text.len > 0 && strchr(" \t\r", text.ptr[text.len - 1]) != NULL)
        text.len--;
    return text;
}

static bool str_eq_nocase(struct str text, const char *name)
{
    return text.len == strlen(name) && strncasecmp(text.ptr, name, text.len) == 0;
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

/* "[name]" and, as in the other AWS file, "[profile name]". */
static bool is_section_of(struct str line, const char *profile)
{
    const char *end = memchr(line.ptr, ']', line.len);
    struct str name;

    if (end == NULL)
        return false;
    name = trim((struct str){ line.ptr + 1, (size_t)(end - line.ptr) - 1 });
    if (str_starts_with(name, STR_LIT("profile ")))
        name = trim((struct str){ name.ptr + 8, name.len - 8 });
    return str_eq_text(name, profile);
}

struct profile {
    struct str id, secret, token;
};

static void take_property(struct str line, struct profile *profile)
{
    const char *equals = memchr(line.ptr, '=', line.len);
    struct str name, value;

    if (equals == NULL)
        return;
    name = trim((struct str){ line.ptr, (size_t)(equals - line.ptr) });
    value = trim((struct str){ equals + 1, line.len - (size_t)(equals - line.ptr) - 1 });
    for (size_t i = 1; i < value.len; i++) { /* a comment needs white space before it */
        if ((value.ptr[i] == '#' || value.ptr[i] == ';') && strchr(" \t", value.ptr[i - 1]))
            value = trim((struct str){ value.ptr, i - 1 });
    }
    if (str_eq_nocase(name, "aws_access_key_id")) {
        profile->id = value;
    } else if (str_eq_nocase(name, "aws_secret_access_key")) {
        profile->secret = value;
    } else if (str_eq_nocase(name, "aws_session_token")) {
        profile->token = value;
    }
}

/* A parser of our own: inih cuts lines at 200 bytes, and session tokens are longer. */
int s3_profile_parse(struct str text, const char *name, const char *profile,
                     struct s3_credentials *ret_credentials, struct err *err)
{
    const struct names names = { name, "aws_access_key_id", "aws_secret_access_key",
                                 "aws_session_token" };
    struct s3_credentials found = S3_CREDENTIALS_INIT;
    struct profile values = { { 0 }, { 0 }, { 0 } };
    bool inside = false, exists = false;
    int r;

    while (text.len > 0) {
        const struct str line = next_line(&text);

        /* An indented line belongs to the property before it; none of ours has such. */
        if (line.len == 0 || strchr(" \t\r#;", line.ptr[0]) != NULL)
            continue;
        if (line.ptr[0] == '[') {
            inside = is_section_of(line, profile);
            exists = exists || inside;
        } else if (inside) {
            take_property(line, &values);
        }
    }
    r = take(&names, values.id, values.secret, values.token, &found, err);
    if (r > 0) {
        *ret_credentials = found;
    } else {
        s3_credentials_dispose(&found);
    }
    if (r == 0) {
        return err_set(err, ERR_NOT_FOUND,
                       exists ? "profile '%s' in '%s' has no access key"
                              : "there is no profile '%s' in '%s'",
                       profile, name);
    }
    return r < 0 ? r : 0;
}

/* The file's path, malloc'd; NULL with *ret 0 when there is nowhere to look. */
static char *shared_file_path(bool *ret_named, int *ret)
{
    const char *named = env("AWS_SHARED_CREDENTIALS_FILE"), *home = env("HOME");
    char *path = NULL;

    *ret = 0;
    *ret_named = named != NULL;
    if (named != NULL) {
        path = strdup(named);
    } else if (home != NULL) {
        path = path_join(home, ".aws/credentials");
    } else {
        return NULL;
    }
    if (path == NULL)
        *ret = ERR_NOMEM;
    return path;
}

static int from_shared_file(const struct s3_credentials_options *options,
                            struct s3_credentials *credentials, struct err *err)
{
    const char *profile = options->profile;
    struct buf text = BUF_INIT(FILE_LEN_MAX);
    bool named_file, named_profile = true;
    char *path;
    int r;

    if (profile == NULL || profile[0] == '\0')
        profile = env("AWS_PROFILE");
    if (profile == NULL) {
        profile = "default";
        named_profile = false;
    }
    path = shared_file_path(&named_file, &r);
    if (r < 0)
        return err_nomem(err);
    if (path == NULL)
        return 0;
    /* One allocation for the whole file, so that growing leaves no copy of a secret behind. */
    (void)buf_reserve(&text, FILE_LEN_MAX / 16);
    r = file_read(path, &text, err);
    if (r == 0)
        r = s3_profile_parse(buf_str(&text), path, profile, credentials, err);
    if (r == 0) {
        log_debug("credentials: profile '%s' of '%s'", profile, path);
        r = 1;
    } else if (r == ERR_NOT_FOUND && !named_file && !named_profile) {
        r = 0; /* nobody said that there should be one */
    } else if (r == ERR_NOT_FOUND) {
        r = ERR_CONFIG;
        if (err != NULL)
            err->code = r;
        err_hint(err, "see profile, AWS_PROFILE and AWS_SHARED_CREDENTIALS_FILE");
    }
    buf_wipe(&text);
    free(path);
    return r;
}

int s3_credentials_load(const struct s3_credentials_options *options,
                        struct s3_credentials *ret_credentials, struct err *err)
{
    /* Each returns 1 when it has credentials, 0 when it has none; in order of precedence. */
    static int (*const sources[])(const struct s3_credentials_options *, struct s3_credentials *,
                                  struct err *) = { from_options, from_environment,
                                                    from_shared_file };
    struct s3_credentials found = S3_CREDENTIALS_INIT;
    int r = 0;

    for (size_t i = 0; i < sizeof(sources) / sizeof(sources[0]) && r == 0; i++)
        r = sources[i](options, &found, err);
    if (r > 0) {
        *ret_credentials = found;
        return 0;
    }
    s3_credentials_dispose(&found);
    if (r == 0) {
        r = err_set(err, ERR_CONFIG, "no access key for the S3 server: access_key_id is not set");
        err_hint(err, "set access_key_id and secret_access_key, or AWS_ACCESS_KEY_ID and "
                      "AWS_SECRET_ACCESS_KEY, or write ~/.aws/credentials");
    }
    return r;
}

void s3_credentials_dispose(struct s3_credentials *credentials)
{
    free(credentials->access_key_id);
    credentials->access_key_id = NULL;
    secret_dispose(&credentials->secret_access_key);
    secret_dispose(&credentials->session_token);
}

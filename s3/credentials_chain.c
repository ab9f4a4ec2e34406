#include "s3/credentials_chain.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/err.h"
#include "s3/credentials.h"
#include "s3/credentials_source.h"
#include "s3/profile.h"

#define ROLE_COUNT_MAX 8 /* in one chain of source_profile */

/* What the functions below hand to each other. */
struct choice {
    const struct s3_credentials_options *options;
    const struct s3_profiles *profiles;
    const struct s3_source_context *context;
    const char *profile;
    bool is_named; /* somebody asked for the profile by its name */
};

/* Keys that are just there. */
struct fixed_source {
    struct s3_credentials_source source;
    struct s3_credentials credentials;
};

void s3_credentials_source_free(struct s3_credentials_source *source)
{
    if (source != NULL)
        source->ops->free(source);
}

static int fixed_fetch(struct s3_credentials_source *source, struct s3_credentials *ret,
                       struct err *err)
{
    return s3_credentials_copy(ret, &((struct fixed_source *)source)->credentials, err);
}

static void fixed_free(struct s3_credentials_source *source)
{
    s3_credentials_dispose(&((struct fixed_source *)source)->credentials);
    free(source);
}

/* Takes what credentials holds. */
static int fixed_new(struct s3_credentials *credentials, const char *name,
                     struct s3_credentials_source **ret_source, struct err *err)
{
    static const struct s3_credentials_source_ops ops = { fixed_fetch, fixed_free };
    struct fixed_source *self = calloc(1, sizeof(*self));

    if (self == NULL)
        return err_nomem(err);
    self->source = (struct s3_credentials_source){ &ops, name, true, false };
    self->credentials = *credentials;
    *credentials = (struct s3_credentials)S3_CREDENTIALS_INIT;
    *ret_source = (struct s3_credentials_source *)self;
    return 0;
}

/* Keys of a profile, which another program may write anew: read at each fetch. */
struct profile_source {
    struct s3_credentials_source source;
    char *profile;
};

static int take_profile(const struct s3_profiles *profiles, const char *profile,
                        struct s3_credentials *credentials, struct err *err)
{
    struct buf where = BUF_INIT(512);
    struct s3_credentials_names names = { NULL, "aws_access_key_id", "aws_secret_access_key",
                                          "aws_session_token" };
    int r;

    buf_addf(&where, "profile '%s'", profile);
    names.where = where.ptr;
    r = s3_credentials_take(&names, str_from(s3_profiles_get(profiles, profile, names.id)),
                            str_from(s3_profiles_get(profiles, profile, names.secret)),
                            str_from(s3_profiles_get(profiles, profile, names.token)), credentials,
                            err);
    buf_dispose(&where);
    return r;
}

static int profile_fetch(struct s3_credentials_source *source, struct s3_credentials *ret,
                         struct err *err)
{
    const struct profile_source *self = (struct profile_source *)source;
    struct s3_profiles *profiles = NULL;
    int r;

    r = s3_profiles_load(&profiles, err);
    if (r == 0)
        r = s3_profiles_check(profiles, err);
    if (r == 0)
        r = take_profile(profiles, self->profile, ret, err);
    s3_profiles_free(profiles);
    if (r == 0)
        return err_set(err, ERR_CONFIG, "profile '%s' has no access key", self->profile);
    return r < 0 ? r : 0;
}

static void profile_free(struct s3_credentials_source *source)
{
    free(((struct profile_source *)source)->profile);
    free(source);
}

static int profile_new(const char *profile, struct s3_credentials_source **ret_source,
                       struct err *err)
{
    static const struct s3_credentials_source_ops ops = { profile_fetch, profile_free };
    struct profile_source *self = calloc(1, sizeof(*self));

    if (self == NULL)
        return err_nomem(err);
    self->source = (struct s3_credentials_source){ &ops, "the keys of a profile", false, false };
    self->profile = strdup(profile);
    if (self->profile == NULL) {
        free(self);
        return err_nomem(err);
    }
    *ret_source = (struct s3_credentials_source *)self;
    return 0;
}

static struct str secret_str(const struct secret *secret)
{
    return secret_is_set(secret) ? (struct str){ secret->ptr, secret->len } : (struct str){ 0 };
}

/* Each of the following returns 1 with a source, 0 when there is nothing here. */

static int keep_fixed(int r, struct s3_credentials *credentials, const char *name,
                      struct s3_credentials_source **ret_source, struct err *err)
{
    if (r > 0)
        r = fixed_new(credentials, name, ret_source, err) < 0 ? ERR_NOMEM : 1;
    s3_credentials_dispose(credentials);
    return r;
}

static int from_options(const struct choice *choice, struct s3_credentials_source **ret_source,
                        struct err *err)
{
    static const struct s3_credentials_names names = { "the configuration", "access_key_id",
                                                       "secret_access_key", "session_token" };
    const struct s3_credentials_options *options = choice->options;
    struct s3_credentials found = S3_CREDENTIALS_INIT;
    const int r = s3_credentials_take(&names, str_from(options->access_key_id),
                                      secret_str(options->secret_access_key),
                                      secret_str(options->session_token), &found, err);

    return keep_fixed(r, &found, names.where, ret_source, err);
}

static int take_environment(struct s3_credentials *credentials, struct err *err)
{
    static const struct s3_credentials_names names = { "the environment", "AWS_ACCESS_KEY_ID",
                                                       "AWS_SECRET_ACCESS_KEY",
                                                       "AWS_SESSION_TOKEN" };
    const char *token = s3_env(names.token);

    if (token == NULL)
        token = s3_env("AWS_SECURITY_TOKEN"); /* its name of old */
    if (token != NULL && s3_env(names.id) == NULL && s3_env(names.secret) == NULL)
        token = NULL; /* left over: on its own it is not half of a pair */
    return s3_credentials_take(&names, str_from(s3_env(names.id)), str_from(s3_env(names.secret)),
                               str_from(token), credentials, err);
}

static int from_environment(const struct choice *choice, struct s3_credentials_source **ret_source,
                            struct err *err)
{
    struct s3_credentials found = S3_CREDENTIALS_INIT;

    if (choice->options->profile != NULL && choice->options->profile[0] != '\0')
        return 0; /* asked for by name: the environment is not meant */
    return keep_fixed(take_environment(&found, err), &found, "the environment", ret_source, err);
}

static bool ignores_endpoints(const struct choice *choice)
{
    static const char key[] = "ignore_configured_endpoint_urls";
    const char *said = s3_env("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS");

    if (said == NULL)
        said = s3_profiles_get(choice->profiles, choice->profile, key);
    return said != NULL && strcasecmp(said, "true") == 0;
}

/* What all roles have: where STS is. */
static struct s3_role role_of(const struct choice *choice)
{
    const char *profile = choice->profile, *services, *endpoint = NULL;
    struct s3_role role = { .region = choice->options->region };
    const char *fips = s3_env("AWS_USE_FIPS_ENDPOINT");

    if (!ignores_endpoints(choice)) {
        endpoint = s3_env("AWS_ENDPOINT_URL_STS");
        if (endpoint == NULL)
            endpoint = s3_env("AWS_ENDPOINT_URL");
        services = s3_profiles_get(choice->profiles, profile, "services");
        if (endpoint == NULL && services != NULL)
            endpoint = s3_profiles_get_service(choice->profiles, services, "sts", "endpoint_url");
        if (endpoint == NULL)
            endpoint = s3_profiles_get(choice->profiles, profile, "endpoint_url");
    }
    if (fips == NULL)
        fips = s3_profiles_get(choice->profiles, profile, "use_fips_endpoint");
    role.use_fips = choice->options->fips || (fips != NULL && strcmp(fips, "true") == 0);
    role.endpoint = endpoint;
    return role;
}

static int from_web_identity(const struct choice *choice, struct s3_credentials_source **ret_source,
                             struct err *err)
{
    struct s3_role role = role_of(choice);
    int r;

    role.token_file = s3_env("AWS_WEB_IDENTITY_TOKEN_FILE");
    role.arn = s3_env("AWS_ROLE_ARN");
    role.session_name = s3_env("AWS_ROLE_SESSION_NAME");
    if (role.token_file == NULL ||
        (choice->options->profile != NULL && choice->options->profile[0] != '\0'))
        return 0;
    if (role.arn == NULL) {
        return err_set(err, ERR_CONFIG,
                       "AWS_WEB_IDENTITY_TOKEN_FILE is set, but AWS_ROLE_ARN is not");
    }
    r = s3_source_web_identity_new(choice->context, &role, ret_source, err);
    return r < 0 ? r : 1;
}

static int from_container(const struct choice *choice, struct s3_credentials_source **ret_source,
                          struct err *err)
{
    int r;

    if (!s3_container_is_announced())
        return 0;
    r = s3_source_container_new(choice->context, ret_source, err);
    return r < 0 ? r : 1;
}

static int from_instance(const struct choice *choice, struct s3_credentials_source **ret_source,
                         struct err *err)
{
    int r;

    if (s3_env_is_true("AWS_EC2_METADATA_DISABLED"))
        return 0;
    r = s3_source_imds_new(
        choice->context,
        s3_profiles_get(choice->profiles, choice->profile, "ec2_metadata_service_endpoint"),
        ret_source, err);
    return r < 0 ? r : 1;
}

/* credential_source of a profile with a role. */
static int from_named_source(const struct choice *choice, const char *profile, const char *name,
                             struct s3_credentials_source **ret_source, struct err *err)
{
    struct s3_credentials found = S3_CREDENTIALS_INIT;
    int r;

    if (strcmp(name, "Environment") == 0) {
        r = keep_fixed(take_environment(&found, err), &found, "the environment", ret_source, err);
    } else if (strcmp(name, "Ec2InstanceMetadata") == 0) {
        r = from_instance(choice, ret_source, err);
    } else if (strcmp(name, "EcsContainer") == 0) {
        r = from_container(choice, ret_source, err);
    } else {
        (void)err_set(err, ERR_CONFIG, "profile '%s': credential_source '%s' is not known", profile,
                      name);
        err_hint(err, "it is Environment, Ec2InstanceMetadata or EcsContainer");
        return ERR_CONFIG;
    }
    if (r == 0) {
        return err_set(err, ERR_CONFIG, "profile '%s': credential_source '%s' has no credentials",
                       profile, name);
    }
    return r;
}

static bool has_sso(const struct choice *choice, const char *profile)
{
    return s3_profiles_get(choice->profiles, profile, "sso_session") != NULL ||
           s3_profiles_get(choice->profiles, profile, "sso_start_url") != NULL;
}

static int refuse_sso(const char *profile, struct err *err)
{
    (void)err_set(err, ERR_CONFIG, "profile '%s' logs in with SSO, which needs a person", profile);
    err_hint(err,
             "give it credential_process = aws configure export-credentials --profile %s "
             "--format process, in another profile",
             profile);
    return ERR_CONFIG;
}

/* A profile without a role to be assumed from another one. */
static int from_plain_profile(const struct choice *choice, const char *profile,
                              struct s3_credentials_source **ret_source, struct err *err)
{
    const char *command = s3_profiles_get(choice->profiles, profile, "credential_process");
    struct s3_credentials found = S3_CREDENTIALS_INIT;
    struct s3_role role = role_of(choice);
    int r;

    role.arn = s3_profiles_get(choice->profiles, profile, "role_arn");
    role.session_name = s3_profiles_get(choice->profiles, profile, "role_session_name");
    role.token_file = s3_profiles_get(choice->profiles, profile, "web_identity_token_file");
    if (role.arn != NULL && role.token_file != NULL) {
        r = s3_source_web_identity_new(choice->context, &role, ret_source, err);
        return r < 0 ? r : 1;
    }
    r = take_profile(choice->profiles, profile, &found, err);
    s3_credentials_dispose(&found);
    if (r < 0)
        return r;
    if (r > 0)
        return profile_new(profile, ret_source, err) < 0 ? ERR_NOMEM : 1;
    if (command != NULL) {
        r = s3_source_process_new(choice->context, command, ret_source, err);
        return r < 0 ? r : 1;
    }
    return has_sso(choice, profile) ? refuse_sso(profile, err) : 0;
}

/* The profiles whose roles are assumed, the outermost first. */
struct roles {
    const char *profiles[ROLE_COUNT_MAX];
    size_t count;
    const char *base;        /* the profile that the innermost one is assumed from, or */
    const char *base_source; /* its credential_source */
};

static bool needs_role(const struct choice *choice, const char *profile)
{
    return s3_profiles_get(choice->profiles, profile, "role_arn") != NULL &&
           s3_profiles_get(choice->profiles, profile, "web_identity_token_file") == NULL;
}

static int check_role(const struct choice *choice, const char *profile, struct err *err)
{
    const char *source = s3_profiles_get(choice->profiles, profile, "source_profile");
    const char *named = s3_profiles_get(choice->profiles, profile, "credential_source");

    if ((source == NULL) == (named == NULL)) {
        return err_set(err, ERR_CONFIG,
                       "profile '%s' has a role_arn and %s of source_profile and credential_source",
                       profile, source == NULL ? "none" : "both");
    }
    if (s3_profiles_get(choice->profiles, profile, "mfa_serial") != NULL) {
        (void)err_set(err, ERR_CONFIG, "profile '%s' asks for an MFA code, which needs a person",
                      profile);
        err_hint(err, "use a role that can be assumed without one");
        return ERR_CONFIG;
    }
    return 0;
}

static bool is_among(const struct roles *roles, const char *profile)
{
    for (size_t i = 0; i < roles->count; i++) {
        if (strcmp(roles->profiles[i], profile) == 0)
            return true;
    }
    return false;
}

static int follow_roles(const struct choice *choice, struct roles *roles, struct err *err)
{
    const char *profile = choice->profile;
    int r;

    while (needs_role(choice, profile)) {
        const char *source = s3_profiles_get(choice->profiles, profile, "source_profile");

        r = check_role(choice, profile, err);
        if (r < 0)
            return r;
        roles->profiles[roles->count++] = profile;
        roles->base_source = s3_profiles_get(choice->profiles, profile, "credential_source");
        if (source == NULL)
            return 0;
        if (!s3_profiles_has(choice->profiles, source)) {
            return err_set(err, ERR_CONFIG, "profile '%s': there is no source_profile '%s'",
                           profile, source);
        }
        if (strcmp(source, profile) == 0) { /* its own keys, then */
            roles->base = profile;
            return 0;
        }
        if (is_among(roles, source) || roles->count == ROLE_COUNT_MAX) {
            return err_set(err, ERR_CONFIG,
                           "profile '%s': source_profile '%s' leads back, or too "
                           "far",
                           profile, source);
        }
        profile = source;
    }
    roles->base = profile;
    return 0;
}

static int from_profile(const struct choice *choice, struct s3_credentials_source **ret_source,
                        struct err *err)
{
    struct s3_credentials_source *source = NULL;
    struct roles roles = { .base = choice->profile };
    int r;

    r = s3_profiles_check(choice->profiles, err);
    if (r < 0)
        return r;
    if (!s3_profiles_has(choice->profiles, choice->profile)) {
        if (!choice->is_named)
            return 0;
        (void)err_set(err, ERR_CONFIG, "there is no profile '%s'", choice->profile);
        err_hint(err, "see profile, AWS_PROFILE, AWS_CONFIG_FILE and AWS_SHARED_CREDENTIALS_FILE");
        return ERR_CONFIG;
    }
    r = follow_roles(choice, &roles, err);
    if (r < 0)
        return r;
    r = roles.base_source != NULL ? from_named_source(choice, roles.profiles[roles.count - 1],
                                                      roles.base_source, &source, err)
                                  : from_plain_profile(choice, roles.base, &source, err);
    if (r == 0 && (roles.count > 0 || choice->is_named)) {
        (void)err_set(err, ERR_CONFIG, "profile '%s' has no access key", roles.base);
        err_hint(err, "see profile, AWS_PROFILE, AWS_CONFIG_FILE and AWS_SHARED_CREDENTIALS_FILE");
        return ERR_CONFIG;
    }
    for (size_t i = roles.count; i > 0 && r > 0; i--) {
        const char *profile = roles.profiles[i - 1];
        struct s3_role role = role_of(choice);

        role.arn = s3_profiles_get(choice->profiles, profile, "role_arn");
        role.session_name = s3_profiles_get(choice->profiles, profile, "role_session_name");
        role.external_id = s3_profiles_get(choice->profiles, profile, "external_id");
        role.duration_seconds = s3_profiles_get(choice->profiles, profile, "duration_seconds");
        r = s3_source_assume_role_new(choice->context, &role, source, &source, err);
        r = r < 0 ? r : 1;
    }
    if (r > 0)
        *ret_source = source;
    return r;
}

const char *s3_profile_name(const char *option)
{
    const char *named = option != NULL && option[0] != '\0' ? option : s3_env("AWS_PROFILE");

    return named != NULL ? named : "default";
}

int s3_credentials_choose(const struct s3_credentials_options *options,
                          const struct s3_profiles *profiles,
                          const struct s3_source_context *context,
                          struct s3_credentials_source **ret_source, struct err *err)
{
    static int (*const places[])(const struct choice *, struct s3_credentials_source **,
                                 struct err *) = { from_options,      from_environment,
                                                   from_web_identity, from_profile,
                                                   from_container,    from_instance };
    const struct choice choice = {
        .options = options,
        .profiles = profiles,
        .context = context,
        .profile = s3_profile_name(options->profile),
        .is_named = (options->profile != NULL && options->profile[0] != '\0') ||
                    s3_env("AWS_PROFILE") != NULL,
    };
    int r = 0;

    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]) && r == 0; i++)
        r = places[i](&choice, ret_source, err);
    if (r != 0)
        return r < 0 ? r : 0;
    (void)err_set(err, ERR_NOT_FOUND, "AWS_EC2_METADATA_DISABLED is set");
    return s3_credentials_none(err);
}

int s3_credentials_none(struct err *err)
{
    static const char tried[] =
        "no access key for the S3 server: access_key_id is not set, and there is none in the "
        "environment, of a web identity, in AWS's profile files, of a container or an instance";

    if (err != NULL)
        err->code = ERR_CONFIG;
    err_hint(err, "set access_key_id and secret_access_key, or AWS_ACCESS_KEY_ID and "
                  "AWS_SECRET_ACCESS_KEY, or write ~/.aws/credentials");
    return err_wrap(err, ERR_CONFIG, "%s", tried);
}

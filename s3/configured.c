#include "s3/configured.h"

#include <stdio.h>
#include <strings.h>

#include "base/err.h"
#include "base/log.h"
#include "s3/client.h"
#include "s3/credentials.h"
#include "s3/profile.h"

#define SETTING "as set"

/* Where to look, and what was found first. */
struct search {
    const struct s3_profiles *profiles;
    const char *profile;
    const char *value; /* NULL: nothing yet */
    char *from;        /* S3_ORIGIN_SIZE bytes */
};

static void take_option(struct search *search, const char *option)
{
    if (option == NULL || option[0] == '\0')
        return;
    search->value = option;
    (void)snprintf(search->from, S3_ORIGIN_SIZE, SETTING);
}

static void take_variable(struct search *search, const char *name)
{
    if (search->value != NULL)
        return;
    search->value = s3_env(name);
    if (search->value != NULL)
        (void)snprintf(search->from, S3_ORIGIN_SIZE, "%s", name);
}

static void take_profile(struct search *search, const char *key)
{
    if (search->value != NULL)
        return;
    search->value = s3_profiles_get(search->profiles, search->profile, key);
    if (search->value != NULL)
        (void)snprintf(search->from, S3_ORIGIN_SIZE, "profile '%s'", search->profile);
}

static void take_services(struct search *search)
{
    const char *services = s3_profiles_get(search->profiles, search->profile, "services");

    if (search->value != NULL || services == NULL)
        return;
    search->value = s3_profiles_get_service(search->profiles, services, "s3", "endpoint_url");
    if (search->value != NULL) {
        (void)snprintf(search->from, S3_ORIGIN_SIZE, "services '%s' of profile '%s'", services,
                       search->profile);
    }
}

/* "true" or "false", in any case; unset is false. */
static int read_switch(const struct search *search, bool *ret_value, struct err *err)
{
    *ret_value = search->value != NULL && strcasecmp(search->value, "true") == 0;
    if (search->value == NULL || *ret_value || strcasecmp(search->value, "false") == 0)
        return 0;
    return err_set(err, ERR_CONFIG, "%s: '%s' is neither true nor false", search->from,
                   search->value);
}

static int find_switch(const struct search *where, enum s3_choice option, const char *variable,
                       const char *key, bool *ret_value, struct err *err)
{
    char from[S3_ORIGIN_SIZE] = "";
    struct search search = { where->profiles, where->profile, NULL, from };

    if (option != S3_CHOICE_UNSET) {
        *ret_value = option == S3_CHOICE_YES;
        return 0;
    }
    take_variable(&search, variable);
    take_profile(&search, key);
    return read_switch(&search, ret_value, err);
}

static int find_endpoint(const struct s3_options *options, struct search *search, struct err *err)
{
    bool is_ignored = false;
    int r;

    take_option(search, options->endpoint);
    if (search->value != NULL)
        return 0;
    r = find_switch(search, S3_CHOICE_UNSET, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
                    "ignore_configured_endpoint_urls", &is_ignored, err);
    if (r < 0 || is_ignored)
        return r;
    take_variable(search, "AWS_ENDPOINT_URL_S3");
    take_variable(search, "AWS_ENDPOINT_URL");
    take_services(search);
    take_profile(search, "endpoint_url");
    return 0;
}

int s3_configured_find(const struct s3_options *options, const struct s3_profiles *profiles,
                       const char *profile, struct s3_configured *ret_configured, struct err *err)
{
    struct s3_configured found = { 0 };
    char ca_from[S3_ORIGIN_SIZE] = "";
    struct search endpoint = { profiles, profile, NULL, found.endpoint_from };
    struct search region = { profiles, profile, NULL, found.region_from };
    struct search ca_file = { profiles, profile, NULL, ca_from };
    struct err why = { 0 };
    int r;

    r = find_endpoint(options, &endpoint, err);
    if (r == 0) {
        r = find_switch(&endpoint, options->dualstack, "AWS_USE_DUALSTACK_ENDPOINT",
                        "use_dualstack_endpoint", &found.dualstack, err);
    }
    if (r == 0) {
        r = find_switch(&endpoint, options->fips, "AWS_USE_FIPS_ENDPOINT", "use_fips_endpoint",
                        &found.fips, err);
    }
    if (r < 0)
        return r;
    take_option(&region, options->region);
    take_variable(&region, "AWS_REGION");
    take_variable(&region, "AWS_DEFAULT_REGION");
    take_profile(&region, "region");
    take_option(&ca_file, options->ca_file);
    take_variable(&ca_file, "AWS_CA_BUNDLE");
    take_profile(&ca_file, "ca_bundle");
    take_variable(&ca_file, "SSL_CERT_FILE");
    if ((endpoint.value == NULL || region.value == NULL) && s3_profiles_check(profiles, &why) < 0)
        log_info("AWS's profiles are not looked at for region and endpoint: %s", why.msg);
    found.endpoint = endpoint.value;
    found.region = region.value;
    found.ca_file = ca_file.value;
    *ret_configured = found;
    return 0;
}

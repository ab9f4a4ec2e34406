#include "s3/endpoint.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <arpa/inet.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/parse.h"
#include "s3/uri.h"

#define REGION_DEFAULT "us-east-1"
#define TEXT_LEN_MAX   ((size_t)2048) /* bytes of an endpoint, and of what is made of it */

/* An endpoint taken apart; the parts of its text are lower case where case does not matter. */
struct parts {
    bool tls;
    char *host;      /* without brackets or port */
    bool is_address; /* an IP address */
    bool is_v6;      /* which needs brackets */
    unsigned port;   /* 0: the scheme's own */
    struct buf path; /* canonical, without a slash at its end */
};

bool s3_region_is_valid(const char *text)
{
    const size_t len = strlen(text);

    return len >= 1 && len <= S3_REGION_LEN_MAX &&
           strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-_") == len;
}

static bool is_lower_or_digit(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/* Whether the name can be a label of a host under a wildcard certificate: no dots. */
static bool bucket_fits_host(const char *bucket)
{
    const size_t len = strlen(bucket);

    return len >= 3 && len <= 63 &&
           strspn(bucket, "abcdefghijklmnopqrstuvwxyz0123456789-") == len &&
           is_lower_or_digit(bucket[0]) && is_lower_or_digit(bucket[len - 1]);
}

/* Laxer than AWS, for servers that are: upper case, '_' and 255 characters. */
static int check_bucket(const char *bucket, struct err *err)
{
    const size_t len = bucket != NULL ? strlen(bucket) : 0;

    if (len == 0)
        return err_set(err, ERR_CONFIG, "no bucket is given");
    if (strncmp(bucket, "arn:", 4) == 0 || str_ends_with(str_from(bucket), STR_LIT("--x-s3"))) {
        (void)err_set(err, ERR_CONFIG,
                      "bucket '%s': access points and directory buckets cannot "
                      "be used",
                      bucket);
        err_hint(err, "use the name of a general purpose bucket");
        return ERR_CONFIG;
    }
    if (len < 3 || len > 255 ||
        strspn(bucket, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_") !=
            len ||
        bucket[0] == '.' || bucket[0] == '-') {
        (void)err_set(err, ERR_CONFIG, "'%s' is not a bucket name", bucket);
        err_hint(err, "3 to 63 lower-case letters, digits, dots and hyphens");
        return ERR_CONFIG;
    }
    return 0;
}

static int check_region(const char *region, struct err *err)
{
    if (s3_region_is_valid(region))
        return 0;
    (void)err_set(err, ERR_CONFIG, "'%s' is not a region", region);
    err_hint(err, "for example us-east-1; other servers may take any name");
    return ERR_CONFIG;
}

static void lower(char *text)
{
    for (; *text != '\0'; text++) {
        if (*text >= 'A' && *text <= 'Z')
            *text = (char)(*text - 'A' + 'a');
    }
}

static bool is_v4(const char *host)
{
    struct in_addr address;

    return inet_pton(AF_INET, host, &address) == 1;
}

static bool is_v6(const char *host)
{
    struct in6_addr address;

    return inet_pton(AF_INET6, host, &address) == 1;
}

static int refuse(const char *endpoint, const char *why, struct err *err)
{
    (void)err_set(err, ERR_CONFIG, "endpoint '%s': %s", endpoint, why);
    err_hint(err, "write it as http://host:9000 or https://host");
    return ERR_CONFIG;
}

/* "//user:password@host" must not be repeated in a message. */
static int refuse_user(struct err *err)
{
    (void)err_set(err, ERR_CONFIG, "endpoint: a user name or password does not belong in a URL");
    err_hint(err, "set access_key_id and secret_access_key instead");
    return ERR_CONFIG;
}

/* host[:port] at text, up to a '/' or the end. */
static int parse_authority(struct str text, const char *endpoint, struct parts *parts,
                           struct err *err)
{
    struct str host = text, port = { NULL, 0 };
    const char *colon;
    uint64_t number = 0;
    char *digits;
    int r;

    if (text.len > 0 && text.ptr[0] == '[') {
        const char *bracket = memchr(text.ptr, ']', text.len);

        if (bracket == NULL)
            return refuse(endpoint, "']' is missing", err);
        host = (struct str){ text.ptr + 1, (size_t)(bracket - text.ptr) - 1 };
        text.len -= host.len + 2;
        text.ptr = bracket + 1;
        if (text.len > 0 && text.ptr[0] != ':')
            return refuse(endpoint, "after ']' only a port can follow", err);
        if (text.len > 0)
            port = (struct str){ text.ptr + 1, text.len - 1 };
        parts->is_v6 = true;
    } else if ((colon = memchr(text.ptr, ':', text.len)) != NULL) {
        host.len = (size_t)(colon - text.ptr);
        port = (struct str){ colon + 1, text.len - host.len - 1 };
    }
    parts->host = str_dup(host);
    if (parts->host == NULL)
        return err_nomem(err);
    lower(parts->host);
    if (parts->is_v6
            ? !is_v6(parts->host)
            : host.len == 0 || host.len > 253 ||
                  strspn(parts->host, "abcdefghijklmnopqrstuvwxyz0123456789.-_") != host.len)
        return refuse(endpoint, "that is not a host name or address", err);
    parts->is_address = parts->is_v6 || is_v4(parts->host);
    if (port.ptr == NULL)
        return 0;
    digits = str_dup(port);
    if (digits == NULL)
        return err_nomem(err);
    r = parse_u64(digits, 1, 65535, &number, NULL);
    free(digits);
    if (r < 0)
        return refuse(endpoint, "the port is not a number from 1 to 65535", err);
    parts->port = (unsigned)number;
    return 0;
}

static int parse_path(struct str text, const char *endpoint, struct parts *parts, struct err *err)
{
    struct buf raw = BUF_INIT(TEXT_LEN_MAX);
    int r = 0;

    while (text.len > 0 && text.ptr[text.len - 1] == '/')
        text.len--;
    if (uri_decode(&raw, text, false, NULL) < 0)
        r = refuse(endpoint, "its path is not percent-encoded", err);
    for (size_t i = 0; i < raw.len && r == 0; i++) {
        if ((unsigned char)raw.ptr[i] < 0x20 || raw.ptr[i] == 0x7f)
            r = refuse(endpoint, "its path has a control character", err);
    }
    if (r == 0) {
        uri_encode(&parts->path, buf_str(&raw), true);
        r = buf_check(&parts->path, err);
    }
    buf_dispose(&raw);
    return r;
}

/* Without a scheme: https, but http for this machine and for bare addresses, which is what a test
 * server has. */
static bool guess_tls(const char *host, bool is_address)
{
    return !is_address && strcmp(host, "localhost") != 0;
}

static int parse_endpoint(const char *endpoint, struct parts *parts, struct err *err)
{
    const char *rest = endpoint, *slashes = strstr(endpoint, "://");
    bool guess = false;
    size_t len;
    int r;

    if (strchr(endpoint, '@') != NULL)
        return refuse_user(err);
    if (strlen(endpoint) > TEXT_LEN_MAX)
        return err_set(err, ERR_CONFIG, "endpoint is longer than %zu bytes", TEXT_LEN_MAX);
    if (slashes == NULL) {
        guess = true;
    } else if (strncasecmp(endpoint, "https://", 8) == 0) {
        parts->tls = true;
    } else if (strncasecmp(endpoint, "http://", 7) != 0) {
        return refuse(endpoint, "the scheme is neither http nor https", err);
    }
    if (slashes != NULL)
        rest = slashes + 3;
    if (strpbrk(rest, "?#") != NULL)
        return refuse(endpoint, "'?' and '#' do not belong in it", err);
    len = strcspn(rest, "/");
    r = parse_authority((struct str){ rest, len }, endpoint, parts, err);
    if (r < 0)
        return r;
    if (guess)
        parts->tls = guess_tls(parts->host, parts->is_address);
    if (parts->port == (parts->tls ? 443 : 80))
        parts->port = 0;
    return parse_path(str_from(rest + len), endpoint, parts, err);
}

/* Hosts whose names say their region: before, region, after.  With both sides empty the region is
 * fixed. */
static const struct provider {
    const char *before, *after;
    const char *fixed; /* region; NULL: what stands between */
    bool is_aws;
} providers[] = {
    { "s3.amazonaws.com", "", "us-east-1", true },
    { "s3.dualstack.", ".amazonaws.com", NULL, true },
    { "s3.", ".amazonaws.com", NULL, true },
    { "s3.dualstack.", ".amazonaws.com.cn", NULL, true },
    { "s3.", ".amazonaws.com.cn", NULL, true },
    { "s3.dualstack.", ".amazonaws.eu", NULL, true },
    { "s3.", ".amazonaws.eu", NULL, true },
    { "s3-fips.dualstack.", ".amazonaws.com", NULL, true },
    { "s3-fips.", ".amazonaws.com", NULL, true },
    { "s3-fips.dualstack.", ".amazonaws.eu", NULL, true },
    { "s3-fips.", ".amazonaws.eu", NULL, true },
    { "", ".r2.cloudflarestorage.com", "auto", false },
    { "storage.googleapis.com", "", "auto", false },
    { "s3.wasabisys.com", "", "us-east-1", false },
    { "s3.", ".wasabisys.com", NULL, false },
    { "s3.", ".backblazeb2.com", NULL, false },
    { "s3.", ".scw.cloud", NULL, false },
    { "s3.", ".io.cloud.ovh.net", NULL, false },
    { "", ".digitaloceanspaces.com", NULL, false },
    { "", ".your-objectstorage.com", NULL, false },
};

/* What host is one of, and the region that its name says; region is empty when it says none. */
static const struct provider *find_provider(const char *host, char region[S3_REGION_LEN_MAX + 1])
{
    const struct str name = str_from(host);

    region[0] = '\0';
    for (size_t i = 0; i < sizeof(providers) / sizeof(providers[0]); i++) {
        const struct provider *p = &providers[i];
        const struct str before = str_from(p->before), after = str_from(p->after);
        const char *middle = host + before.len;
        size_t len;

        if (name.len < before.len + after.len || !str_starts_with(name, before) ||
            !str_ends_with(name, after))
            continue;
        len = name.len - before.len - after.len;
        if (after.len == 0 && len > 0)
            continue;
        if (p->fixed != NULL) {
            middle = p->fixed;
            len = strlen(p->fixed);
        }
        if (len == 0 || len > S3_REGION_LEN_MAX || memchr(middle, '.', len) != NULL)
            continue;
        memcpy(region, middle, len);
        region[len] = '\0';
        return p;
    }
    return NULL;
}

/* "bucket.s3.eu-west-1.amazonaws.com" as it is shown in consoles: drop the bucket. */
static void drop_pasted_bucket(const char *bucket, struct parts *parts)
{
    char region[S3_REGION_LEN_MAX + 1];
    const size_t len = strlen(bucket);

    if (strncmp(parts->host, bucket, len) == 0 && parts->host[len] == '.' &&
        find_provider(parts->host + len + 1, region) != NULL)
        memmove(parts->host, parts->host + len + 1, strlen(parts->host + len + 1) + 1);
    if (find_provider(parts->host, region) != NULL && parts->path.len == len + 1 &&
        strcmp(parts->path.ptr + 1, bucket) == 0)
        buf_clear(&parts->path);
}

const char *s3_endpoint_aws_suffix(const char *region)
{
    static const struct {
        const char *prefix, *suffix;
    } partitions[] = {
        { "cn-", "amazonaws.com.cn" },    { "eusc-", "amazonaws.eu" },
        { "us-iso-", "c2s.ic.gov" },      { "us-isob-", "sc2s.sgov.gov" },
        { "us-isof-", "csp.hci.ic.gov" }, { "eu-isoe-", "cloud.adc-e.uk" },
    };

    for (size_t i = 0; i < sizeof(partitions) / sizeof(partitions[0]); i++) {
        if (strncmp(region, partitions[i].prefix, strlen(partitions[i].prefix)) == 0)
            return partitions[i].suffix;
    }
    return "amazonaws.com";
}

/* Elsewhere the name of a host that a region does not have has no address.
 * Source: docs.aws.amazon.com/general/latest/gr/s3.html */
static int check_variant(const struct s3_endpoint_options *options, const char *region,
                         struct err *err)
{
    if (options->fips && strncmp(region, "cn-", 3) == 0) {
        (void)err_set(err, ERR_CONFIG, "region '%s' has no FIPS endpoint", region);
        err_hint(err, "set fips = no, or use a region outside of China");
        return ERR_CONFIG;
    }
    return 0;
}

/* Both name a host of AWS, as an endpoint does. */
static int refuse_variant(const struct s3_endpoint_options *options, struct err *err)
{
    const char *setting = options->fips ? "fips" : "dualstack";

    (void)err_set(err, ERR_CONFIG, "%s cannot be combined with an endpoint", setting);
    err_hint(err, "set %s = no if that server will do, or leave endpoint unset to use AWS",
             setting);
    return ERR_CONFIG;
}

static int aws_parts(const struct s3_endpoint_options *options, const char *region,
                     struct parts *parts, struct err *err)
{
    struct buf host = BUF_INIT(TEXT_LEN_MAX);
    int r;

    r = check_variant(options, region, err);
    if (r < 0)
        return r;
    parts->tls = true;
    buf_addf(&host, "s3%s%s.%s.%s", options->fips ? "-fips" : "",
             options->dualstack ? ".dualstack" : "", region, s3_endpoint_aws_suffix(region));
    parts->host = buf_detach(&host);
    return parts->host != NULL ? 0 : err_nomem(err);
}

static int choose_addressing(const struct s3_endpoint_options *options, const struct parts *parts,
                             bool is_aws, bool *ret_virtual, struct err *err)
{
    const bool fits = bucket_fits_host(options->bucket);

    if (options->addressing == S3_ADDRESSING_VIRTUAL_HOST && (parts->is_address || !fits)) {
        (void)err_set(err, ERR_CONFIG,
                      parts->is_address
                          ? "bucket '%s' cannot be part of a host name: endpoint is an address"
                          : "bucket '%s' cannot be part of a host name",
                      options->bucket);
        err_hint(err, "set addressing = path");
        return ERR_CONFIG;
    }
    *ret_virtual = options->addressing == S3_ADDRESSING_VIRTUAL_HOST ||
                   (options->addressing == S3_ADDRESSING_AUTO && is_aws && fits);
    return 0;
}

static int assemble(const struct parts *parts, const char *bucket, bool is_virtual,
                    const char *region, struct s3_endpoint *ret_endpoint, struct err *err)
{
    struct buf host = BUF_INIT(TEXT_LEN_MAX), path = BUF_INIT(2 * TEXT_LEN_MAX);
    struct s3_endpoint made = S3_ENDPOINT_INIT;

    if (is_virtual)
        buf_addf(&host, "%s.", bucket);
    buf_addf(&host, parts->is_v6 ? "[%s]" : "%s", parts->host);
    if (parts->port != 0)
        buf_addf(&host, ":%u", parts->port);
    buf_add_str(&path, buf_str(&parts->path));
    if (!is_virtual)
        buf_addf(&path, "/%s", bucket);
    made.scheme = strdup(parts->tls ? "https" : "http");
    made.host = buf_detach(&host);
    made.path = buf_detach(&path);
    made.region = strdup(region);
    if (made.scheme == NULL || made.host == NULL || made.path == NULL || made.region == NULL) {
        s3_endpoint_dispose(&made);
        return err_nomem(err);
    }
    *ret_endpoint = made;
    return 0;
}

int s3_endpoint_resolve(const struct s3_endpoint_options *options, struct s3_endpoint *ret_endpoint,
                        struct err *err)
{
    const bool custom = options->endpoint != NULL && options->endpoint[0] != '\0';
    const char *region = options->region != NULL ? options->region : "";
    struct parts parts = { .path = BUF_INIT(TEXT_LEN_MAX) };
    char said[S3_REGION_LEN_MAX + 1] = "";
    const struct provider *provider = NULL;
    bool is_aws = !custom, is_virtual = false;
    int r;

    r = check_bucket(options->bucket, err);
    if (r == 0 && region[0] != '\0')
        r = check_region(region, err);
    if (r == 0 && custom && (options->fips || options->dualstack))
        r = refuse_variant(options, err);
    if (r < 0)
        goto out;
    r = custom ? parse_endpoint(options->endpoint, &parts, err)
               : aws_parts(options, region[0] != '\0' ? region : REGION_DEFAULT, &parts, err);
    if (r < 0)
        goto out;
    if (custom) {
        drop_pasted_bucket(options->bucket, &parts);
        provider = find_provider(parts.host, said);
        is_aws = provider != NULL && provider->is_aws;
    }
    r = choose_addressing(options, &parts, is_aws, &is_virtual, err);
    if (r < 0)
        goto out;
    if (region[0] == '\0')
        region = said[0] != '\0' ? said : REGION_DEFAULT;
    r = assemble(&parts, options->bucket, is_virtual, region, ret_endpoint, err);
    if (r == 0) {
        ret_endpoint->is_aws = is_aws;
        ret_endpoint->fips = is_aws && str_starts_with(str_from(parts.host), STR_LIT("s3-fips."));
        ret_endpoint->dualstack = is_aws && strstr(parts.host, ".dualstack.") != NULL;
    }
out:
    free(parts.host);
    buf_dispose(&parts.path);
    return r;
}

void s3_endpoint_dispose(struct s3_endpoint *endpoint)
{
    free(endpoint->scheme);
    free(endpoint->host);
    free(endpoint->path);
    free(endpoint->region);
    *endpoint = (struct s3_endpoint)S3_ENDPOINT_INIT;
}

#include "agent/doctor.h"
#include "agent/doctor_report.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/parse.h"
#include "s3/survey.h"

#include <stdio.h>
#include <stdlib.h>

#define ADDRESSES_LEN_MAX 4096
#define DAY_MS            (INT64_C(24) * 60 * 60 * 1000)
#define DAYS_LEFT_MIN     14 /* a renewal that works is done by then */
#define SKEW_MS_OK        (INT64_C(60) * 1000)
/* Beyond it S3 refuses requests.
 * Source: docs.aws.amazon.com/AmazonS3/latest/API/RESTAuthentication.html (RequestTimeTooSkewed) */
#define SKEW_MS_MAX (INT64_C(15) * 60 * 1000)

void doctor_skip_server(struct doctor_report *report, const char *because)
{
    doctor_skip(report, "endpoint", because);
    doctor_skip(report, "proxy", because);
    doctor_skip(report, "name", because);
    doctor_skip(report, "connection", because);
    doctor_skip(report, "certificate", because);
    doctor_skip(report, "clock", because);
}

/* What will be asked, and who says so: often a variable or a file that nobody thinks of. */
static void say_way(struct doctor_report *report, const struct s3_way *way)
{
    doctor_ok(report, "endpoint", "'%s' (%s), region '%s' (%s)", way->endpoint,
              way->endpoint_from[0] != '\0' ? way->endpoint_from : "AWS's", way->region,
              way->region_from[0] != '\0' ? way->region_from : "by default");
    if (way->proxy[0] != '\0') {
        doctor_ok(report, "proxy", "'%s' (%s)", way->proxy, way->proxy_from);
    } else if (way->proxy_from != NULL) {
        doctor_ok(report, "proxy", "none (%s)", way->proxy_from);
    } else {
        doctor_ok(report, "proxy", "none");
    }
}

/* One that has expired already, or has another key, is an error of the settings. */
static void check_client_certificate(struct doctor_report *report, const struct s3_way *way)
{
    const int64_t left_ms = way->client_certificate_ends_ms - clock_now_ms(clock_system());
    const long long days = left_ms / DAY_MS;

    if (way->client_certificate_ends_ms == 0)
        return;
    if (days < DAYS_LEFT_MIN) {
        doctor_warn(report, "client certificate", "renew the certificate in client_cert",
                    "valid for %lld more day%s only", days, days == 1 ? "" : "s");
    } else {
        doctor_ok(report, "client certificate", "valid for %lld more days", days);
    }
}

static bool check_name(struct doctor_report *report, struct s3_client *client,
                       const struct s3_way *way)
{
    struct buf addresses = BUF_INIT(ADDRESSES_LEN_MAX);
    struct err err = { 0 };
    bool ok = true;

    if (way->proxy[0] != '\0') { /* it may be the only one that knows the name */
        doctor_skip(report, "name", "a proxy is set, which resolves names itself");
    } else if (s3_survey_addresses(client, &addresses, &err) < 0) {
        doctor_fail(report, "name", &err);
        ok = false;
    } else {
        doctor_ok(report, "name", "the server's address is %s", addresses.ptr);
    }
    buf_dispose(&addresses);
    return ok;
}

static void check_certificate(struct doctor_report *report, const struct s3_survey *survey)
{
    const int64_t left_ms = survey->certificate_ends_ms - clock_now_ms(clock_system());
    const long long days = left_ms / DAY_MS;

    if (!survey->is_tls) {
        doctor_warn(report, "certificate", "use https:// unless the way to the server is trusted",
                    "there is none: '%s' is not encrypted", survey->server);
    } else if (survey->certificate_ends_ms == 0) {
        doctor_ok(report, "certificate", "accepted; until when it is valid is not known");
    } else if (days < DAYS_LEFT_MIN) {
        doctor_warn(report, "certificate", "renew the server's certificate",
                    "accepted, but valid for %lld more day%s only", days, days == 1 ? "" : "s");
    } else {
        doctor_ok(report, "certificate", "accepted, and valid for %lld more days", days);
    }
}

static void check_clock(struct doctor_report *report, const struct s3_survey *survey)
{
    static const char hint[] = "set this machine's clock right, best by NTP";
    const int64_t offset_ms = survey->clock_offset_ms;
    const int64_t skew_ms = offset_ms < 0 ? -offset_ms : offset_ms;
    char text[FORMAT_TIME_SIZE];
    struct err err = { 0 };

    format_duration(skew_ms, text);
    if (!survey->has_date) {
        doctor_skip(report, "clock", "the server does not say what time it is");
    } else if (skew_ms <= SKEW_MS_OK) {
        doctor_ok(report, "clock", "%s apart from the server's", text);
    } else if (skew_ms <= SKEW_MS_MAX) {
        doctor_warn(report, "clock", hint, "%s %s the server's", text,
                    offset_ms < 0 ? "ahead of" : "behind");
    } else {
        (void)err_set(&err, ERR_CONFIG,
                      "%s %s the server's: it refuses requests that are not corrected, and backups "
                      "are listed at wrong times",
                      text, offset_ms < 0 ? "ahead of" : "behind");
        err_hint(&err, "%s", hint);
        doctor_fail(report, "clock", &err);
    }
}

bool doctor_check_server(struct doctor_report *report, struct s3_client *client)
{
    struct s3_survey survey = { 0 };
    struct s3_way way;
    struct err err = { 0 };

    s3_survey_way(client, &way);
    say_way(report, &way);
    check_client_certificate(report, &way);
    if (!check_name(report, client, &way)) {
        doctor_skip(report, "connection", "the server's name has no address");
        doctor_skip(report, "certificate", "there is no connection");
        doctor_skip(report, "clock", "there is no connection");
        return false;
    }
    if (s3_survey_server(client, &survey, &err) < 0) {
        doctor_fail(report, "connection", &err);
        doctor_skip(report, "certificate", "there is no connection");
        doctor_skip(report, "clock", "there is no connection");
        return false;
    }
    doctor_ok(report, "connection", "'%s' answers", survey.server);
    check_certificate(report, &survey);
    check_clock(report, &survey);
    return true;
}

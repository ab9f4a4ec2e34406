#include "agent/doctor.h"
#include "agent/doctor_report.h"
#include "agent/env.h"
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
    doctor_skip(report, "name", because);
    doctor_skip(report, "connection", because);
    doctor_skip(report, "certificate", because);
    doctor_skip(report, "clock", because);
}

static bool has_proxy(void)
{
    return env_get("https_proxy") != NULL || env_get("HTTPS_PROXY") != NULL ||
           env_get("http_proxy") != NULL || env_get("all_proxy") != NULL ||
           env_get("ALL_PROXY") != NULL;
}

static bool check_name(struct doctor_report *report, struct s3_client *client)
{
    struct buf addresses = BUF_INIT(ADDRESSES_LEN_MAX);
    struct err err = { 0 };
    bool ok = true;

    if (has_proxy()) { /* it may be the only one that knows the name */
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
    struct err err = { 0 };

    if (!check_name(report, client)) {
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

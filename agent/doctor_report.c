#include "agent/doctor_report.h"

#include "agent/hints.h"
#include "agent/output.h"
#include "agent/text.h"
#include "base/buf.h"
#include "base/err.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define LINE_LEN_MAX (16u << 10)
#define CHECK_WIDTH  20

static const char *const result_names[DOCTOR_RESULT_COUNT] = { "ok", "warning", "failure",
                                                               "skipped" };

void doctor_report_init(struct doctor_report *report, FILE *out, bool json)
{
    *report = (struct doctor_report){ .out = out, .json = json };
    if (json && (report->checks = json_array()) == NULL)
        report->failed = ERR_NOMEM;
}

void doctor_report_dispose(struct doctor_report *report)
{
    free(report->subject);
    json_decref(report->checks);
    *report = (struct doctor_report){ 0 };
}

static void print(struct doctor_report *report, struct buf *text)
{
    if (report->failed == 0)
        report->failed = output_text(report->out, text, NULL);
    buf_dispose(text);
}

void doctor_subject(struct doctor_report *report, const char *format, ...)
{
    struct buf subject = BUF_INIT(LINE_LEN_MAX), line = BUF_INIT(LINE_LEN_MAX);
    const bool is_first = report->subject == NULL;
    va_list args;

    va_start(args, format);
    buf_addfv(&subject, format, args);
    va_end(args);
    free(report->subject);
    report->subject = buf_detach(&subject);
    if (report->subject == NULL) {
        report->failed = ERR_NOMEM;
    } else if (!report->json) {
        buf_add_text(&line, is_first ? "" : "\n");
        text_escape(&line, report->subject);
        buf_add_char(&line, '\n');
        print(report, &line);
    }
    buf_dispose(&subject);
}

static void add_text(struct doctor_report *report, enum doctor_result result, const char *check,
                     const char *message, const char *hint)
{
    struct buf line = BUF_INIT(LINE_LEN_MAX);

    buf_addf(&line, "  %-7s  %-*s ", result_names[result], CHECK_WIDTH, check);
    text_escape(&line, message);
    buf_add_char(&line, '\n');
    if (hint != NULL && hint[0] != '\0') {
        buf_addf(&line, "  %-7s  %-*s hint: ", "", CHECK_WIDTH, "");
        text_escape(&line, hint);
        buf_add_char(&line, '\n');
    }
    print(report, &line);
}

static void add_json(struct doctor_report *report, enum doctor_result result, const char *check,
                     const char *message, const char *hint)
{
    json_t *entry = json_pack("{so ss ss so so}", "subject", text_json(report->subject), "check",
                              check, "result", result_names[result], "message", text_json(message),
                              "hint", text_json(hint != NULL && hint[0] != '\0' ? hint : NULL));

    if (entry == NULL || json_array_append_new(report->checks, entry) < 0)
        report->failed = ERR_NOMEM;
}

static void add(struct doctor_report *report, enum doctor_result result, const char *check,
                const char *message, const char *hint)
{
    report->counts[result]++;
    if (report->json) {
        add_json(report, result, check, message, hint);
    } else {
        add_text(report, result, check, message, hint);
    }
}

__attribute__((format(printf, 5, 0))) static void add_formatted(struct doctor_report *report,
                                                                enum doctor_result result,
                                                                const char *check, const char *hint,
                                                                const char *format, va_list args)
{
    struct buf message = BUF_INIT(LINE_LEN_MAX);

    buf_addfv(&message, format, args);
    add(report, result, check, message.ptr, hint);
    buf_dispose(&message);
}

void doctor_ok(struct doctor_report *report, const char *check, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    add_formatted(report, DOCTOR_OK, check, NULL, format, args);
    va_end(args);
}

void doctor_warn(struct doctor_report *report, const char *check, const char *hint,
                 const char *format, ...)
{
    va_list args;

    va_start(args, format);
    add_formatted(report, DOCTOR_WARNING, check, hint, format, args);
    va_end(args);
}

void doctor_fail(struct doctor_report *report, const char *check, struct err *err)
{
    hints_add(err);
    add(report, DOCTOR_FAILURE, check, err->msg, err->hint);
}

void doctor_doubt(struct doctor_report *report, const char *check, struct err *err)
{
    hints_add(err);
    add(report, DOCTOR_WARNING, check, err->msg, err->hint);
}

void doctor_skip(struct doctor_report *report, const char *check, const char *because)
{
    struct buf message = BUF_INIT(LINE_LEN_MAX);

    buf_addf(&message, "because %s", because);
    add(report, DOCTOR_SKIPPED, check, message.ptr, NULL);
    buf_dispose(&message);
}

static int print_end(struct doctor_report *report, struct err *err)
{
    const size_t *counts = report->counts;
    struct buf line = BUF_INIT(LINE_LEN_MAX);
    int r;

    if (report->json) {
        json_t *checks = report->checks;

        report->checks = NULL;
        return output_json(report->out,
                           json_pack("{so sI sI sI sI}", "checks", checks, "ok",
                                     (json_int_t)counts[DOCTOR_OK], "warnings",
                                     (json_int_t)counts[DOCTOR_WARNING], "failures",
                                     (json_int_t)counts[DOCTOR_FAILURE], "skipped",
                                     (json_int_t)counts[DOCTOR_SKIPPED]),
                           err);
    }
    buf_addf(&line, "\n%zu ok, %zu warning%s, %zu failure%s, %zu skipped\n", counts[DOCTOR_OK],
             counts[DOCTOR_WARNING], counts[DOCTOR_WARNING] == 1 ? "" : "s", counts[DOCTOR_FAILURE],
             counts[DOCTOR_FAILURE] == 1 ? "" : "s", counts[DOCTOR_SKIPPED]);
    r = output_text(report->out, &line, err);
    buf_dispose(&line);
    return r;
}

int doctor_report_end(struct doctor_report *report, struct err *err)
{
    const size_t failures = report->counts[DOCTOR_FAILURE];
    int r;

    if (report->failed == ERR_NOMEM)
        return err_nomem(err);
    if (report->failed < 0)
        return err_set(err, report->failed, "cannot write standard output");
    r = print_end(report, err);
    if (r < 0 || failures == 0)
        return r;
    r = err_set(err, ERR_PARTIAL, "%zu check%s failed", failures, failures == 1 ? "" : "s");
    err_hint(err, "each failure above says what to do");
    return r;
}

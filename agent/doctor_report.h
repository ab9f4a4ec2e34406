/*
 * doctor_report.h - what `holdfast doctor` has found: one line a check, as it is made, or one
 * document at the end.
 */
#ifndef AGENT_DOCTOR_REPORT_H
#define AGENT_DOCTOR_REPORT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct err;

enum doctor_result {
    DOCTOR_OK,
    DOCTOR_WARNING, /* backups work, but not as well as they could */
    DOCTOR_FAILURE, /* backups do not work, or soon will not */
    DOCTOR_SKIPPED, /* there is no telling, because of what was found before */
    DOCTOR_RESULT_COUNT
};

struct doctor_report {
    FILE *out;
    bool json;
    char *subject;  /* what the checks are about, now */
    json_t *checks; /* NULL unless json */
    size_t counts[DOCTOR_RESULT_COUNT];
    int failed; /* to print, or to remember: what doctor_report_end() returns */
};

void doctor_report_init(struct doctor_report *report, FILE *out, bool json);
void doctor_report_dispose(struct doctor_report *report); /* may be repeated */

/* The lines that follow are about it: "store s3://backups". */
void doctor_subject(struct doctor_report *report, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

void doctor_ok(struct doctor_report *report, const char *check, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void doctor_warn(struct doctor_report *report, const char *check, const char *hint,
                 const char *format, ...) __attribute__((format(printf, 4, 5)));
/* The message and the hint are those of err, which gets a hint if it has none. */
void doctor_fail(struct doctor_report *report, const char *check, struct err *err);
/* As doctor_fail(), but only a warning. */
void doctor_doubt(struct doctor_report *report, const char *check, struct err *err);
/* because: "the server cannot be reached". */
void doctor_skip(struct doctor_report *report, const char *check, const char *because);

/* The last line, or the document.  ERR_PARTIAL when there was a failure. */
int doctor_report_end(struct doctor_report *report, struct err *err);

#endif

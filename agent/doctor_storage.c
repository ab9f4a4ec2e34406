#include "agent/doctor.h"

#include "agent/doctor_report.h"
#include "agent/session.h"
#include "s3/storage.h"

#include <stdio.h>

void doctor_check_storage(struct doctor_report *report, const struct session *session)
{
    const char *name = settings_text(&session->settings, OPTION_STORAGE_CLASS);
    const unsigned days = s3_storage_class_days(name);

    if (name == NULL)
        return;
    if (days == 0) {
        doctor_ok(report, "storage class", "%s, of packs", name);
        return;
    }
    doctor_warn(report, "storage class",
                "an hour's pack seldom lives as long: without storage_class, or with "
                "INTELLIGENT_TIERING, this may cost less",
                "%s: each pack is paid for %u days and 128 KiB at least, and for each reading",
                name, days);
}

#include "agent/doctor.h"

#include "agent/doctor_report.h"
#include "agent/session.h"
#include "base/err.h"
#include "s3/storage.h"
#include "snapshot/catalog.h"

#include <stdio.h>

void doctor_check_backups(struct doctor_report *report, struct object_store *store,
                          const char *name)
{
    struct manifest manifest = MANIFEST_INIT;
    struct err err = { 0 };

    if (catalog_load(store, name, true, &manifest, &err) < 0) {
        doctor_fail(report, "backups", &err);
    } else if (manifest.generation == 0) {
        doctor_ok(report, "backups", "none yet");
    } else {
        doctor_ok(report, "backups", "the manifest can be read: %zu", manifest.backup_count);
    }
    manifest_dispose(&manifest);
}

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

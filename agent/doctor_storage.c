#include "agent/doctor.h"

#include "agent/doctor_report.h"
#include "agent/session.h"
#include "base/err.h"
#include "base/random.h"
#include "s3/storage.h"
#include "snapshot/catalog.h"
#include "store/object_store.h"

#include <stdio.h>

#define PART_SIZE (5u << 20) /* as S3 has them at least */

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

/* Only packs have a class; nothing is paid for one that is never completed. */
static int begin_pack(struct object_store *store, const char *name, struct err *err)
{
    char id[UUID_TEXT_SIZE], key[CATALOG_KEY_SIZE];
    struct object_upload *upload = NULL;
    int r;

    uuid_v4(id);
    r = catalog_pack_key(name, id, key, err);
    if (r == 0)
        r = object_upload_new(store, key, PART_SIZE, &upload, err);
    object_upload_free(upload); /* which takes it back */
    return r;
}

void doctor_check_storage(struct doctor_report *report, const struct session *session,
                          struct object_store *store, const char *name)
{
    const char *class = settings_text(&session->settings, OPTION_STORAGE_CLASS);
    const unsigned days = s3_storage_class_days(class);
    struct err err = { 0 };

    if (class == NULL)
        return;
    if (begin_pack(store, name, &err) < 0) {
        doctor_fail(report, "storage class", &err);
        return;
    }
    if (days == 0) {
        doctor_ok(report, "storage class", "%s, of packs", class);
        return;
    }
    doctor_warn(report, "storage class",
                "an hour's pack seldom lives as long: without storage_class, or with "
                "INTELLIGENT_TIERING, this may cost less",
                "%s: each pack is paid for %u days and 128 KiB at least, and for each reading",
                class, days);
}

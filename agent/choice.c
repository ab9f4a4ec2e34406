#include "agent/choice.h"

#include "base/err.h"
#include "base/parse.h"
#include "snapshot/manifest.h"
#include "snapshot/restore.h"

#include <string.h>

static int find_latest(const struct manifest *manifest, const struct backup_record **ret_backup,
                       struct err *err)
{
    for (size_t i = manifest->backup_count; i > 0; i--) {
        if (manifest->backups[i - 1].trigger == TRIGGER_PRE_RESTORE)
            continue;
        *ret_backup = &manifest->backups[i - 1];
        return 0;
    }
    if (manifest->backup_count == 0)
        return manifest_find_backup(manifest, "latest", ret_backup, err); /* for its message */
    (void)err_set(err, ERR_NOT_FOUND, "'%s' has only backups that restores made",
                  manifest->database);
    err_hint(err, "name one by its id, or use --undo");
    return ERR_NOT_FOUND;
}

int choice_find(const struct choice *choice, const struct manifest *manifest, int64_t now_ms,
                const struct backup_record **ret_backup, struct err *err)
{
    int64_t at_ms = 0;
    int r;

    if (choice->undo)
        return restore_find_undo(manifest, ret_backup, err);
    if (choice->at != NULL) {
        r = parse_time(choice->at, now_ms, &at_ms, err);
        return r < 0 ? err_wrap(err, r, "--at")
                     : manifest_find_backup_at(manifest, at_ms, ret_backup, err);
    }
    if (strcmp(choice->backup, "latest") == 0)
        return find_latest(manifest, ret_backup, err);
    return manifest_find_backup(manifest, choice->backup, ret_backup, err);
}

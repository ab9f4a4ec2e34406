#include "agent/command.h"

#include "agent/job_status.h"
#include "agent/output.h"
#include "agent/session.h"
#include "agent/store_choice.h"
#include "agent/text.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "snapshot/catalog.h"
#include "store/object_store.h"

#include <stdlib.h>
#include <string.h>

#define TEXT_LEN_MAX 4096

struct pin {
    char id[UUID_TEXT_SIZE];
    bool pinned;
    bool changed;
};

/* For catalog_commit(): on whatever manifest is the newest then. */
static int set_pin(void *context, struct manifest *manifest, struct err *err)
{
    const struct pin *pin = context;

    for (size_t i = 0; i < manifest->backup_count; i++) {
        if (strcmp(manifest->backups[i].id, pin->id) == 0) {
            manifest->backups[i].pinned = pin->pinned;
            if (!pin->pinned)
                manifest->backups[i].guarded = false;
            return 0;
        }
    }
    return err_set(err, ERR_NOT_FOUND, "backup %.8s is gone meanwhile", pin->id);
}

static int print_pin(struct session *session, const struct database *database,
                     const struct backup_record *backup, const struct pin *pin, struct err *err)
{
    struct buf text = BUF_INIT(TEXT_LEN_MAX);
    int r;

    if (session->json) {
        return output_json(session->out,
                           json_pack("{ss ss sb sb}", "database", database->name, "id", backup->id,
                                     "pinned", (int)pin->pinned, "changed", (int)pin->changed),
                           err);
    }
    backup_describe(&text, backup, clock_now_ms(session->clock));
    if (pin->changed) {
        buf_add_text(&text, pin->pinned ? " is pinned: no policy removes it\n"
                                        : " is left to the policy again\n");
    } else {
        buf_add_text(&text, pin->pinned ? " is pinned already\n" : " is not pinned anyhow\n");
    }
    r = output_text(session->out, &text, err);
    buf_dispose(&text);
    return r;
}

/* Who looks at the backup from before a loss, and lets it go, has been told.  On another machine
 * the next run of the agent there finds out. */
static void acknowledge(const struct session *session, const struct database *database,
                        const char *id)
{
    char *state_dir = session_state_dir(session);
    struct job_status status = { 0 };

    if (state_dir != NULL && job_status_load(state_dir, database->name, &status, NULL) == 0 &&
        status.shrunk && strcmp(status.kept_id, id) == 0) {
        job_status_acknowledge(&status);
        (void)job_status_save(state_dir, database->name, &status, NULL);
    }
    free(state_dir);
}

static int change_pin(struct session *session, struct object_store *store,
                      const struct database *database, bool pinned, struct err *err)
{
    const struct catalog_commit_options options = { .clock = session->clock,
                                                    .cancel = session->cancel };
    struct manifest manifest = MANIFEST_INIT;
    const struct backup_record *backup = NULL;
    struct pin pin = { .pinned = pinned };
    int r;

    r = catalog_load(store, database->name, false, &manifest, err);
    if (r == 0)
        r = manifest_find_backup(&manifest, session->args->positionals[1], &backup, err);
    if (r == 0) {
        memcpy(pin.id, backup->id, sizeof(pin.id));
        pin.changed = backup->pinned != pinned || (backup->guarded && !pinned);
        if (pin.changed)
            r = catalog_commit(store, &manifest, set_pin, &pin, &options, err);
    }
    if (r == 0)
        r = manifest_find_backup(&manifest, pin.id, &backup, err);
    if (r == 0 && !pinned)
        acknowledge(session, database, pin.id);
    if (r == 0)
        r = print_pin(session, database, backup, &pin, err);
    manifest_dispose(&manifest);
    return r;
}

static int run_pin(struct session *session, bool pinned, struct err *err)
{
    struct object_store *store = NULL;
    struct database database = { 0 };
    int r;

    r = session_find_database(session, DATABASE_NEED_NAME, &database, err);
    if (r < 0)
        return r;
    r = store_choice_use_first(session, err);
    if (r == 0)
        r = session_open_store(session, &store, err);
    if (r == 0)
        r = change_pin(session, store, &database, pinned, err);
    object_store_free(store);
    database_dispose(&database);
    return r;
}

int cmd_pin(struct session *session, struct err *err)
{
    return run_pin(session, true, err);
}

int cmd_unpin(struct session *session, struct err *err)
{
    return run_pin(session, false, err);
}

#include "agent/command.h"

#include "agent/console.h"
#include "agent/output.h"
#include "agent/session.h"
#include "agent/store_choice.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "snapshot/catalog.h"
#include "store/object_store.h"

#include <stdlib.h>
#include <unistd.h>

#define TABLE_LEN_MAX (64u << 20)

static int print_json(struct session *session, const struct object_store *store,
                      const struct manifest *manifest, struct err *err)
{
    json_t *backups = json_array();
    json_t *document = json_pack("{ss so so}", "database", manifest->database, "store",
                                 text_json(store->url), "backups", backups);

    for (size_t i = manifest->backup_count; i > 0 && document != NULL; i--) {
        if (json_array_append_new(backups, backup_json(&manifest->backups[i - 1])) == 0)
            continue;
        json_decref(document);
        document = NULL;
    }
    return output_json(session->out, document, err);
}

static int print_table(struct session *session, const struct manifest *manifest, struct err *err)
{
    const size_t count = manifest->backup_count;
    /* One more, so that none is no special case. */
    const struct backup_record **newest_first = calloc(count + 1, sizeof(void *));
    struct buf text = BUF_INIT(TABLE_LEN_MAX);
    int r;

    if (newest_first == NULL)
        return err_nomem(err);
    for (size_t i = 0; i < count; i++)
        newest_first[i] = &manifest->backups[count - 1 - i];
    backup_table_format(&text, newest_first, count, clock_now_ms(session->clock),
                        terminal_width(STDOUT_FILENO, SIZE_MAX));
    r = output_text(session->out, &text, err);
    buf_dispose(&text);
    free(newest_first);
    return r;
}

int cmd_list(struct session *session, struct err *err)
{
    struct manifest manifest = MANIFEST_INIT;
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
        r = catalog_load(store, database.name, false, &manifest, err);
    if (r == 0) {
        r = session->json ? print_json(session, store, &manifest, err)
                          : print_table(session, &manifest, err);
    }
    if (r < 0)
        r = err_wrap(err, r, "list '%s'", database.name);
    manifest_dispose(&manifest);
    object_store_free(store);
    database_dispose(&database);
    return r;
}

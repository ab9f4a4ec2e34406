#include "agent/command.h"

#include "agent/console.h"
#include "agent/drill_status.h"
#include "agent/each_database.h"
#include "agent/output.h"
#include "agent/progress_bar.h"
#include "agent/session.h"
#include "agent/text.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/parse.h"
#include "base/random.h"
#include "snapshot/catalog.h"
#include "snapshot/verify.h"
#include "store/object_store.h"
#include "store/version_store.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_LEN_MAX (16u << 20)
#define WHAT_LEN     160

/* One verification under way. */
struct verification {
    struct session *session;
    struct object_store *store;
    const struct database *database;
    struct verify_options options;
    struct manifest manifest;
    bool *selected; /* NULL: all */
    struct verify_result *results;
    size_t count, damaged_count;
};

/* "5%" in millionths. */
static int parse_share(const char *text, unsigned *ret_ppm, struct err *err)
{
    char digits[8];
    const size_t len = strlen(text);
    uint64_t percent = 0;
    int r = ERR_CONFIG;

    if (len > 1 && len < sizeof(digits) && text[len - 1] == '%') {
        memcpy(digits, text, len - 1);
        digits[len - 1] = '\0';
        r = parse_u64(digits, 1, 100, &percent, NULL);
    }
    if (r < 0) {
        (void)err_set(err, ERR_CONFIG, "--sample: '%s' is not a share such as 5%%", text);
        err_hint(err, "1%% to 100%%");
        return ERR_CONFIG;
    }
    *ret_ppm = (unsigned)percent * 10000;
    return 0;
}

static int fill_options(struct verification *verification, struct err *err)
{
    const struct args *args = verification->session->args;
    int r = 0;

    verification->options = (struct verify_options){
        .read = args_has(args, FLAG_READ) || args_has(args, FLAG_SAMPLE),
        .restore = args_has(args, FLAG_RESTORE),
        .spool_dir = settings_text(&verification->session->settings, OPTION_SPOOL_DIR),
        .cancel = verification->session->cancel,
        .clock = verification->session->clock,
    };
    if (args_has(args, FLAG_SAMPLE)) {
        r = parse_share(args->flags[FLAG_SAMPLE], &verification->options.sample_ppm, err);
        verification->options.sample_seed = random_u64();
        log_info("the sample is that of seed %" PRIu64, verification->options.sample_seed);
    }
    return r;
}

static int select_backup(struct verification *verification, const char *text, struct err *err)
{
    const struct manifest *manifest = &verification->manifest;
    const struct backup_record *backup = NULL;
    int r;

    r = manifest_find_backup(manifest, text, &backup, err);
    if (r < 0)
        return r;
    verification->selected = calloc(manifest->backup_count, sizeof(*verification->selected));
    if (verification->selected == NULL)
        return err_nomem(err);
    verification->selected[backup - manifest->backups] = true;
    return 0;
}

static const struct backup_record *find(const struct verification *verification, const char *id)
{
    const struct backup_record *backup = NULL;

    (void)manifest_find_backup(&verification->manifest, id, &backup, NULL);
    return backup;
}

static json_t *result_json(const struct verification *verification,
                           const struct verify_result *result)
{
    const struct backup_record *backup = find(verification, result->id);

    return json_pack(
        "{ss ss so sb so sI}", "database", verification->database->name, "id", result->id,
        "created_at", time_json(backup != NULL ? backup->created_at_ms : 0), "damaged",
        (int)result->damaged, "reason", result->damaged ? text_json(result->reason) : json_null(),
        "num_rows", (json_int_t)result->num_rows);
}

static void result_text(const struct verification *verification, const struct verify_result *result,
                        struct buf *out)
{
    const struct backup_record *backup = find(verification, result->id);

    buf_add_text(out, result->damaged ? "damaged  " : "ok       ");
    if (backup != NULL) {
        backup_describe(out, backup, clock_now_ms(verification->session->clock));
    } else {
        buf_addf(out, "%.8s", result->id);
    }
    if (result->damaged)
        buf_addf(out, ": %s", result->reason);
    buf_add_char(out, '\n');
}

static int print_results(const struct verification *verification, struct err *err)
{
    const struct session *session = verification->session;
    struct buf text = BUF_INIT(TEXT_LEN_MAX);
    int r = 0;

    for (size_t i = 0; i < verification->count && r == 0; i++) {
        if (session->json) {
            r = output_json(session->out, result_json(verification, &verification->results[i]),
                            err);
        } else {
            result_text(verification, &verification->results[i], &text);
        }
    }
    if (r == 0 && session->json) {
        r = output_json(session->out,
                        json_pack("{ss sI sI}", "database", verification->database->name,
                                  "verified", (json_int_t)verification->count, "damaged_count",
                                  (json_int_t)verification->damaged_count),
                        err);
    } else if (r == 0) {
        buf_addf(&text, "%zu backups looked at, %zu damaged\n", verification->count,
                 verification->damaged_count);
        r = output_text(session->out, &text, err);
    }
    buf_dispose(&text);
    return r;
}

static int look(struct verification *verification, struct err *err)
{
    struct progress_bar *bar = NULL;
    char what[WHAT_LEN];
    int r;

    (void)snprintf(what, sizeof(what), "verify '%s'", verification->database->name);
    r = progress_bar_start(verification->session->console, what, &bar, err);
    if (r < 0)
        return r;
    verification->options.progress = progress_bar_progress(bar);
    r = verify_run(verification->store, &verification->manifest, verification->selected,
                   &verification->options, verification->results, &verification->count, err);
    progress_bar_stop(bar);
    for (size_t i = 0; i < verification->count; i++)
        verification->damaged_count += verification->results[i].damaged;
    return r;
}

/* Credentials that may only read are a reason to say so, and not for having verified in vain. */
static void write_down(struct verification *verification)
{
    struct err why = { 0 };

    if (version_store_present(verification->store) != verification->store)
        return; /* --as-of: the past stays as it was */
    if (verify_commit(verification->store, &verification->manifest, verification->results,
                      verification->count, &verification->options, &why) < 0)
        log_warn("what was found could not be written down: %s", why.msg);
}

/* The alarm of a failed restore drill ends when its database's newest backup restores after all. */
static void settle_drill(const struct verification *verification, int64_t begin_ms)
{
    const struct manifest *manifest = &verification->manifest;
    const char *name = verification->database->name;
    struct drill_status status = { 0 };
    struct err why = { 0 };
    char *state_dir;

    if (!verification->options.restore || verification->count == 0 ||
        version_store_present(verification->store) != verification->store)
        return;
    state_dir = session_state_dir(verification->session);
    for (size_t i = 0; state_dir != NULL && i < verification->count; i++) {
        const struct verify_result *result = &verification->results[i];

        if (result->damaged ||
            strcmp(result->id, manifest->backups[manifest->backup_count - 1].id) != 0 ||
            drill_status_load(state_dir, name, &status, NULL) < 0 || status.failures == 0)
            continue;
        drill_status_verified(&status, result->id, begin_ms, result->restore_ms);
        if (drill_status_save(state_dir, name, &status, &why) < 0)
            log_warn("the failed restore drill stays on record: %s", why.msg);
    }
    free(state_dir);
}

static int verify(struct verification *verification, struct err *err)
{
    const int64_t begin_ms = clock_now_ms(verification->session->clock);
    const struct args *args = verification->session->args;
    int r;

    r = fill_options(verification, err);
    if (r == 0) {
        r = catalog_load(verification->store, verification->database->name, false,
                         &verification->manifest, err);
    }
    if (r == 0 && args->positional_count > 1)
        r = select_backup(verification, args->positionals[1], err);
    if (r < 0)
        return r;
    verification->results =
        calloc(verification->manifest.backup_count + 1, sizeof(*verification->results));
    if (verification->results == NULL)
        return err_nomem(err);
    r = look(verification, err);
    if (r == 0) {
        write_down(verification);
        settle_drill(verification, begin_ms);
        r = print_results(verification, err);
    }
    if (r == 0 && verification->damaged_count > 0) {
        r = err_set(err, ERR_CORRUPT, "%zu of %zu backups are damaged", verification->damaged_count,
                    verification->count);
        err_hint(err, "'holdfast create --full' makes one that needs no other; the rest can still "
                      "be restored");
    }
    return r;
}

static int verify_one(struct session *session, struct object_store *store,
                      const struct database *database, struct err *err)
{
    struct verification verification = { .session = session, .store = store, .database = database };
    int r = verify(&verification, err);

    manifest_dispose(&verification.manifest);
    free(verification.selected);
    free(verification.results);
    return r;
}

int cmd_verify(struct session *session, struct err *err)
{
    return each_database(session, "verify", verify_one, err);
}

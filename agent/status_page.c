#include "agent/status_page.h"

#include "agent/html.h"
#include "agent/status_chart.h"
#include "agent/status_style.h"
#include "agent/watch.h"
#include "base/buf.h"
#include "base/parse.h"

#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#define HTTP_OK        200
#define OPEN_COUNT_MAX 6  /* with more databases, those that are well are folded */
#define TITLE_MAX      50 /* with more, points do not say what they are: the page grows too large */
#define MINI_RUNS      24 /* of a folded one */
#define RELOAD_SEC     60
#define SHA256_LEN     32

#define MARK                                                                                       \
    "<svg viewBox=\"0 0 24 24\" aria-hidden=\"true\"><rect width=\"24\" height=\"24\" rx=\"6\" "   \
    "fill=\"#2f6fb3\"/><path d=\"M7 6v12M17 6v12M7 12h10\" fill=\"none\" stroke=\"#fff\" "         \
    "stroke-width=\"2.6\" stroke-linecap=\"round\"/></svg>"
#define ICON_GOOD                                                                                  \
    "<svg viewBox=\"0 0 44 44\" aria-hidden=\"true\"><circle cx=\"22\" cy=\"22\" r=\"22\"/>"       \
    "<path d=\"M13 23l6 6 12-13\"/></svg>"
#define ICON_BAD                                                                                   \
    "<svg viewBox=\"0 0 44 44\" aria-hidden=\"true\"><circle cx=\"22\" cy=\"22\" r=\"22\"/>"       \
    "<path d=\"M22 11v14M22 32v.5\"/></svg>"

/* All databases together. */
struct summary {
    size_t by_health[HEALTH_NEVER + 1];
    size_t bad, running;
    int64_t success_ms, next_ms, verified_ms; /* the newest, the soonest, the newest; 0: none */
    uint64_t backups, stored_bytes;
    bool is_known; /* what is in the store */
};

static struct summary sum_up(const struct watch_view *view)
{
    struct summary sum = { 0 };

    for (size_t i = 0; i < view->database_count; i++) {
        const struct watch_database *database = &view->databases[i];
        const enum health health = watch_health(database, view->now_ms);
        const int64_t verified_ms = watch_verified_ms(database);

        sum.by_health[health]++;
        sum.bad += !health_is_enough(health);
        sum.running += database->began_ms != 0;
        sum.backups += database->history.catalog.backup_count;
        sum.stored_bytes += database->history.catalog.stored_bytes;
        sum.is_known |= database->history.catalog.is_known;
        if (database->status.success_ms > sum.success_ms)
            sum.success_ms = database->status.success_ms;
        if (verified_ms > sum.verified_ms)
            sum.verified_ms = verified_ms;
        if (database->next_ms != 0 && (sum.next_ms == 0 || database->next_ms < sum.next_ms))
            sum.next_ms = database->next_ms;
    }
    return sum;
}

static const char *class_of(enum health health)
{
    if (health == HEALTH_GOOD)
        return "good";
    return health == HEALTH_FAILING ? "warn" : "bad";
}

static const char *class_of_all(const struct summary *sum)
{
    if (sum->bad > 0)
        return "bad";
    return sum->by_health[HEALTH_FAILING] > 0 ? "warn" : "good";
}

static void add_title(struct buf *out, const struct watch_view *view, const struct summary *sum)
{
    const size_t count = view->database_count;
    const char *counted = watch_view_databases(view) < count ? ", counted in each store," : "";

    if (count == 0) {
        buf_add_text(out, "No databases");
    } else if (sum->bad > 0 && count == 1) {
        buf_add_text(out, "The database needs attention");
    } else if (sum->bad > 0) {
        buf_addf(out, "%zu of %zu databases%s need%s attention", sum->bad, count, counted,
                 sum->bad == 1 ? "s" : "");
    } else if (count == 1) {
        buf_add_text(out, "The database is backed up");
    } else {
        buf_addf(out, "All %zu databases%s are backed up", count, counted);
    }
}

static const char *colour_of(const char *class)
{
    if (strcmp(class, "good") == 0)
        return "2f9e63";
    return strcmp(class, "warn") == 0 ? "d18f00" : "d6303f";
}

static void add_head(struct buf *out, const struct watch_view *view, const struct summary *sum)
{
    buf_addf(out,
             "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
             "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">"
             "<meta http-equiv=\"refresh\" content=\"%d\"><title>",
             RELOAD_SEC);
    add_title(out, view, sum);
    buf_addf(out,
             " · Holdfast</title><link rel=\"icon\" href=\"data:image/svg+xml,%%3Csvg "
             "xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%%3E%%3Ccircle cx='8' cy='8' "
             "r='7' fill='%%23%s'/%%3E%%3C/svg%%3E\"><style>",
             colour_of(class_of_all(sum)));
    buf_add_text(out, status_style);
    buf_add_text(out, "</style></head><body><div class=\"top\">" MARK "<span>Holdfast</span>"
                      "<span class=\"host\">");
    html_add_text(out, view->host != NULL ? view->host : "");
    buf_add_text(out, "</span></div><main>");
}

static void add_hero(struct buf *out, const struct watch_view *view, const struct summary *sum)
{
    const char *class = class_of_all(sum);
    const size_t failing = sum->by_health[HEALTH_FAILING];

    buf_addf(out, "<section class=\"hero %s\">%s<div><h1>", class,
             strcmp(class, "good") == 0 ? ICON_GOOD : ICON_BAD);
    add_title(out, view, sum);
    buf_add_text(out, "</h1><p>");
    if (failing > 0) {
        buf_addf(out, "For %zu%s the last attempt failed and is repeated. ", failing,
                 sum->bad > 0 ? " more" : "");
    }
    if (sum->success_ms != 0) {
        buf_add_text(out, "Newest good backup ");
        html_add_age(out, sum->success_ms, view->now_ms);
    } else {
        buf_add_text(out, "No good backup yet");
    }
    if (sum->running > 0) {
        buf_addf(out, ", %zu under way", sum->running);
    } else if (sum->next_ms != 0) {
        buf_add_text(out, ", next ");
        html_add_age(out, sum->next_ms, view->now_ms);
    }
    buf_add_text(out, ".</p></div></section>");
}

static void add_size(struct buf *out, uint64_t bytes)
{
    char size[FORMAT_SIZE_SIZE];

    format_size(bytes, size);
    buf_add_text(out, size);
}

/* 1,234,567. */
static void add_number(struct buf *out, uint64_t number)
{
    char digits[24];
    const int len = snprintf(digits, sizeof(digits), "%" PRIu64, number);

    for (int i = 0; i < len; i++) {
        if (i > 0 && (len - i) % 3 == 0)
            buf_add_char(out, ',');
        buf_add_char(out, digits[i]);
    }
}

static void add_age_or(struct buf *out, int64_t ms, int64_t now_ms, const char *otherwise)
{
    if (ms != 0) {
        html_add_age(out, ms, now_ms);
    } else {
        buf_add_text(out, otherwise);
    }
}

static void add_tiles(struct buf *out, const struct watch_view *view, const struct summary *sum)
{
    buf_addf(out, "<dl class=\"tiles\"><div><dt>Databases well</dt><dd>%zu of %zu</dd></div>",
             view->database_count - sum->bad, view->database_count);
    buf_add_text(out, "<div><dt>Backups to go back to</dt><dd>");
    if (sum->is_known) {
        add_number(out, sum->backups);
    } else {
        buf_add_text(out, "–");
    }
    buf_add_text(out, "</dd></div><div><dt>In the store</dt><dd>");
    if (sum->is_known) {
        add_size(out, sum->stored_bytes);
    } else {
        buf_add_text(out, "–");
    }
    buf_add_text(out, "</dd></div><div><dt>Last verified</dt><dd>");
    add_age_or(out, sum->verified_ms, view->now_ms, "never");
    buf_add_text(out, "</dd></div></dl>");
}

static void add_name(struct buf *out, const struct watch_database *database, enum health health)
{
    static const char *const labels[] = {
        [HEALTH_GOOD] = "OK",
        [HEALTH_FAILING] = "Trying again",
        [HEALTH_SHRUNK] = "Has lost much",
        [HEALTH_UNRESTORABLE] = "Does not restore",
        [HEALTH_LATE] = "Too old",
        [HEALTH_NEVER] = "No backup",
    };

    buf_addf(out, "<span class=\"pill %s\">%s</span><h3>", class_of(health), labels[health]);
    html_add_text(out, database->name);
    buf_add_text(out, "</h3>");
    if (database->store != NULL) {
        buf_add_text(out, "<span class=\"pill store\">");
        html_add_text(out, database->store);
        buf_add_text(out, "</span>");
    }
    if (database->began_ms != 0)
        buf_add_text(out, "<span class=\"pill busy\">Backing up</span>");
    buf_add_text(out, "<span class=\"path\">");
    html_add_text(out, database->path);
    buf_add_text(out, "</span>");
}

static void add_reasons(struct buf *out, const struct watch_database *database, enum health health,
                        int64_t now_ms)
{
    const struct job_status *status = &database->status;
    const char *class = health == HEALTH_FAILING ? "warn" : "bad";

    if (status->failures > 0) {
        buf_addf(out, "<p class=\"why %s\"><b>Failed %u time%s, last ", class, status->failures,
                 status->failures == 1 ? "" : "s");
        html_add_age(out, status->attempt_ms, now_ms);
        buf_add_text(out, ":</b> ");
        html_add_text(out, status->message);
        buf_add_text(out, "</p>");
    } else if (health == HEALTH_LATE) {
        buf_add_text(out, "<p class=\"why bad\"><b>Not backed up:</b> a newer backup was due by ");
        html_add_age(out, database->deadline_ms, now_ms);
        buf_add_text(out, "</p>");
    }
    if (status->shrunk) {
        buf_addf(out, "<p class=\"why %s\"><b>It has lost much:</b> ",
                 status->shrunk_fails ? "bad" : "warn");
        html_add_text(out, status->shrunk_reason);
        buf_addf(out, "; backup %.8s is kept until it is unpinned</p>", status->kept_id);
    }
    if (database->drill.failures > 0) {
        buf_add_text(out, "<p class=\"why bad\"><b>The restore drill failed:</b> ");
        html_add_text(out, database->drill.message);
        buf_add_text(out, "</p>");
    }
}

static void begin_fact(struct buf *out, const char *name, const char *class)
{
    buf_addf(out, "<div><dt>%s</dt><dd%s%s%s>", name, class[0] != '\0' ? " class=\"" : "", class,
             class[0] != '\0' ? "\"" : "");
}

static void end_fact(struct buf *out)
{
    buf_add_text(out, "</dd></div>");
}

static void add_last(struct buf *out, const struct watch_database *database, enum health health,
                     int64_t now_ms)
{
    const struct job_status *status = &database->status;
    char duration[FORMAT_TIME_SIZE];

    begin_fact(out, "Last good backup",
               health == HEALTH_LATE || health == HEALTH_NEVER ? "bad" : "");
    add_age_or(out, status->success_ms, now_ms, "never");
    if (status->success_ms != 0 && status->unchanged) {
        buf_add_text(out, "<small>nothing had changed</small>");
    } else if (status->success_ms != 0 && status->failures == 0) {
        format_duration(status->duration_ms, duration);
        buf_addf(out, "<small>took %s</small>", duration);
    }
    end_fact(out);
}

static void add_next(struct buf *out, const struct watch_database *database, int64_t now_ms)
{
    begin_fact(out, "Next", "");
    if (database->began_ms != 0) {
        buf_add_text(out, "under way");
    } else {
        add_age_or(out, database->next_ms, now_ms, "none");
    }
    buf_add_text(out, "<small>");
    html_add_text(out, database->schedule);
    buf_add_text(out, "</small>");
    end_fact(out);
}

static void add_content(struct buf *out, const struct history_newest *newest)
{
    begin_fact(out, "Database", "");
    if (newest->created_at_ms == 0) {
        buf_add_text(out, "–");
    } else {
        add_size(out, newest->size);
        buf_addf(out, "<small>%" PRIu64 " table%s", newest->num_tables,
                 newest->num_tables == 1 ? "" : "s");
        if (newest->num_rows >= 0) {
            buf_add_text(out, ", ");
            add_number(out, (uint64_t)newest->num_rows);
            buf_add_text(out, newest->num_rows == 1 ? " row" : " rows");
        }
        buf_add_text(out, "</small>");
    }
    end_fact(out);
}

static void add_catalog(struct buf *out, const struct history *history, int64_t now_ms)
{
    const struct history_catalog *catalog = &history->catalog;

    begin_fact(out, "Backups", "");
    if (catalog->is_known) {
        add_number(out, catalog->backup_count);
        if (catalog->oldest_ms != 0) {
            buf_add_text(out, "<small>oldest ");
            html_add_age(out, catalog->oldest_ms, now_ms);
            buf_add_text(out, "</small>");
        }
    } else {
        buf_add_text(out, "–");
    }
    end_fact(out);
    begin_fact(out, "In the store", "");
    if (catalog->is_known) {
        add_size(out, catalog->stored_bytes);
        buf_add_text(out, "<small>newest ");
        add_size(out, history->newest.stored_bytes);
        buf_add_text(out, "</small>");
    } else {
        buf_add_text(out, "–");
    }
    end_fact(out);
}

static void add_verified(struct buf *out, const struct watch_database *database, int64_t now_ms)
{
    const struct drill_status *drill = &database->drill;
    const uint64_t damaged = database->history.catalog.damaged_count;
    char duration[FORMAT_TIME_SIZE];

    begin_fact(out, "Verified", drill->failures > 0 ? "bad" : "");
    add_age_or(out, watch_verified_ms(database), now_ms, "never");
    if (damaged > 0) {
        buf_addf(out, "<small class=\"bad\">%" PRIu64 " damaged</small>", damaged);
    } else if (drill->verified_ms != 0) {
        format_duration(drill->restore_ms, duration);
        buf_addf(out, "<small>restored in %s</small>", duration);
    }
    end_fact(out);
}

static void add_charts(struct buf *out, const struct watch_database *database, int64_t now_ms,
                       bool with_titles)
{
    const struct history *history = &database->history;

    buf_add_text(out, "<div class=\"charts\">");
    if (history->run_count > 0) {
        buf_addf(out, "<figure><figcaption><span>Last %zu run%s</span><span>since ",
                 history->run_count, history->run_count == 1 ? "" : "s");
        html_add_age(out, history->runs[0].at_ms, now_ms);
        buf_add_text(out, "</span></figcaption>");
        status_chart_runs(out, history, HISTORY_RUNS_MAX);
        buf_add_text(out, "</figure>");
    }
    if (history->catalog.point_count > 0) {
        buf_add_text(out, "<figure><figcaption><span>Backups to go back to</span></figcaption>");
        status_chart_points(out, history, now_ms, with_titles);
        buf_add_text(out, "</figure>");
    }
    buf_add_text(out, "</div>");
}

static void add_database(struct buf *out, const struct watch_view *view,
                         const struct watch_database *database)
{
    const enum health health = watch_health(database, view->now_ms);
    const bool is_folded = health == HEALTH_GOOD && view->database_count > OPEN_COUNT_MAX;

    buf_addf(out, "<%s class=\"db %s\">", is_folded ? "details" : "article", class_of(health));
    buf_addf(out, "<%s class=\"name\">", is_folded ? "summary" : "div");
    add_name(out, database, health);
    if (is_folded) {
        buf_add_text(out, "<span class=\"mini\">");
        status_chart_runs(out, &database->history, MINI_RUNS);
        buf_add_text(out, "</span><span class=\"brief\">backed up ");
        html_add_age(out, database->status.success_ms, view->now_ms);
        buf_add_text(out, "</span>");
    }
    buf_addf(out, "</%s>", is_folded ? "summary" : "div");
    add_reasons(out, database, health, view->now_ms);
    buf_add_text(out, "<dl class=\"facts\">");
    add_last(out, database, health, view->now_ms);
    add_next(out, database, view->now_ms);
    add_content(out, &database->history.newest);
    add_catalog(out, &database->history, view->now_ms);
    add_verified(out, database, view->now_ms);
    buf_add_text(out, "</dl>");
    add_charts(out, database, view->now_ms, view->database_count <= TITLE_MAX);
    buf_addf(out, "</%s>", is_folded ? "details" : "article");
}

static void add_group(struct buf *out, const struct watch_view *view, const char *title,
                      enum health worst, enum health best)
{
    bool has_title = false;

    for (int health = (int)worst; health >= (int)best; health--) {
        for (size_t i = 0; i < view->database_count; i++) {
            if ((int)watch_health(&view->databases[i], view->now_ms) != health)
                continue;
            if (!has_title)
                buf_addf(out, "<h2>%s</h2>", title);
            has_title = true;
            add_database(out, view, &view->databases[i]);
        }
    }
}

static void add_key(struct buf *out, const char *class, int height, const char *text)
{
    buf_addf(out,
             "<li><svg viewBox=\"0 0 10 12\" aria-hidden=\"true\"><rect class=\"%s\" x=\"2\" "
             "y=\"%d\" width=\"6\" height=\"%d\"/></svg>%s</li>",
             class, 12 - height, height, text);
}

static void add_foot(struct buf *out, const struct watch_view *view)
{
    char now[FORMAT_TIME_SIZE];

    buf_add_text(out, "</main><footer>");
    if (view->database_count > 0) {
        buf_add_text(out, "<ul class=\"key\">");
        add_key(out, "made", 9, "backup made, the higher the more was stored");
        add_key(out, "unchanged", 3, "nothing had changed");
        add_key(out, "failed", 12, "failed, or damaged");
        add_key(out, "point", 6, "incremental");
        add_key(out, "point", 12, "full");
        add_key(out, "verified", 9, "verified");
        buf_add_text(out, "</ul>");
    }
    format_time_local(view->now_ms, now);
    buf_add_text(out, "As of ");
    html_add_text(out, now);
    buf_addf(out, "; renewed every %d s. Agent " HOLDFAST_VERSION ", started ", RELOAD_SEC);
    html_add_age(out, view->started_ms, view->now_ms);
    buf_add_text(out, ".</footer></body></html>\n");
}

int status_page_render(const struct watch_view *view, struct buf *out)
{
    const struct summary sum = sum_up(view);

    add_head(out, view, &sum);
    add_hero(out, view, &sum);
    if (view->database_count > 0)
        add_tiles(out, view, &sum);
    add_group(out, view, "Needs attention", HEALTH_NEVER, HEALTH_SHRUNK);
    add_group(out, view, "Trying again", HEALTH_FAILING, HEALTH_FAILING);
    add_group(out, view, "Well", HEALTH_GOOD, HEALTH_GOOD);
    add_foot(out, view);
    return HTTP_OK;
}

void status_page_policy(char out[STATUS_PAGE_POLICY_SIZE])
{
    unsigned char digest[SHA256_LEN] = { 0 };
    unsigned char text[SHA256_LEN * 2] = { 0 };

    (void)EVP_Digest(status_style, strlen(status_style), digest, NULL, EVP_sha256(), NULL);
    (void)EVP_EncodeBlock(text, digest, SHA256_LEN);
    (void)snprintf(out, STATUS_PAGE_POLICY_SIZE,
                   "default-src 'none'; style-src 'sha256-%s'; img-src data:; base-uri 'none'; "
                   "form-action 'none'; frame-ancestors 'none'",
                   (const char *)text);
}

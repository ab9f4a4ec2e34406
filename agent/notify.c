#include "agent/notify.h"

#include "agent/delivery.h"
#include "agent/options.h"
#include "agent/output.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/parse.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Together less than NOTIFY_MS_MAX: libcurl looks up once a second. */
#define START_WAIT_MS INT64_C(2000)
#define END_WAIT_MS   INT64_C(6000)
#define PLACE         "{database}"
#define STORE_PLACE   "{store}"
#define NO_STORE      "default"
#define URL_LEN_MAX   ((size_t)DELIVERY_ADDRESS_LEN_MAX * 2)
#define TEXT_LEN_MAX  ((size_t)64 << 10)
#define HOST_SIZE     256

static const char *const event_names[] = { "success",       "failure",       "recovery",
                                           "loss",          "drill-success", "drill-failure",
                                           "drill-recovery" };

static bool is_failure(const struct notify_facts *facts)
{
    return facts->event == NOTIFY_FAILURE || facts->event == NOTIFY_DRILL_FAILURE;
}

static bool is_drill(const struct notify_facts *facts)
{
    return facts->event == NOTIFY_DRILL_SUCCESS || facts->event == NOTIFY_DRILL_FAILURE ||
           facts->event == NOTIFY_DRILL_RECOVERY;
}

int notify_check(const struct settings *settings, struct err *err)
{
    static const enum option_id ids[] = { OPTION_PING_URL, OPTION_WEBHOOK_URL };

    for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
        const struct secret *url = settings_secret(settings, ids[i]);
        int r;

        if (url == NULL)
            continue;
        r = delivery_check_url(url->ptr, err);
        if (r < 0)
            return err_wrap(err, r, "%s", option_spec(ids[i])->key);
    }
    return 0;
}

void notify_ping_url(const char *url, const struct notify_subject *subject, const char *suffix,
                     struct buf *out)
{
    const size_t end = strcspn(url, "?#");
    size_t at = 0;

    while (url[at] != '\0') {
        if (at == end)
            buf_add_text(out, suffix);
        if (strncmp(url + at, PLACE, strlen(PLACE)) == 0) {
            buf_add_text(out, subject->database); /* no character needs an escape: see manifest.h */
            at += strlen(PLACE);
        } else if (strncmp(url + at, STORE_PLACE, strlen(STORE_PLACE)) == 0) {
            buf_add_text(out, subject->store != NULL ? subject->store : NO_STORE);
            at += strlen(STORE_PLACE);
        } else {
            buf_add_char(out, url[at++]);
        }
    }
    if (url[end] == '\0')
        buf_add_text(out, suffix);
}

static void drill_text(const struct notify_facts *facts, struct buf *out)
{
    char duration[FORMAT_TIME_SIZE];

    if (facts->event == NOTIFY_DRILL_FAILURE) {
        buf_addf(out, "restore drill of '%s' failed: %s\n", facts->subject.database, facts->error);
        return;
    }
    format_duration(facts->duration_ms, duration);
    buf_addf(out, "restore drill of '%s': backup %.8s is whole, and restoring it took %s\n",
             facts->subject.database, facts->backup_id, duration);
}

static void backup_text(const struct notify_facts *facts, struct buf *out)
{
    char stored[FORMAT_SIZE_SIZE], duration[FORMAT_TIME_SIZE];

    format_size(facts->stored_bytes, stored);
    format_duration(facts->duration_ms, duration);
    if (facts->event == NOTIFY_FAILURE) {
        buf_addf(out, "backup of '%s' failed: %s\n", facts->subject.database, facts->error);
    } else if (facts->unchanged) {
        buf_addf(out, "'%s': nothing has changed since backup %.8s\n", facts->subject.database,
                 facts->backup_id);
    } else {
        buf_addf(out, "'%s': backup %.8s, %s stored, took %s\n", facts->subject.database,
                 facts->backup_id, stored, duration);
    }
}

void notify_text(const struct notify_facts *facts, struct buf *out)
{
    if (is_drill(facts)) {
        drill_text(facts, out);
    } else {
        backup_text(facts, out);
    }
    if (facts->subject.store != NULL)
        buf_addf(out, "store: %s\n", facts->subject.store);
    if (facts->hint != NULL && facts->hint[0] != '\0')
        buf_addf(out, "hint: %s\n", facts->hint);
    if (facts->shrunk_reason != NULL)
        buf_addf(out, "it has lost much: %s\n", facts->shrunk_reason);
    if (facts->not_well_reason != NULL)
        buf_addf(out, "%s\n", facts->not_well_reason);
}

static json_t *text_or_null(const char *text)
{
    return text != NULL && text[0] != '\0' ? text_json(text) : json_null();
}

int notify_json(const struct notify_facts *facts, struct buf *out, struct err *err)
{
    struct buf text = BUF_INIT(TEXT_LEN_MAX);
    char host[HOST_SIZE] = "", *document = NULL;
    json_t *root;
    int r = 0;

    (void)gethostname(host, sizeof(host) - 1);
    notify_text(facts, &text);
    while (text.len > 0 && text.ptr[text.len - 1] == '\n')
        text.ptr[--text.len] = '\0';
    root = json_pack(
        "{ss ss so so so so sI so sb sI sI si so so so}", "event", event_names[facts->event],
        "database", facts->subject.database, "store_name", text_or_null(facts->subject.store),
        "host", text_json(host), "at", time_json(facts->at_ms), "text", text_json(text.ptr),
        "duration_ms", (json_int_t)facts->duration_ms, "backup", text_or_null(facts->backup_id),
        "unchanged", (int)facts->unchanged, "size", (json_int_t)facts->size, "stored_bytes",
        (json_int_t)facts->stored_bytes, "failures", (int)facts->failures, "error",
        text_or_null(facts->error), "hint", text_or_null(facts->hint), "shrunk_reason",
        text_or_null(facts->shrunk_reason));
    if (root != NULL)
        document = json_dumps(root, JSON_COMPACT);
    if (document == NULL) {
        r = err_nomem(err);
    } else {
        buf_add_text(out, document);
        r = buf_check(out, err);
    }
    free(document);
    json_decref(root);
    buf_dispose(&text);
    return r;
}

/* What cannot even be begun is told like what did not arrive. */
static struct delivery *begin(const struct notify *notify, enum option_id id,
                              const struct delivery_options *options)
{
    struct delivery *delivery = NULL;
    struct err why = { 0 };

    if (delivery_begin(options, &delivery, &why) < 0)
        log_warn("'%s': %s: %s", notify->subject.database, option_spec(id)->key, why.msg);
    return delivery;
}

static struct delivery *begin_ping(const struct notify *notify, const char *suffix,
                                   const struct buf *text)
{
    const struct secret *url = settings_secret(notify->settings, OPTION_PING_URL);
    struct buf address = BUF_INIT(URL_LEN_MAX);
    struct delivery *delivery;

    if (url == NULL)
        return NULL;
    notify_ping_url(url->ptr, &notify->subject, suffix, &address);
    delivery = begin(notify, OPTION_PING_URL,
                     &(struct delivery_options){
                         .url = address.ptr,
                         .content_type = text != NULL ? "text/plain; charset=utf-8" : NULL,
                         .body = text != NULL ? text->ptr : NULL,
                         .body_len = text != NULL ? text->len : 0,
                         .ca_file = settings_text(notify->settings, OPTION_NOTIFY_CA_FILE),
                     });
    buf_wipe(&address);
    return delivery;
}

static struct delivery *begin_webhook(const struct notify *notify, const struct notify_facts *facts)
{
    const struct secret *url = settings_secret(notify->settings, OPTION_WEBHOOK_URL);
    struct buf document = BUF_INIT(TEXT_LEN_MAX * 2);
    struct delivery *delivery = NULL;

    if (url != NULL && notify_json(facts, &document, NULL) == 0) {
        delivery = begin(notify, OPTION_WEBHOOK_URL,
                         &(struct delivery_options){
                             .url = url->ptr,
                             .content_type = "application/json",
                             .body = document.ptr,
                             .body_len = document.len,
                             .ca_file = settings_text(notify->settings, OPTION_NOTIFY_CA_FILE),
                         });
    }
    buf_dispose(&document);
    return delivery;
}

static bool end(const struct notify *notify, enum option_id id, struct delivery *delivery,
                int64_t deadline_ms)
{
    const int64_t left_ms = deadline_ms - clock_mono_ms(clock_system());
    struct err why = { 0 };

    if (delivery_end(delivery, left_ms > 0 ? left_ms : 0, notify->cancel, &why) == 0)
        return true;
    log_warn("'%s': %s was not delivered: %s", notify->subject.database, option_spec(id)->key,
             why.msg);
    return false;
}

void notify_begin(struct notify *notify, const struct settings *settings,
                  const struct notify_subject *subject, const struct cancel *cancel)
{
    *notify = (struct notify){ .settings = settings, .subject = *subject, .cancel = cancel };
    notify->start = begin_ping(notify, "/start", NULL);
}

static const char *ping_suffix(const struct notify_facts *facts)
{
    if (is_failure(facts) || facts->not_well)
        return "/fail";
    return is_drill(facts) ? "/log" : ""; /* a drill says nothing of the next backup */
}

/* The order counts: a start that arrives after the end would say that a backup is under way. */
static void end_start(struct notify *notify)
{
    struct clock *clock = clock_system();

    if (notify->start != NULL)
        (void)end(notify, OPTION_PING_URL, notify->start, clock_mono_ms(clock) + START_WAIT_MS);
    notify->start = NULL;
}

bool notify_end(struct notify *notify, const struct notify_facts *facts, bool webhook)
{
    struct delivery *ping, *hook = NULL;
    struct buf text = BUF_INIT(TEXT_LEN_MAX);
    int64_t deadline_ms;
    bool begun, taken;

    if (webhook)
        hook = begin_webhook(notify, facts);
    begun = hook != NULL;
    end_start(notify);
    notify_text(facts, &text);
    ping = begin_ping(notify, ping_suffix(facts), &text);
    deadline_ms = clock_mono_ms(clock_system()) + END_WAIT_MS;
    (void)end(notify, OPTION_PING_URL, ping, deadline_ms);
    taken = end(notify, OPTION_WEBHOOK_URL, hook, deadline_ms);
    buf_dispose(&text);
    return begun && taken;
}

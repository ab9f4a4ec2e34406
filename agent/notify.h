/*
 * notify.h - whoever watches from elsewhere is told how a backup or a restore drill went: by pings
 * in the way of Healthchecks.io, and by a webhook that takes JSON.
 *
 * Nothing here fails a backup, and none waits for it longer than NOTIFY_MS_MAX in all: the ping
 * that it begins is sent beside it.  What could not be delivered is a warning.
 *
 * Source: healthchecks.io/docs/http_api/ ("Pinging API").
 */
#ifndef AGENT_NOTIFY_H
#define AGENT_NOTIFY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct cancel;
struct clock;
struct delivery;
struct err;
struct settings;

#define NOTIFY_MS_MAX INT64_C(10000)

/* In the order of the option's choices. */
enum webhook_on {
    WEBHOOK_ON_FAILURE, /* and recovery, and a loss */
    WEBHOOK_ON_ALWAYS
};

enum notify_event {
    NOTIFY_SUCCESS,
    NOTIFY_FAILURE,
    NOTIFY_RECOVERY,      /* the first success after failures */
    NOTIFY_LOSS,          /* a good backup, of a database that lost much: see guard.h */
    NOTIFY_DRILL_SUCCESS, /* of a restore drill */
    NOTIFY_DRILL_FAILURE,
    NOTIFY_DRILL_RECOVERY
};

/* What a notice is about. */
struct notify_subject {
    const char *database;
    const char *store; /* NULL: it has no name */
};

/* What there is to tell.  Texts may be NULL. */
struct notify_facts {
    enum notify_event event;
    struct notify_subject subject;
    int64_t at_ms;
    int64_t duration_ms;
    const char *backup_id;
    bool unchanged;
    uint64_t size, stored_bytes; /* bytes; 0: nothing was made */
    unsigned failures;           /* in a row */
    const char *error, *hint;
    const char *shrunk_reason; /* a loss that nobody has looked at */
    bool not_well;             /* the backup is good, and all the same something is wrong */
    const char *not_well_reason;
};

/* Settings that are no addresses: ERR_CONFIG, which names the setting and does not quote it. */
int notify_check(const struct settings *settings, struct err *err);

/* A ping's address: url with "{database}" and "{store}" replaced, and suffix ("/start") at the end
 * of its path.  Pure. */
void notify_ping_url(const char *url, const struct notify_subject *subject, const char *suffix,
                     struct buf *out);
/* What people read: one line, or some. */
void notify_text(const struct notify_facts *facts, struct buf *out);
/* The webhook's document.  ERR_NOMEM. */
int notify_json(const struct notify_facts *facts, struct buf *out, struct err *err);

struct notify {
    const struct settings *settings;
    struct notify_subject subject;
    const struct cancel *cancel; /* when it is set, nobody waits for long */
    struct delivery *start;
};

/* A backup begins.  Borrows everything until notify_end(). */
void notify_begin(struct notify *notify, const struct settings *settings,
                  const struct notify_subject *subject, const struct cancel *cancel);
/* It has ended.  webhook: whether that is to be told, too.  @return whether the webhook took it. */
bool notify_end(struct notify *notify, const struct notify_facts *facts, bool webhook);

#endif

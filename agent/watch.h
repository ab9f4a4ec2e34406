/*
 * watch.h - what is known of every database at this moment, for those who watch: the metrics, the
 * status page, /healthz.
 *
 * A copy of its own, so that whoever looks waits for no backup, and no backup for whoever looks.
 * Safe from any thread.
 */
#ifndef AGENT_WATCH_H
#define AGENT_WATCH_H

#include "agent/drill_status.h"
#include "agent/health.h"
#include "agent/history.h"
#include "agent/job_status.h"
#include "s3/counters.h"

struct buf;
struct clock;
struct job;
struct jobs;
struct object_store;
struct watch;

/* A database in a store: a job. */
struct watch_database {
    char *name, *path, *schedule; /* schedule: as it was configured */
    char *store;                  /* its name; NULL: it has none */
    char *title;                  /* see jobs.h */
    struct job_status status;
    struct drill_status drill;
    struct history history;
    int64_t deadline_ms; /* see health.h */
    int64_t next_ms;     /* 0: none is known */
    int64_t began_ms;    /* of the backup under way; 0: there is none */
};

/* Requests to one store, since the program began. */
struct watch_store {
    char *name; /* its URL, if it has no name */
    struct s3_counters counters;
};

struct watch_view {
    const struct watch_database *databases; /* in the order of the configuration */
    size_t database_count;
    const struct watch_store *stores;
    size_t store_count;
    const char *host; /* may be NULL */
    int64_t started_ms, now_ms;
    bool is_agent; /* it stays: what is counted since it began means something */
};

/* NULL when out of memory.  clock is borrowed. */
struct watch *watch_new(struct clock *clock, bool is_agent);
void watch_free(struct watch *watch); /* NULL is fine */

/* From now on it is about these databases, whose jobs tell it how they fare (jobs->watch).  What it
 * knew of those among them stays; of the others it is read from the state directory. */
int watch_set_jobs(struct watch *watch, struct jobs *jobs, struct err *err);

/* The jobs of a lane are as job->status and the state directory say: another process may have been
 * at work since.  A NULL watch is fine. */
void watch_reload(struct watch *watch, const struct jobs *jobs, size_t lane);

/* Of a job, by whoever runs it.  A NULL watch, and a database that it is not about, are fine. */
void watch_next(struct watch *watch, const struct job *job, int64_t next_ms);
void watch_began(struct watch *watch, const struct job *job);

/* What a run of a job has shown. */
struct watch_report {
    struct history_run run;
    struct history_newest newest;   /* created_at_ms 0: nothing new */
    struct history_catalog catalog; /* is_known: to take over; left empty */
    char *store;                    /* as watch_store.name; NULL: it was not opened */
    struct s3_counters counters;
};
/* job->status is how it went.  Written down in state_dir too, unless that is NULL. */
void watch_ended(struct watch *watch, const struct job *job, struct watch_report *report,
                 const char *state_dir);
/* The same of a drill: job->drill is how it went; report has no run. */
void watch_drilled(struct watch *watch, const struct job *job, struct watch_report *report,
                   const char *state_dir);
void watch_report_dispose(struct watch_report *report);
/* What the store counted, before it is freed.  name: NULL when it has none. */
void watch_report_store(struct watch_report *report, const struct object_store *store,
                        const char *name);
/* How many different databases there are in it. */
size_t watch_view_databases(const struct watch_view *view);

/* Grows whenever there is something new. */
unsigned watch_version(const struct watch *watch);

/* Calls render while nothing changes; it must not wait.  What it returns. */
typedef int (*watch_render_fn)(const struct watch_view *view, struct buf *out);
int watch_render(struct watch *watch, watch_render_fn render, struct buf *out);

/* When a backup was last verified, by a drill or otherwise; 0: never, or it is not known. */
int64_t watch_verified_ms(const struct watch_database *database);
enum health watch_health(const struct watch_database *database, int64_t now_ms);

#endif

/*
 * jobs.h - what `run`, `agent`, `status` and `health` are about: the databases named, else all of
 * the configuration, each in every store that its backups go to.
 *
 * A job is a database in a store, with its settings, its schedules, and how its backups and restore
 * drills have gone; of all that nothing is shared with the same database's other jobs.  A lane has
 * the jobs of one store: whoever works at jobs gives each lane threads of its own, so that a store
 * that is down delays nothing but itself.
 */
#ifndef AGENT_JOBS_H
#define AGENT_JOBS_H

#include <stdatomic.h>

#include "agent/drill_status.h"
#include "agent/job_status.h"
#include "agent/session.h"
#include "agent/slot.h"

struct watch;
struct zone;

struct job {
    struct database database;
    struct session session; /* with the store, and the settings of both */
    char *title;            /* for messages: "'app'", or "'app' in 'cloud'" */
    char *state_dir;        /* of the store; NULL: there is none */
    size_t lane;            /* less than jobs.lane_count */
    struct zone *zone;
    struct schedule schedule;
    struct job_status status;
    struct slot slot; /* the agent's */
    bool is_saved;    /* the last backup, of when it was told to stop, is made */
    bool has_drill;   /* restore drills are asked for */
    struct schedule drill_schedule;
    struct drill_status drill;
    atomic_bool drill_failed; /* the last one did; for the thread of the backups */
};

struct jobs {
    struct job *items; /* those of one database stand together */
    size_t count, lane_count;
    char *state_dir;     /* of all stores; NULL: there is none */
    struct watch *watch; /* is told how they fare; borrowed, may be NULL */
    bool has_patterns;   /* other databases may be meant at another time */
};

#define JOBS_INIT                                                                                  \
    {                                                                                              \
        NULL, 0, 0, NULL, NULL, false                                                              \
    }

/* cancel: of the backups.  session is borrowed until jobs_dispose().  ERR_CONFIG when none is named
 * or configured, two are one, or a schedule is none. */
int jobs_load(struct session *session, struct cancel *cancel, struct jobs *ret_jobs,
              struct err *err);
/* Read anew how those of a lane have gone: another process may have been at work since. */
void jobs_read_status(struct jobs *jobs, size_t lane);
/* What to say behind a number of jobs that are called databases. */
const char *jobs_counted(const struct jobs *jobs);
/* The same database in the same store, perhaps of other jobs. */
bool job_is(const struct job *job, const struct job *other);

/* Whether other databases are meant now than when they were loaded: of a pattern.  Also when that
 * cannot be said: err->code. */
bool jobs_have_changed(const struct jobs *jobs, const struct session *session, struct err *err);
void jobs_dispose(struct jobs *jobs); /* may be repeated */

#endif

/*
 * drills.h - the daemon's restore drills, each at its time, those of a store one after the other.
 *
 * In a thread of its own and not in a worker: so a drill, which may last for hours, takes no
 * database's place in the queue for backups, its own neither.
 */
#ifndef AGENT_DRILLS_H
#define AGENT_DRILLS_H

#include <stddef.h>

struct agent_options;
struct drills;
struct err;
struct jobs;

/* Those of a lane.  jobs and options are borrowed until drills_stop().  *ret_drills is NULL when
 * none of its jobs has drills.  ERR_NOMEM; ERR_IO when there is no thread to be had. */
int drills_start(struct jobs *jobs, size_t lane, const struct agent_options *options,
                 struct drills **ret_drills, struct err *err);
/* The one under way is aborted.  NULL is fine. */
void drills_stop(struct drills *drills);

#endif

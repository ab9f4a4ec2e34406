/*
 * retention_policy.h - the retention policy that the settings describe.
 */
#ifndef AGENT_RETENTION_POLICY_H
#define AGENT_RETENTION_POLICY_H

#include "retention/policy.h"

struct err;
struct settings;

/* The default one where no keep_... is set; otherwise what is set, and nothing else: so that
 * keep_last = 0 alone is the empty policy, which keeps everything.  ERR_CONFIG. */
int retention_policy_from_settings(const struct settings *settings,
                                   struct retention_policy *ret_policy, struct err *err);
/* Whether the policy keeps backups for longer than object_lock protects them; false where nothing
 * is locked, or the settings are none.  For how many days each. */
bool retention_outlasts_lock(const struct settings *settings, int64_t *ret_kept_days,
                             int64_t *ret_locked_days);
#define MAX_UNUSED_ALL 100u
/* Percent of what is stored that may be of no use; MAX_UNUSED_ALL: packs are never written anew. */
unsigned max_unused_from_settings(const struct settings *settings);
/* How long what no backup needs any more is left alone. */
int64_t prune_grace_from_settings(const struct settings *settings);

#endif

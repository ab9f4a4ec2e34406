/*
 * credentials_source.h - inside s3/: one place where credentials can come from, and the places.
 *
 * A source asks anew at each fetch: files are read again, servers are asked again.  Not
 * thread-safe; the provider sees to it that one thread at a time fetches.
 */
#ifndef S3_CREDENTIALS_SOURCE_H
#define S3_CREDENTIALS_SOURCE_H

#include <stdbool.h>

struct cancel;
struct clock;
struct err;
struct http_transport;
struct s3_credentials;
struct s3_credentials_source;

struct s3_credentials_source_ops {
    /**
     * Credentials into *ret, which is S3_CREDENTIALS_INIT.
     *
     * Errors: ERR_NOT_FOUND when there is nothing here, which is no failure where nobody said that
     * there is; ERR_CONFIG; ERR_DENIED; and those of the network.
     */
    int (*fetch)(struct s3_credentials_source *source, struct s3_credentials *ret, struct err *err);
    void (*free)(struct s3_credentials_source *source);
};

struct s3_credentials_source {
    const struct s3_credentials_source_ops *ops;
    const char *name; /* for the log: "the instance metadata service" */
    bool is_fixed;    /* another fetch gives the same */
    bool is_instance; /* of EC2: the instance's own, whose region is ours if nobody names another */
};

void s3_credentials_source_free(struct s3_credentials_source *source); /* NULL is fine */

/* What sources that ask somebody need; outlives them. */
struct s3_source_context {
    struct http_transport *transport;
    struct clock *clock;
    const struct cancel *cancel; /* may be NULL */
};

/* `credential_process` of a profile; command is copied. */
int s3_source_process_new(const struct s3_source_context *context, const char *command,
                          struct s3_credentials_source **ret_source, struct err *err);

/* AWS_CONTAINER_CREDENTIALS_RELATIVE_URI (ECS) or _FULL_URI (EKS Pod Identity and others). */
bool s3_container_is_announced(void);
int s3_source_container_new(const struct s3_source_context *context,
                            struct s3_credentials_source **ret_source, struct err *err);

/* The instance metadata service, version 2.  endpoint NULL: from the environment, else AWS's. */
int s3_source_imds_new(const struct s3_source_context *context, const char *endpoint,
                       struct s3_credentials_source **ret_source, struct err *err);
/* The region that the instance is in, malloc'd.  ERR_NOT_FOUND when there is no such service. */
int s3_imds_region(const struct s3_source_context *context, const char *endpoint, char **ret_region,
                   struct err *err);

/* A role to be assumed at the Security Token Service; texts are copied, NULL or empty is unset. */
struct s3_role {
    const char *arn;
    const char *session_name;     /* unset: "holdfast-" and something random */
    const char *external_id;      /* AssumeRole only */
    const char *duration_seconds; /* unset: the role's own */
    const char *token_file;       /* web identity only: read again at each fetch */
    const char *endpoint;         /* unset: AWS's of the region */
    const char *region;           /* unset: us-east-1 */
    bool use_fips;
};

int s3_source_web_identity_new(const struct s3_source_context *context, const struct s3_role *role,
                               struct s3_credentials_source **ret_source, struct err *err);
/* Takes ownership of base, whose credentials sign; of a failure too. */
int s3_source_assume_role_new(const struct s3_source_context *context, const struct s3_role *role,
                              struct s3_credentials_source *base,
                              struct s3_credentials_source **ret_source, struct err *err);

#endif

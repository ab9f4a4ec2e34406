/*
 * credentials_provider.h - keeps credentials fresh for all threads of a client.
 *
 * Temporary ones are replaced some minutes before they end, a little earlier or later by chance,
 * so that not every agent asks at once.  One thread fetches meanwhile; the others go on with the
 * old ones while those are valid, and wait when they are not.  A fetch that fails is tolerated,
 * with a warning, as long as the old ones are valid.
 */
#ifndef S3_CREDENTIALS_PROVIDER_H
#define S3_CREDENTIALS_PROVIDER_H

#include <stdbool.h>
#include <stdint.h>

struct err;
struct s3_credentials;
struct s3_credentials_provider;
struct s3_credentials_source;

/* Takes ownership of source, of a failure too. */
int s3_credentials_provider_new(struct s3_credentials_source *source,
                                struct s3_credentials_provider **ret_provider, struct err *err);
void s3_credentials_provider_free(struct s3_credentials_provider *provider); /* NULL is fine */

/* A copy of what is valid at now_ms (since 1970).  *ret_generation tells it from others.  Blocks
 * while there is none. */
int s3_credentials_provider_get(struct s3_credentials_provider *provider, int64_t now_ms,
                                struct s3_credentials *ret_credentials, uint64_t *ret_generation,
                                struct err *err);

/* Whether they are those of the EC2 instance that this is. */
bool s3_credentials_provider_is_instance(const struct s3_credentials_provider *provider);

/* The server refuses those of this generation: the next get fetches others.  false when there can
 * be no others. */
bool s3_credentials_provider_expire(struct s3_credentials_provider *provider, uint64_t generation);

#endif

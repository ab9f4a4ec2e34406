/*
 * endpoint.h - what the agent shows over HTTP: / (the status page), /metrics, /healthz, /livez.
 *
 * Read-only: GET and HEAD, and nothing that is asked for costs a request to a store or a look at a
 * database.  One thread, which sleeps while nobody asks; a bounded number of connections, each for
 * one request and closed when it stalls.  No password and no TLS: for this machine, or behind a
 * proxy that has both.
 */
#ifndef AGENT_ENDPOINT_H
#define AGENT_ENDPOINT_H

struct endpoint;
struct err;
struct watch;

/* listen: see endpoint_address_parse().  watch is borrowed.  ERR_CONFIG; ERR_IO, also when the port
 * is in use; ERR_DENIED. */
int endpoint_start(const char *listen, struct watch *watch, struct endpoint **ret_endpoint,
                   struct err *err);
void endpoint_stop(struct endpoint *endpoint); /* NULL is fine */

#endif

/*
 * endpoint_address.h - where the agent's endpoint listens, and who it takes for a neighbour.  Pure.
 */
#ifndef AGENT_ENDPOINT_ADDRESS_H
#define AGENT_ENDPOINT_ADDRESS_H

#include <stdbool.h>
#include <sys/socket.h>

struct err;

#define ENDPOINT_ADDRESS_SIZE 64

struct endpoint_address {
    struct sockaddr_storage address;
    socklen_t len;
    bool is_loopback; /* only programs of this machine reach it */
};

/* "9187", "localhost:9187" (both 127.0.0.1), "127.0.0.1:9187", "[::1]:9187", "0.0.0.0:9187"; port 0
 * is any that is free.  Names are not looked up.  ERR_CONFIG. */
int endpoint_address_parse(const char *text, struct endpoint_address *ret_address, struct err *err);
/* "127.0.0.1:9187", "[::1]:9187". */
void endpoint_address_format(const struct sockaddr_storage *address,
                             char out[ENDPOINT_ADDRESS_SIZE]);

/* Whether a request's Host (NULL: none was sent) is a name of this machine to itself.  A page of
 * the web that has its name point here (DNS rebinding) sends its own. */
bool endpoint_host_is_local(const char *host);

#endif

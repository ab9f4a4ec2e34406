#include "agent/endpoint_address.h"

#include "base/err.h"
#include "base/parse.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define PORT_MAX       65535
#define LOOPBACK_FIRST 127u /* of 127.0.0.0/8 */

struct host_port {
    char host[ENDPOINT_ADDRESS_SIZE];
    const char *port; /* "" when there is none */
    bool is_ipv6;
};

/* "[::1]:9187", "host:9187", "9187". */
static bool split(const char *text, struct host_port *ret)
{
    const char *colon = strrchr(text, ':');
    const char *end = colon;

    *ret = (struct host_port){ .port = text };
    if (text[0] == '[') {
        text++;
        end = strchr(text, ']');
        if (end == NULL || (end[1] != ':' && end[1] != '\0'))
            return false;
        ret->is_ipv6 = true;
        colon = end[1] == ':' ? end + 1 : NULL;
        ret->port = "";
    } else if (colon == NULL) {
        return true; /* a port alone, or a host alone: who asks knows */
    }
    if ((size_t)(end - text) >= sizeof(ret->host) || end == text)
        return false;
    memcpy(ret->host, text, (size_t)(end - text));
    if (colon != NULL)
        ret->port = colon + 1;
    return true;
}

static bool is_loopback4(const struct in_addr *address)
{
    return (ntohl(address->s_addr) >> 24) == LOOPBACK_FIRST;
}

static bool set_host(const struct host_port *parts, uint16_t port, struct endpoint_address *ret)
{
    struct sockaddr_in in4 = { .sin_family = AF_INET, .sin_port = htons(port) };
    struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
    const char *host =
        parts->host[0] == '\0' || strcmp(parts->host, "localhost") == 0 ? "127.0.0.1" : parts->host;

    memset(ret, 0, sizeof(*ret));
    if (parts->is_ipv6) {
        if (inet_pton(AF_INET6, host, &in6.sin6_addr) != 1)
            return false;
        memcpy(&ret->address, &in6, sizeof(in6));
        ret->len = sizeof(in6);
        ret->is_loopback = IN6_IS_ADDR_LOOPBACK(&in6.sin6_addr);
        return true;
    }
    if (inet_pton(AF_INET, host, &in4.sin_addr) != 1)
        return false;
    memcpy(&ret->address, &in4, sizeof(in4));
    ret->len = sizeof(in4);
    ret->is_loopback = is_loopback4(&in4.sin_addr);
    return true;
}

int endpoint_address_parse(const char *text, struct endpoint_address *ret_address, struct err *err)
{
    struct host_port parts;
    uint64_t port = 0;

    if (!split(text, &parts) || parse_u64(parts.port, 0, PORT_MAX, &port, NULL) < 0 ||
        !set_host(&parts, (uint16_t)port, ret_address)) {
        (void)err_set(err, ERR_CONFIG, "'%s' is no address to listen on", text);
        err_hint(err, "a port, or an address and a port: 9187, 127.0.0.1:9187, [::1]:9187, "
                      "0.0.0.0:9187");
        return ERR_CONFIG;
    }
    return 0;
}

void endpoint_address_format(const struct sockaddr_storage *address,
                             char out[ENDPOINT_ADDRESS_SIZE])
{
    char host[INET6_ADDRSTRLEN] = "?";
    struct sockaddr_in in4;
    struct sockaddr_in6 in6;

    if (address->ss_family == AF_INET6) {
        memcpy(&in6, address, sizeof(in6));
        (void)inet_ntop(AF_INET6, &in6.sin6_addr, host, sizeof(host));
        (void)snprintf(out, ENDPOINT_ADDRESS_SIZE, "[%s]:%u", host, ntohs(in6.sin6_port));
    } else {
        memcpy(&in4, address, sizeof(in4));
        (void)inet_ntop(AF_INET, &in4.sin_addr, host, sizeof(host));
        (void)snprintf(out, ENDPOINT_ADDRESS_SIZE, "%s:%u", host, ntohs(in4.sin_port));
    }
}

bool endpoint_host_is_local(const char *host)
{
    struct host_port parts;
    struct endpoint_address address;

    if (host == NULL)
        return true;
    if (host[0] == '\0' || !split(host, &parts))
        return false;
    if (parts.host[0] == '\0') { /* without a port */
        if (strlen(host) >= sizeof(parts.host))
            return false;
        (void)snprintf(parts.host, sizeof(parts.host), "%s", host);
    }
    if (strcasecmp(parts.host, "localhost") == 0)
        return true;
    return set_host(&parts, 0, &address) && address.is_loopback;
}

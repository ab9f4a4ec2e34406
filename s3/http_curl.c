/* The transport over libcurl.  One handle serves one perform at a time; idle ones wait in a pool
 * with their connections, and a handle that has failed is thrown away with its own: servers ask
 * for a new connection after an error, for it may lead to a healthier host. */
#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include <curl/curl.h>
#include <openssl/bio.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/io.h"
#include "base/rate_limit.h"
#include "base/secret.h"
#include "s3/http.h"
#include "s3/proxy.h"

#define IDLE_COUNT_MAX   16           /* handles kept */
#define IDLE_AGE_SEC     15L          /* S3 drops idle connections after 5 to 20 seconds */
#define BUFFER_SIZE      (512L << 10) /* bytes; libcurl's own is 64 KiB up and 16 KiB down */
#define EXPECT_THRESHOLD (1u << 20)   /* bytes; from here on wait for "100 Continue" */
#define SLOWEST_RATE     32           /* bytes a millisecond that a body must make on average */
#define USER_AGENT       "holdfast"

struct curl_transport {
    struct http_transport transport;
    char *ca_file, *client_cert, *client_key;
    struct secret client_key_password, proxy;
    pthread_mutex_t lock; /* over what follows */
    CURL *idle[IDLE_COUNT_MAX];
    size_t idle_count;
};

/* What the callbacks of one perform share. */
struct exchange {
    const struct curl_transport *transport;
    const struct http_request *request;
    struct http_response *response;
    struct http_proxy proxy;
    int failed;      /* what a callback of ours failed with, which ends it; err is filled in then */
    struct err *err; /* never NULL */
    struct err unread; /* where err points when the caller wants none */
    uint64_t body_left;
    bool has_head;       /* the empty line has come that ends the answer's headers */
    curl_off_t down, up; /* bytes moved when progress was last seen */
    int64_t moved_ms, begun_ms;
    char error_text[CURL_ERROR_SIZE];
};

/* As long as we wait of our own accord, nobody is to be blamed for it. */
static void pace(struct exchange *x, struct rate_limit *limit, size_t len)
{
    if (limit == NULL)
        return;
    x->begun_ms += rate_limit_wait(limit, len, x->request->cancel);
    x->moved_ms = clock_mono_ms(clock_system());
}

/* The longest piece to move at a time; libcurl asks for at most len. */
static size_t piece_of(const struct rate_limit *limit, size_t len)
{
    const size_t piece = limit != NULL ? rate_limit_piece(limit) : len;

    return piece < len ? piece : len;
}

static size_t read_body(char *to, size_t size, size_t count, void *context)
{
    struct exchange *x = context;
    const size_t room = piece_of(x->request->upload_limit, size * count);
    size_t len = 0;

    if (x->failed < 0)
        return CURL_READFUNC_ABORT;
    if (x->request->body == NULL || x->body_left == 0)
        return 0;
    x->failed = io_read(x->request->body, to, room, &len, x->err);
    if (x->failed == 0 && (len == 0 || len > x->body_left))
        x->failed = err_set(x->err, ERR_IO, "the data to send is not as long as was announced");
    if (x->failed < 0)
        return CURL_READFUNC_ABORT;
    x->body_left -= len;
    pace(x, x->request->upload_limit, len);
    return len;
}

/* libcurl asks for this when a kept connection turns out dead after the body has begun. */
static int seek_body(void *context, curl_off_t offset, int origin)
{
    struct exchange *x = context;

    if (origin != SEEK_SET || offset != 0 || x->request->body == NULL)
        return CURL_SEEKFUNC_CANTSEEK;
    x->failed = io_rewind(x->request->body, x->err);
    x->body_left = x->request->body->size;
    return x->failed < 0 ? CURL_SEEKFUNC_FAIL : CURL_SEEKFUNC_OK;
}

static size_t write_body(char *data, size_t size, size_t count, void *context)
{
    struct exchange *x = context;
    const size_t len = size * count;

    if (len > 0 && x->failed == 0)
        x->failed = x->request->on_body(x->request->context, x->response, data, len, x->err);
    if (x->failed == 0)
        pace(x, x->request->download_limit, len);
    return x->failed < 0 ? 0 : len;
}

/* Each interim answer ("100 Continue") has its own status line: the last block of headers counts.
 */
static int take_status_line(struct exchange *x, const char *line)
{
    const char *space = strchr(line, ' ');
    int status = 0;

    for (int i = 1; space != NULL && i <= 3 && space[i] >= '0' && space[i] <= '9'; i++)
        status = status * 10 + (space[i] - '0');
    http_response_dispose(x->response);
    x->response->status = status;
    return 0;
}

static int take_header(struct exchange *x, char *line)
{
    char *colon, *value, *end = line + strlen(line);

    while (end > line && strchr("\r\n \t", end[-1]) != NULL)
        *--end = '\0';
    if (strncmp(line, "HTTP/", 5) == 0) {
        x->has_head = false;
        return take_status_line(x, line);
    }
    if (line[0] == '\0')
        x->has_head = true;
    colon = strchr(line, ':');
    if (colon == NULL || colon == line)
        return 0;
    *colon = '\0';
    value = colon + 1;
    value += strspn(value, " \t");
    if (x->response->headers.count == HTTP_HEADER_COUNT_MAX)
        return 0; /* none that we read would come that late */
    return http_headers_add(&x->response->headers, line, value, x->err);
}

static size_t read_header(char *data, size_t size, size_t count, void *context)
{
    struct exchange *x = context;
    const size_t len = size * count;
    char *line = malloc(len + 1);

    if (line == NULL) {
        x->failed = err_nomem(x->err);
        return 0;
    }
    memcpy(line, data, len);
    line[len] = '\0';
    x->failed = take_header(x, line);
    free(line);
    return x->failed < 0 ? 0 : len;
}

/* libcurl calls this once a second or more often. */
static int watch(void *context, curl_off_t down_total, curl_off_t down, curl_off_t up_total,
                 curl_off_t up)
{
    struct exchange *x = context;
    const int64_t now = clock_mono_ms(clock_system());
    const bool answering = x->response->status >= 200 || down > 0;
    int64_t patience = x->request->stall_timeout_ms;

    if (x->failed == 0) /* libcurl calls once more after another callback has failed */
        x->failed = cancel_check(x->request->cancel, x->err);
    if (x->failed < 0)
        return 1;
    if (down != x->down || up != x->up) {
        x->down = down;
        x->up = up;
        x->moved_ms = now;
    }
    if (x->body_left == 0 && !answering && x->request->answer_timeout_ms > patience)
        patience = x->request->answer_timeout_ms;
    if (now - x->moved_ms > patience) {
        x->failed = err_set(x->err, ERR_TIMEOUT, "no byte in either direction for %lld seconds",
                            (long long)(patience / 1000));
    } else if (now - x->begun_ms >
               x->request->total_timeout_ms + (down_total + up_total) / SLOWEST_RATE) {
        x->failed = err_set(x->err, ERR_TIMEOUT, "the transfer takes too long");
    }
    return x->failed < 0 ? 1 : 0;
}

static int add_line(struct curl_slist **list, const char *line, struct err *err)
{
    struct curl_slist *longer = curl_slist_append(*list, line);

    if (longer == NULL)
        return err_nomem(err);
    *list = longer;
    return 0;
}

static int header_lines(const struct http_request *request, struct curl_slist **ret_list,
                        struct err *err)
{
    const struct http_headers *headers = request->headers;
    int r = 0;

    for (size_t i = 0; i < headers->count && r == 0; i++) {
        const struct http_header *h = &headers->items[i];
        const size_t size = strlen(h->name) + strlen(h->value) + 3;
        char *line = malloc(size);

        if (line == NULL)
            return err_nomem(err);
        /* libcurl's way to send a header without a value is "name;". */
        (void)snprintf(line, size, h->value[0] == '\0' ? "%s;" : "%s: %s", h->name, h->value);
        r = add_line(ret_list, line, err);
        free(line);
    }
    /* A small body is sent sooner than the server could answer "100 Continue". */
    if (r == 0 &&
        (request->no_expect || request->body == NULL || request->body->size < EXPECT_THRESHOLD))
        r = add_line(ret_list, "Expect:", err);
    return r;
}

static void set_method(CURL *curl, const struct http_request *request)
{
    const curl_off_t size = request->body != NULL ? (curl_off_t)request->body->size : 0;

    switch (request->method) {
    case HTTP_GET:
        (void)curl_easy_setopt(curl, CURLOPT_HTTPGET, 1L);
        break;
    case HTTP_HEAD:
        (void)curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
        break;
    case HTTP_PUT: /* the size always: S3 takes no chunked body */
        (void)curl_easy_setopt(curl, CURLOPT_UPLOAD, 1L);
        (void)curl_easy_setopt(curl, CURLOPT_INFILESIZE_LARGE, size);
        break;
    case HTTP_POST:
        (void)curl_easy_setopt(curl, CURLOPT_POST, 1L);
        (void)curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, size);
        break;
    case HTTP_DELETE:
        (void)curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, "DELETE");
        break;
    }
}

/* Options that hold for every request of a handle. */
static void set_fixed_options(CURL *curl, const struct curl_transport *self)
{
    (void)curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "https,http");
    (void)curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    (void)curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);     /* "a/../b" is a key like any other */
    (void)curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L); /* it would need signing anew */
    (void)curl_easy_setopt(curl, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    (void)curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    /* Who gives up waits for no name server: the thread that asks it ends by itself. */
    (void)curl_easy_setopt(curl, CURLOPT_QUICK_EXIT, 1L);
    (void)curl_easy_setopt(curl, CURLOPT_TCP_KEEPALIVE, 1L);
    (void)curl_easy_setopt(curl, CURLOPT_MAXAGE_CONN, IDLE_AGE_SEC);
    (void)curl_easy_setopt(curl, CURLOPT_BUFFERSIZE, BUFFER_SIZE);
    (void)curl_easy_setopt(curl, CURLOPT_UPLOAD_BUFFERSIZE, BUFFER_SIZE);
    (void)curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    (void)curl_easy_setopt(curl, CURLOPT_USERAGENT, USER_AGENT);
    if (self->ca_file != NULL)
        (void)curl_easy_setopt(curl, CURLOPT_CAINFO, self->ca_file);
    if (self->client_cert == NULL)
        return;
    (void)curl_easy_setopt(curl, CURLOPT_SSLCERT, self->client_cert);
    (void)curl_easy_setopt(curl, CURLOPT_SSLKEY,
                           self->client_key != NULL ? self->client_key : self->client_cert);
    if (secret_is_set(&self->client_key_password))
        (void)curl_easy_setopt(curl, CURLOPT_KEYPASSWD, self->client_key_password.ptr);
}

/* Whatever libcurl would make of the environment by itself is overruled: what is said to be used
 * is used.  What the proxy answers to CONNECT is no answer of the server's. */
static void set_proxy(CURL *curl, const struct http_proxy *proxy)
{
    (void)curl_easy_setopt(curl, CURLOPT_PROXY, proxy->url != NULL ? proxy->url : "");
    (void)curl_easy_setopt(curl, CURLOPT_NOPROXY, "");
    (void)curl_easy_setopt(curl, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
}

static void set_callbacks(CURL *curl, struct exchange *x)
{
    (void)curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, x->error_text);
    (void)curl_easy_setopt(curl, CURLOPT_READFUNCTION, read_body);
    (void)curl_easy_setopt(curl, CURLOPT_READDATA, x);
    (void)curl_easy_setopt(curl, CURLOPT_SEEKFUNCTION, seek_body);
    (void)curl_easy_setopt(curl, CURLOPT_SEEKDATA, x);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, write_body);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEDATA, x);
    (void)curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, read_header);
    (void)curl_easy_setopt(curl, CURLOPT_HEADERDATA, x);
    (void)curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, watch);
    (void)curl_easy_setopt(curl, CURLOPT_XFERINFODATA, x);
    (void)curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
}

/* What to do about a certificate that OpenSSL did not accept. */
static void hint_certificate(struct err *err, long verify_result)
{
    switch (verify_result) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
    case X509_V_ERR_CERT_NOT_YET_VALID:
        err_hint(err, "renew the server's certificate, or set this machine's clock right");
        break;
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
        err_hint(err, "the certificate is for another name: use that name in endpoint");
        break;
    default:
        err_hint(err, "if the server has a certificate authority of its own, name its "
                      "certificate with ca_file");
        break;
    }
}

/* A server that wants to know who we are says so with an alert, in TLS 1.3 only after we think that
 * the connection stands.  OpenSSL's words for it differ by version in what stands before. */
static bool is_about_us(const char *detail)
{
    static const char *const alerts[] = {
        "alert certificate required", "alert bad certificate",     "alert unknown ca",
        "alert certificate expired",  "alert certificate unknown", "alert certificate revoked",
        "alert handshake failure",    "alert access denied",
    };

    for (size_t i = 0; i < sizeof(alerts) / sizeof(alerts[0]); i++) {
        if (strstr(detail, alerts[i]) != NULL)
            return true;
    }
    return false;
}

static int fail_identity(const struct exchange *x)
{
    if (x->transport->client_cert == NULL) {
        (void)err_set(x->err, ERR_PROTOCOL, "the server ends the connection: %s", x->error_text);
        err_hint(x->err, "does it ask for a client certificate? set client_cert and client_key");
    } else {
        (void)err_set(x->err, ERR_PROTOCOL, "the server does not take the client certificate: %s",
                      x->error_text);
        err_hint(x->err, "is it from an authority that the server trusts, and not revoked? see "
                         "client_cert");
    }
    return ERR_PROTOCOL;
}

static int fail_tls(const struct exchange *x, CURL *curl, CURLcode code)
{
    const char *detail = x->error_text[0] != '\0' ? x->error_text : curl_easy_strerror(code);
    long verify_result = 0;
    int r;

    if (code == CURLE_PEER_FAILED_VERIFICATION) {
        (void)curl_easy_getinfo(curl, CURLINFO_SSL_VERIFYRESULT, &verify_result);
        if (strstr(detail, "target host name") != NULL) /* libcurl's own check, with no result */
            verify_result = X509_V_ERR_HOSTNAME_MISMATCH;
        r = err_set(x->err, ERR_PROTOCOL, "the server's certificate was refused: %s", detail);
        hint_certificate(x->err, verify_result);
    } else if (code == CURLE_SSL_CACERT_BADFILE) {
        r = err_set(x->err, ERR_CONFIG, "cannot use the certificates of ca_file: %s", detail);
        err_hint(x->err, "ca_file must name a readable PEM file");
    } else if (strstr(detail, "wrong version number") != NULL ||
               strstr(detail, "packet length too long") != NULL ||
               strstr(detail, "http request") != NULL) {
        r = err_set(x->err, ERR_PROTOCOL, "the server does not speak TLS on this port: %s", detail);
        err_hint(x->err, "is the endpoint http:// instead of https://?");
    } else {
        r = err_set(x->err, ERR_NET, "TLS failed: %s", detail);
    }
    return r;
}

/* The connection broke, in one of many ways.  A server that hangs up on a plain request, or says
 * what is not HTTP, may be one that waits for TLS. */
static int fail_broken(const struct exchange *x, CURLcode code)
{
    const char *detail = x->error_text[0] != '\0' ? x->error_text : curl_easy_strerror(code);
    const bool garbled = code == CURLE_UNSUPPORTED_PROTOCOL || code == CURLE_WEIRD_SERVER_REPLY;
    int r;

    if (garbled) {
        r = err_set(x->err, ERR_PROTOCOL, "the answer is not HTTP: %s", detail);
    } else {
        r = err_set(x->err, ERR_NET, "the connection broke: %s", detail);
    }
    if (x->response->status == 0 && strncmp(x->request->url, "http:", 5) == 0)
        err_hint(x->err, "is the endpoint https:// instead of http://?");
    /* Its alert can be lost when it hangs up at once. */
    if (x->response->status == 0 && strncmp(x->request->url, "https:", 6) == 0 &&
        x->transport->client_cert == NULL)
        err_hint(x->err, "if the server asks for a client certificate, set client_cert");
    return r;
}

/* The name or address and the port, for messages: what stands between "//" and the next '/'. */
static void host_of_url(const char *url, char *out, size_t size)
{
    const char *host = strstr(url, "//");
    size_t len;

    host = host == NULL ? url : host + 2;
    len = strcspn(host, "/?");
    for (size_t i = len; i > 0; i--) {
        if (host[i - 1] == '@') { /* behind a name and a password */
            host += i;
            len -= i;
            break;
        }
    }
    (void)snprintf(out, size, "%.*s", (int)len, host);
}

/* A failure before the proxy has said anything. */
static int fail_connect_proxy(const struct exchange *x, const char *detail, long os_errno)
{
    char proxy[HTTP_PROXY_TEXT_SIZE];

    http_proxy_show(x->proxy.url, proxy);
    (void)err_set(x->err, ERR_NET, "cannot connect to the proxy '%s': %s", proxy, detail);
    err_hint(x->err, "%s names it: is it running? NO_PROXY lists hosts that are reached without",
             x->proxy.from);
    x->err->os_errno = os_errno != 0 ? (int)os_errno : ECONNREFUSED;
    return ERR_NET;
}

/* What a proxy answers instead of the server. */
static int fail_proxy(const struct exchange *x, long status)
{
    char proxy[HTTP_PROXY_TEXT_SIZE];
    const int code = status >= 500 ? ERR_NET : ERR_DENIED;

    http_proxy_show(x->proxy.url, proxy);
    (void)err_set(x->err, code, "the proxy '%s' answers with HTTP %ld", proxy, status);
    if (status == 407) {
        err_hint(x->err, "%s lacks the right user and password: http://user:password@%s",
                 x->proxy.from, proxy);
    } else {
        err_hint(x->err, "does it let this machine reach the S3 server? NO_PROXY lists hosts that "
                         "are reached without");
    }
    return code;
}

static int fail_connect(const struct exchange *x, CURL *curl, CURLcode code)
{
    char host[300];
    long os_errno = 0;
    int r;

    host_of_url(x->request->url, host, sizeof(host));
    (void)curl_easy_getinfo(curl, CURLINFO_OS_ERRNO, &os_errno);
    if (x->proxy.url != NULL) {
        return fail_connect_proxy(
            x, x->error_text[0] != '\0' ? x->error_text : curl_easy_strerror(code), os_errno);
    }
    if (code == CURLE_COULDNT_RESOLVE_HOST) {
        r = err_set(x->err, ERR_NET, "cannot resolve the host of '%s': %s", host,
                    x->error_text[0] != '\0' ? x->error_text : curl_easy_strerror(code));
        err_hint(x->err, "check the endpoint's name, and this machine's name servers");
        os_errno = EHOSTUNREACH;
    } else {
        r = err_set(x->err, ERR_NET, "cannot connect to '%s': %s", host,
                    x->error_text[0] != '\0' ? x->error_text : curl_easy_strerror(code));
        err_hint(x->err, "is the server running, and is this its address and port?");
    }
    x->err->os_errno = os_errno != 0 ? (int)os_errno : ECONNREFUSED;
    return r;
}

static int fail_timeout(const struct exchange *x, CURL *curl)
{
    curl_off_t connected_us = 0;
    bool is_unnamed;
    char host[300];

    (void)curl_easy_getinfo(curl, CURLINFO_CONNECT_TIME_T, &connected_us);
    if (connected_us == 0 && x->response->status == 0) {
        host_of_url(x->request->url, host, sizeof(host));
        is_unnamed = strncmp(x->error_text, "Resolving", strlen("Resolving")) == 0;
        (void)err_set(x->err, ERR_TIMEOUT,
                      is_unnamed ? "no name server tells the address of '%s' within %lld seconds"
                                 : "cannot connect to '%s' within %lld seconds",
                      host, (long long)(x->request->connect_timeout_ms / 1000));
        err_hint(x->err, is_unnamed
                             ? "does a name server of this machine answer (/etc/resolv.conf)?"
                             : "is the server running, and is nothing between that drops packets?");
        x->err->os_errno = ETIMEDOUT;
        return ERR_TIMEOUT;
    }
    return err_set(x->err, ERR_TIMEOUT, "%s", x->error_text);
}

static int fail(struct exchange *x, CURL *curl, CURLcode code)
{
    long connect_status = 0;

    (void)curl_easy_getinfo(curl, CURLINFO_HTTP_CONNECTCODE, &connect_status);
    if (connect_status >= 300)
        return fail_proxy(x, connect_status);
    if (is_about_us(x->error_text))
        return fail_identity(x);
    switch ((int)code) { /* not a switch of the enumeration: it has a hundred */
    case CURLE_OUT_OF_MEMORY:
        return err_nomem(x->err);
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
        return fail_connect(x, curl, code);
    case CURLE_OPERATION_TIMEDOUT:
        return fail_timeout(x, curl);
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
        return fail_tls(x, curl, code);
    case CURLE_URL_MALFORMAT:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
        return err_set(x->err, ERR_CONFIG, "%s",
                       x->error_text[0] != '\0' ? x->error_text : curl_easy_strerror(code));
    default:
        return fail_broken(x, code);
    }
}

/* The server's own certificate is the first of the chain; libcurl gives each as PEM, too. */
static int64_t certificate_end(CURL *curl)
{
    static const char mark[] = "Cert:";
    struct curl_certinfo *chain = NULL;
    const struct curl_slist *line;
    X509 *certificate = NULL;
    int64_t end_ms = 0;
    struct tm tm;
    BIO *bio;

    if (curl_easy_getinfo(curl, CURLINFO_CERTINFO, &chain) != CURLE_OK || chain == NULL ||
        chain->num_of_certs < 1)
        return 0;
    for (line = chain->certinfo[0]; line != NULL; line = line->next) {
        if (strncmp(line->data, mark, sizeof(mark) - 1) == 0)
            break;
    }
    if (line == NULL)
        return 0;
    bio = BIO_new_mem_buf(line->data + sizeof(mark) - 1, -1);
    if (bio != NULL)
        certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    if (certificate != NULL && ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &tm) == 1)
        end_ms = (int64_t)timegm(&tm) * 1000;
    X509_free(certificate);
    (void)BIO_free(bio);
    return end_ms;
}

static CURL *take_handle(struct curl_transport *self)
{
    CURL *curl = NULL;

    (void)pthread_mutex_lock(&self->lock);
    if (self->idle_count > 0)
        curl = self->idle[--self->idle_count];
    (void)pthread_mutex_unlock(&self->lock);
    return curl != NULL ? curl : curl_easy_init();
}

static void put_handle(struct curl_transport *self, CURL *curl)
{
    curl_easy_reset(curl); /* keeps the connections */
    (void)pthread_mutex_lock(&self->lock);
    if (self->idle_count < IDLE_COUNT_MAX) {
        self->idle[self->idle_count++] = curl;
        curl = NULL;
    }
    (void)pthread_mutex_unlock(&self->lock);
    curl_easy_cleanup(curl);
}

static int curl_perform(struct http_transport *transport, const struct http_request *request,
                        struct http_response *response, struct err *err)
{
    struct curl_transport *self = (struct curl_transport *)transport;
    struct exchange x = { .transport = self, .request = request, .response = response };
    struct curl_slist *lines = NULL;
    CURL *curl = take_handle(self);
    CURLcode code;
    int r;

    x.err = err != NULL ? err : &x.unread;
    x.body_left = request->body != NULL ? request->body->size : 0;
    x.begun_ms = x.moved_ms = clock_mono_ms(clock_system());
    r = curl == NULL ? err_nomem(err) : header_lines(request, &lines, err);
    if (r < 0)
        goto out;
    if (!request->is_local)
        x.proxy = http_proxy_choose(self->proxy.ptr, request->url);
    set_fixed_options(curl, self);
    set_proxy(curl, &x.proxy);
    set_callbacks(curl, &x);
    set_method(curl, request);
    (void)curl_easy_setopt(curl, CURLOPT_HTTPHEADER, lines);
    if (request->download_limit != NULL) {
        (void)curl_easy_setopt(curl, CURLOPT_BUFFERSIZE,
                               (long)rate_limit_piece(request->download_limit));
    }
    (void)curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)request->connect_timeout_ms);
    if (request->want_certificate)
        (void)curl_easy_setopt(curl, CURLOPT_CERTINFO, 1L);
    code = curl_easy_setopt(curl, CURLOPT_URL, request->url);
    if (code == CURLE_OK)
        code = curl_easy_perform(curl);
    if (x.failed < 0) {
        r = x.failed;
    } else if (code != CURLE_OK) {
        r = fail(&x, curl, code);
    } else if (!x.has_head) { /* for libcurl, headers may end with the connection */
        r = err_set(x.err, ERR_NET, "the connection broke in the headers of the answer");
    } else if (x.proxy.url != NULL && response->status == 407) {
        r = fail_proxy(&x, 407);
    } else if (request->want_certificate) {
        response->certificate_ends_ms = certificate_end(curl);
    }
out:
    if (r == 0) {
        put_handle(self, curl);
    } else {
        curl_easy_cleanup(curl);
    }
    curl_slist_free_all(lines);
    return r;
}

static void curl_transport_free(struct http_transport *transport)
{
    struct curl_transport *self = (struct curl_transport *)transport;

    while (self->idle_count > 0)
        curl_easy_cleanup(self->idle[--self->idle_count]);
    (void)pthread_mutex_destroy(&self->lock);
    free(self->ca_file);
    free(self->client_cert);
    free(self->client_key);
    secret_dispose(&self->client_key_password);
    secret_dispose(&self->proxy);
    free(self);
}

static void init_curl(void)
{
    const CURLcode code = curl_global_init(CURL_GLOBAL_DEFAULT);

    assert(code == CURLE_OK);
    (void)code;
}

static int copy_text(char **to, const char *from, struct err *err)
{
    if (from == NULL || from[0] == '\0')
        return 0;
    *to = strdup(from);
    return *to != NULL ? 0 : err_nomem(err);
}

static int copy_options(struct curl_transport *self, const struct http_curl_options *options,
                        struct err *err)
{
    int r;

    r = copy_text(&self->ca_file, options->ca_file, err);
    if (r == 0)
        r = copy_text(&self->client_cert, options->client_cert, err);
    if (r == 0)
        r = copy_text(&self->client_key, options->client_key, err);
    if (r == 0 && options->client_key_password != NULL)
        r = secret_copy(&self->client_key_password, options->client_key_password, err);
    if (r == 0 && options->proxy != NULL)
        r = secret_copy(&self->proxy, options->proxy, err);
    return r;
}

int http_curl_new(const struct http_curl_options *options, struct http_transport **ret_transport,
                  struct err *err)
{
    static const struct http_transport_ops ops = { curl_perform, curl_transport_free };
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct curl_transport *self;
    int r;

    (void)pthread_once(&once, init_curl);
    self = calloc(1, sizeof(*self));
    if (self == NULL)
        return err_nomem(err);
    self->transport.ops = &ops;
    (void)pthread_mutex_init(&self->lock, NULL);
    r = options != NULL ? copy_options(self, options, err) : 0;
    if (r < 0) {
        curl_transport_free(&self->transport);
        return r;
    }
    *ret_transport = (struct http_transport *)self;
    return 0;
}

#include "agent/command.h"

#include "agent/output.h"
#include "agent/session.h"
#include "base/buf.h"

#include <curl/curl.h>
#include <openssl/crypto.h>
#include <sqlite3.h>
#include <zstd.h>

#define TEXT_LEN_MAX 1024

int cmd_version(struct session *session, struct err *err)
{
    const char *sqlite = sqlite3_libversion();
    const char *curl = curl_version_info(CURLVERSION_NOW)->version;
    const char *openssl = OpenSSL_version(OPENSSL_VERSION_STRING);
    const char *zstd = ZSTD_versionString();
    struct buf text = BUF_INIT(TEXT_LEN_MAX);
    int r;

    if (session->json) {
        return output_json(session->out,
                           json_pack("{ss s{ss ss ss ss}}", "version", HOLDFAST_VERSION,
                                     "libraries", "sqlite", sqlite, "curl", curl, "openssl",
                                     openssl, "zstd", zstd),
                           err);
    }
    buf_addf(&text, "holdfast %s\nsqlite %s, curl %s, openssl %s, zstd %s\n", HOLDFAST_VERSION,
             sqlite, curl, openssl, zstd);
    r = output_text(session->out, &text, err);
    buf_dispose(&text);
    return r;
}

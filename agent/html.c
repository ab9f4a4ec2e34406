#include "agent/html.h"

#include "agent/text.h"
#include "base/buf.h"
#include "base/parse.h"

#define TEXT_LEN_MAX (64u << 10)

void html_add_text(struct buf *out, const char *text)
{
    struct buf clean = BUF_INIT(TEXT_LEN_MAX);

    text_escape(&clean, text);
    for (size_t i = 0; i < clean.len; i++) {
        switch (clean.ptr[i]) {
        case '&':
            buf_add_text(out, "&amp;");
            break;
        case '<':
            buf_add_text(out, "&lt;");
            break;
        case '>':
            buf_add_text(out, "&gt;");
            break;
        case '"':
            buf_add_text(out, "&quot;");
            break;
        case '\'':
            buf_add_text(out, "&#39;");
            break;
        default:
            buf_add_char(out, clean.ptr[i]);
        }
    }
    buf_dispose(&clean);
}

void html_add_age(struct buf *out, int64_t ms, int64_t now_ms)
{
    char utc[FORMAT_TIME_SIZE], local[FORMAT_TIME_SIZE], age[FORMAT_TIME_SIZE];

    format_time_utc(ms, false, utc);
    format_time_local(ms, local);
    format_age(now_ms - ms, age);
    buf_addf(out, "<time datetime=\"%s\" title=\"", utc);
    html_add_text(out, local);
    buf_addf(out, "\">%s</time>", age);
}

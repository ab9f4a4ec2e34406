#include "agent/status_page.h"

#include "agent/watch.h"
#include "base/buf.h"

#include <stdio.h>

int status_page_render(const struct watch_view *view, struct buf *out)
{
    buf_addf(out, "%zu\n", view->database_count);
    return 200;
}

void status_page_policy(char out[STATUS_PAGE_POLICY_SIZE])
{
    (void)snprintf(out, STATUS_PAGE_POLICY_SIZE, "default-src 'none'");
}

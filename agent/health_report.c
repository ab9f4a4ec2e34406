#include "agent/health_report.h"

#include "agent/text.h"
#include "agent/watch.h"
#include "base/buf.h"

#define HTTP_OK          200
#define HTTP_UNAVAILABLE 503

static bool is_enough(const struct watch_view *view, size_t index)
{
    return health_is_enough(watch_health(&view->databases[index], view->now_ms));
}

int health_report_render(const struct watch_view *view, struct buf *out)
{
    const char *counted =
        watch_view_databases(view) < view->database_count ? " (counted in each store)" : "";
    size_t bad = 0;

    for (size_t i = 0; i < view->database_count; i++)
        bad += !is_enough(view, i);
    if (bad == 0) {
        buf_addf(out, "ok: %zu database%s%s\n", view->database_count,
                 view->database_count == 1 ? "" : "s", counted);
        return HTTP_OK;
    }
    buf_addf(out, "%zu of %zu databases%s are not backed up as they should be\n", bad,
             view->database_count, counted);
    for (size_t i = 0; i < view->database_count; i++) {
        const struct watch_database *database = &view->databases[i];

        if (is_enough(view, i))
            continue;
        text_escape(out, database->name);
        if (database->store != NULL)
            buf_addf(out, " in %s", database->store);
        buf_add_text(out, ": ");
        health_explain(out, &database->status, &database->drill, database->deadline_ms,
                       view->now_ms);
        buf_add_char(out, '\n');
    }
    return HTTP_UNAVAILABLE;
}

/*
 * status_page.h - one HTML page that says of every database how its backups are, the worst first.
 *
 * It needs nothing but itself: no script, no font, no picture from anywhere.
 */
#ifndef AGENT_STATUS_PAGE_H
#define AGENT_STATUS_PAGE_H

struct buf;
struct watch_view;

/* A watch_render_fn: 200. */
int status_page_render(const struct watch_view *view, struct buf *out);

#define STATUS_PAGE_POLICY_SIZE 256
/* The Content-Security-Policy to send with it: nothing but its own style. */
void status_page_policy(char out[STATUS_PAGE_POLICY_SIZE]);

#endif

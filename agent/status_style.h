/*
 * status_style.h - how the status page looks: status_page.css, which the build makes an array of.
 */
#ifndef AGENT_STATUS_STYLE_H
#define AGENT_STATUS_STYLE_H

extern const char status_style[];

#endif

/*
 * survey.h - what can be learnt of a server before it accepts any key: for telling people what is
 * wrong with the way to it.
 */
#ifndef S3_SURVEY_H
#define S3_SURVEY_H

#include <stdbool.h>
#include <stdint.h>

struct buf;
struct err;
struct s3_client;

#define S3_SURVEY_TEXT_SIZE 320

struct s3_survey {
    char server[S3_SURVEY_TEXT_SIZE]; /* "https://minio:9000" */
    bool is_tls;
    int64_t certificate_ends_ms; /* 0: not known */
    bool has_date;               /* it said what time it is */
    int64_t clock_offset_ms;     /* its time minus this machine's, to the second */
};

/* How requests get there, and who says so: "as set", "AWS_ENDPOINT_URL", "profile 'x'". */
struct s3_way {
    char endpoint[S3_SURVEY_TEXT_SIZE];      /* "https://host/path", the bucket's */
    char endpoint_from[S3_SURVEY_TEXT_SIZE]; /* "": nobody, it is AWS's of the region */
    char region[S3_SURVEY_TEXT_SIZE];
    char region_from[S3_SURVEY_TEXT_SIZE]; /* "": nobody, it is what the endpoint's name says */
    char proxy[S3_SURVEY_TEXT_SIZE];       /* "host:3128"; "": none */
    const char *proxy_from;                /* who names it, or says none; NULL: nobody */
    int64_t client_certificate_ends_ms;    /* 0: there is none */
};

void s3_survey_way(struct s3_client *client, struct s3_way *ret_way);

/* Append the addresses that the name of the bucket's host has, separated by ", ".  ERR_NET when it
 * has none.  Blocks as long as the resolver does. */
int s3_survey_addresses(struct s3_client *client, struct buf *ret_addresses, struct err *err);

/* One request without a signature; an answer of any status will do.  Not tried again. */
int s3_survey_server(struct s3_client *client, struct s3_survey *ret_survey, struct err *err);

/* The region that requests are signed for now: the configured one, until a server names another.
 * malloc'd; NULL when out of memory. */
char *s3_survey_region(struct s3_client *client);

#endif

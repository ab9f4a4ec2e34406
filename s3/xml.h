/*
 * xml.h - the XML documents of S3: what servers answer, and the two that we send.
 *
 * Answers are hostile until parsed: see xml_tree.h.  White space before the document is skipped:
 * servers send it to keep a connection alive.  Pure.
 *
 * Source: docs.aws.amazon.com/AmazonS3/latest/API/API_Operations_Amazon_Simple_Storage_Service.html
 */
#ifndef S3_XML_H
#define S3_XML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "s3/client.h"
#include "s3/object_lock.h"
#include "s3/versions.h"
#include "s3/xml_tree.h"

struct err;
struct s3_credentials;

#define S3_XML_LEN_MAX XML_TREE_LEN_MAX /* a page of 1000 keys is under 2 MiB */

/* Unset fields are empty; what is too long is cut. */
struct s3_xml_error {
    char code[64];
    char message[256];
    char region[64];
    char request_id[64];
    char endpoint[256];
};

/* Whether text is an error document, in whole or as the root "ErrorResponse".  false when it is
 * anything else, or no XML at all. */
bool s3_xml_error_parse(struct str text, struct s3_xml_error *ret_error);

struct s3_list_item {
    char *key;       /* raw; of a common prefix, the prefix */
    char *upload_id; /* of an unfinished upload, or the id of a version; else NULL */
    bool is_latest, is_delete_marker; /* of a version */
    struct s3_object_info info;
};

/* One page of ListObjectsV2, of ListMultipartUploads or of ListObjectVersions. */
struct s3_list_page {
    struct s3_list_item *items;
    size_t item_count;
    struct s3_list_item *prefixes;
    size_t prefix_count;
    bool is_truncated;
    char *next_token; /* ListObjectsV2: opaque; NULL when there is none */
    char *next_key;   /* the others: the two markers */
    char *next_upload_id;
};

#define S3_LIST_PAGE_INIT                                                                          \
    {                                                                                              \
        NULL, 0, NULL, 0, false, NULL, NULL, NULL                                                  \
    }

/* ERR_PROTOCOL when text is not such a page, or is truncated without saying how to go on. */
int s3_xml_list_parse(struct str text, struct s3_list_page *ret_page, struct err *err);
int s3_xml_uploads_parse(struct str text, struct s3_list_page *ret_page, struct err *err);
/* Versions and delete markers, in the document's order. */
int s3_xml_versions_parse(struct str text, struct s3_list_page *ret_page, struct err *err);
void s3_list_page_dispose(struct s3_list_page *page);

/* InitiateMultipartUploadResult: *ret_upload_id is malloc'd and not empty. */
int s3_xml_initiate_parse(struct str text, char **ret_upload_id, struct err *err);

/* 0 when text is a CompleteMultipartUploadResult.  Its ETag is not looked at: some servers leave
 * it empty. */
int s3_xml_complete_parse(struct str text, struct err *err);

/* DeleteResult: 0, or the first key that could not be deleted, with its code and message in
 * ret_error and the key in err's message.  ERR_PROTOCOL for another document; ERR_SERVER for such
 * a key, whose code the caller classifies. */
int s3_xml_delete_parse(struct str text, struct s3_xml_error *ret_error, struct err *err);

/* VersioningConfiguration, Retention, ObjectLockConfiguration. */
int s3_xml_versioning_parse(struct str text, enum s3_versioning *ret_versioning, struct err *err);
int s3_xml_retention_parse(struct str text, struct s3_retention *ret_retention, struct err *err);
int s3_xml_lock_parse(struct str text, bool *ret_enabled, struct err *err);

/* The credentials of an answer of STS, to AssumeRole or AssumeRoleWithWebIdentity. */
int s3_xml_sts_parse(struct str text, struct s3_credentials *ret_credentials, struct err *err);

/* Append text with what XML reserves escaped. */
void s3_xml_escape(struct buf *to, const char *text);

#endif

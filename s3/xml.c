#include "s3/xml.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libxml/parser.h>
#include <libxml/tree.h>

#include "base/err.h"
#include "base/parse.h"
#include "s3/uri.h"

#define ITEM_COUNT_MAX 100000u /* of one page; S3 sends at most 1000 */

static bool is_named(const xmlNode *node, const char *name)
{
    return node->type == XML_ELEMENT_NODE && strcmp((const char *)node->name, name) == 0;
}

static const xmlNode *child(const xmlNode *parent, const char *name)
{
    for (const xmlNode *node = parent->children; node != NULL; node = node->next) {
        if (is_named(node, name))
            return node;
    }
    return NULL;
}

/* malloc'd, NULL when out of memory. */
static char *node_text(const xmlNode *node)
{
    xmlChar *content = xmlNodeGetContent(node);
    char *copy = strdup(content != NULL ? (const char *)content : "");

    xmlFree(content);
    return copy;
}

/* The text of a child; "" when there is none; NULL when out of memory. */
static char *child_text(const xmlNode *parent, const char *name)
{
    const xmlNode *node = child(parent, name);

    return node != NULL ? node_text(node) : strdup("");
}

static bool child_is(const xmlNode *parent, const char *name, const char *value)
{
    char *text = child_text(parent, name);
    const bool is = text != NULL && strcmp(text, value) == 0;

    free(text);
    return is;
}

/* Cut to the field's size, with control characters made harmless: it goes into messages. */
static void child_copy(const xmlNode *parent, const char *name, char *out, size_t size)
{
    char *text = child_text(parent, name);

    (void)snprintf(out, size, "%s", text != NULL ? text : "");
    for (char *p = out; *p != '\0'; p++) {
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            *p = ' ';
    }
    free(text);
}

/* NULL when text is no well-formed document without a DTD. */
static xmlDoc *parse(struct str text)
{
    xmlDoc *document;

    while (text.len > 0 && strchr(" \t\r\n", text.ptr[0]) != NULL && text.ptr[0] != '\0') {
        text.ptr++;
        text.len--;
    }
    /* No S3 document has a DTD, and refusing one here keeps entities from being declared at all;
     * the encoding is given below, so that it cannot hide in another one. */
    if (text.len == 0 || text.len > S3_XML_LEN_MAX ||
        memmem(text.ptr, text.len, "<!DOCTYPE", 9) != NULL)
        return NULL;
    document = xmlReadMemory(text.ptr, (int)text.len, NULL, "UTF-8",
                             XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING |
                                 XML_PARSE_NOCDATA | XML_PARSE_COMPACT);
    if (document != NULL &&
        (document->intSubset != NULL || xmlDocGetRootElement(document) == NULL)) {
        xmlFreeDoc(document);
        return NULL;
    }
    return document;
}

static int not_a(const char *root, struct err *err)
{
    return err_set(err, ERR_PROTOCOL, "the answer is not a %s document", root);
}

/* A document with the root that is expected; *ret_root lives as long as it. */
static int parse_as(struct str text, const char *root, xmlDoc **ret_document,
                    const xmlNode **ret_root, struct err *err)
{
    xmlDoc *document = parse(text);

    if (document == NULL)
        return not_a(root, err);
    *ret_root = xmlDocGetRootElement(document);
    if (!is_named(*ret_root, root)) {
        xmlFreeDoc(document);
        return not_a(root, err);
    }
    *ret_document = document;
    return 0;
}

static void read_error(const xmlNode *node, struct s3_xml_error *ret_error)
{
    child_copy(node, "Code", ret_error->code, sizeof(ret_error->code));
    child_copy(node, "Message", ret_error->message, sizeof(ret_error->message));
    child_copy(node, "Region", ret_error->region, sizeof(ret_error->region));
    child_copy(node, "RequestId", ret_error->request_id, sizeof(ret_error->request_id));
    child_copy(node, "Endpoint", ret_error->endpoint, sizeof(ret_error->endpoint));
}

bool s3_xml_error_parse(struct str text, struct s3_xml_error *ret_error)
{
    xmlDoc *document = parse(text);
    const xmlNode *node = NULL;

    if (document == NULL)
        return false;
    node = xmlDocGetRootElement(document);
    if (is_named(node, "ErrorResponse")) {
        node = child(node, "Error");
    } else if (!is_named(node, "Error")) {
        node = NULL;
    }
    if (node != NULL) {
        memset(ret_error, 0, sizeof(*ret_error));
        read_error(node, ret_error);
    }
    xmlFreeDoc(document);
    return node != NULL;
}

static void item_dispose(struct s3_list_item *item)
{
    free(item->key);
    free(item->upload_id);
    item->key = item->upload_id = NULL;
}

void s3_list_page_dispose(struct s3_list_page *page)
{
    for (size_t i = 0; i < page->item_count; i++)
        item_dispose(&page->items[i]);
    for (size_t i = 0; i < page->prefix_count; i++)
        item_dispose(&page->prefixes[i]);
    free(page->items);
    free(page->prefixes);
    free(page->next_token);
    free(page->next_key);
    free(page->next_upload_id);
    *page = (struct s3_list_page)S3_LIST_PAGE_INIT;
}

/* A key: decoded when the page declares that it is encoded, and only then. */
static int read_key(const xmlNode *parent, const char *name, bool is_encoded, char **ret_key,
                    struct err *err)
{
    char *text = child_text(parent, name);
    struct buf decoded = BUF_INIT(S3_XML_LEN_MAX);
    int r = 0;

    if (text == NULL)
        return err_nomem(err);
    if (is_encoded) {
        r = uri_decode(&decoded, str_from(text), true, err);
        if (r == 0 && memchr(decoded.ptr, '\0', decoded.len) != NULL)
            r = err_set(err, ERR_PROTOCOL, "a key with a NUL in it");
        free(text);
        text = r == 0 ? buf_detach(&decoded) : NULL;
        buf_dispose(&decoded);
        if (r == 0 && text == NULL)
            r = err_nomem(err);
    }
    if (r == 0)
        *ret_key = text;
    return r;
}

static int read_time(const xmlNode *parent, const char *name, int64_t *ret_ms, struct err *err)
{
    char *text = child_text(parent, name);
    int r = 0;

    if (text == NULL)
        return err_nomem(err);
    if (text[0] != '\0' && parse_time(text, 0, ret_ms, NULL) < 0)
        r = err_set(err, ERR_PROTOCOL, "'%.64s' is not a time", text);
    free(text);
    return r;
}

static int read_object(const xmlNode *node, bool is_encoded, struct s3_list_item *item,
                       struct err *err)
{
    char *size = child_text(node, "Size");
    int r;

    if (size == NULL)
        return err_nomem(err);
    r = parse_u64(size, 0, UINT64_MAX, &item->info.size, err);
    if (r < 0)
        r = err_set(err, ERR_PROTOCOL, "an object's size is '%.64s'", size);
    free(size);
    if (r == 0)
        r = read_time(node, "LastModified", &item->info.modified_ms, err);
    child_copy(node, "ETag", item->info.etag, sizeof(item->info.etag));
    return r < 0 ? r : read_key(node, "Key", is_encoded, &item->key, err);
}

static int read_prefix(const xmlNode *node, bool is_encoded, struct s3_list_item *item,
                       struct err *err)
{
    return read_key(node, "Prefix", is_encoded, &item->key, err);
}

static int read_upload(const xmlNode *node, bool is_encoded, struct s3_list_item *item,
                       struct err *err)
{
    int r = read_time(node, "Initiated", &item->info.modified_ms, err);

    if (r < 0)
        return r;
    item->upload_id = child_text(node, "UploadId");
    if (item->upload_id == NULL)
        return err_nomem(err);
    return read_key(node, "Key", is_encoded, &item->key, err);
}

/* All children of that name, in the document's order. */
static int read_items(const xmlNode *root, const char *name,
                      int (*read)(const xmlNode *, bool, struct s3_list_item *, struct err *),
                      bool is_encoded, struct s3_list_item **items, size_t *count, struct err *err)
{
    size_t room = 0;

    for (const xmlNode *node = root->children; node != NULL; node = node->next)
        room += is_named(node, name) ? 1 : 0;
    if (room == 0)
        return 0;
    if (room > ITEM_COUNT_MAX)
        return err_set(err, ERR_PROTOCOL, "a page of %zu entries", room);
    *items = calloc(room, sizeof(**items));
    if (*items == NULL)
        return err_nomem(err);
    for (const xmlNode *node = root->children; node != NULL; node = node->next) {
        int r;

        if (!is_named(node, name))
            continue;
        r = read(node, is_encoded, &(*items)[(*count)++], err);
        if (r < 0)
            return r;
    }
    return 0;
}

/* NULL with 0 when the child is absent or blank. */
static int read_token(const xmlNode *root, const char *name, char **ret_token, struct err *err)
{
    char *text = child_text(root, name);

    if (text == NULL)
        return err_nomem(err);
    if (text[0] == '\0') {
        free(text);
        text = NULL;
    }
    *ret_token = text;
    return 0;
}

static int read_list(const xmlNode *root, struct s3_list_page *page, struct err *err)
{
    const bool is_encoded = child_is(root, "EncodingType", "url");
    int r;

    /* Some servers send a blank token for ever: IsTruncated alone decides. */
    page->is_truncated = child_is(root, "IsTruncated", "true");
    r = read_items(root, "Contents", read_object, is_encoded, &page->items, &page->item_count, err);
    if (r == 0) {
        r = read_items(root, "CommonPrefixes", read_prefix, is_encoded, &page->prefixes,
                       &page->prefix_count, err);
    }
    if (r == 0) /* opaque: never decoded, whatever EncodingType says */
        r = read_token(root, "NextContinuationToken", &page->next_token, err);
    if (r == 0 && page->is_truncated && page->next_token == NULL)
        r = err_set(err, ERR_PROTOCOL, "the listing is truncated but has no NextContinuationToken");
    return r;
}

static int read_uploads(const xmlNode *root, struct s3_list_page *page, struct err *err)
{
    const bool is_encoded = child_is(root, "EncodingType", "url");
    int r;

    page->is_truncated = child_is(root, "IsTruncated", "true");
    r = read_items(root, "Upload", read_upload, is_encoded, &page->items, &page->item_count, err);
    if (r == 0)
        r = read_key(root, "NextKeyMarker", is_encoded, &page->next_key, err);
    if (r == 0)
        r = read_token(root, "NextUploadIdMarker", &page->next_upload_id, err);
    if (r == 0 && page->is_truncated && page->next_key[0] == '\0')
        r = err_set(err, ERR_PROTOCOL, "the listing is truncated but has no NextKeyMarker");
    return r;
}

static int parse_page(struct str text, const char *root_name,
                      int (*read)(const xmlNode *, struct s3_list_page *, struct err *),
                      struct s3_list_page *ret_page, struct err *err)
{
    struct s3_list_page page = S3_LIST_PAGE_INIT;
    xmlDoc *document = NULL;
    const xmlNode *root;
    int r;

    r = parse_as(text, root_name, &document, &root, err);
    if (r < 0)
        return r;
    r = read(root, &page, err);
    xmlFreeDoc(document);
    if (r < 0) {
        s3_list_page_dispose(&page);
    } else {
        *ret_page = page;
    }
    return r;
}

int s3_xml_list_parse(struct str text, struct s3_list_page *ret_page, struct err *err)
{
    return parse_page(text, "ListBucketResult", read_list, ret_page, err);
}

int s3_xml_uploads_parse(struct str text, struct s3_list_page *ret_page, struct err *err)
{
    return parse_page(text, "ListMultipartUploadsResult", read_uploads, ret_page, err);
}

int s3_xml_initiate_parse(struct str text, char **ret_upload_id, struct err *err)
{
    xmlDoc *document = NULL;
    const xmlNode *root;
    char *id = NULL;
    int r;

    r = parse_as(text, "InitiateMultipartUploadResult", &document, &root, err);
    if (r < 0)
        return r;
    r = read_token(root, "UploadId", &id, err);
    xmlFreeDoc(document);
    if (r == 0 && id == NULL)
        r = err_set(err, ERR_PROTOCOL, "the answer names no UploadId");
    if (r == 0)
        *ret_upload_id = id;
    return r;
}

int s3_xml_complete_parse(struct str text, struct err *err)
{
    xmlDoc *document = NULL;
    const xmlNode *root;
    const int r = parse_as(text, "CompleteMultipartUploadResult", &document, &root, err);

    if (r == 0)
        xmlFreeDoc(document);
    return r;
}

int s3_xml_delete_parse(struct str text, struct s3_xml_error *ret_error, struct err *err)
{
    xmlDoc *document = NULL;
    const xmlNode *root;
    int r;

    r = parse_as(text, "DeleteResult", &document, &root, err);
    if (r < 0)
        return r;
    for (const xmlNode *node = root->children; node != NULL && r == 0; node = node->next) {
        struct s3_xml_error error = { .code = "" };
        char key[256];

        if (!is_named(node, "Error"))
            continue;
        read_error(node, &error);
        if (strcmp(error.code, "NoSuchKey") == 0)
            continue; /* what is not there need not be deleted */
        child_copy(node, "Key", key, sizeof(key));
        *ret_error = error;
        r = err_set(err, ERR_SERVER, "delete '%s': %s", key, error.code);
    }
    xmlFreeDoc(document);
    return r;
}

void s3_xml_escape(struct buf *to, const char *text)
{
    for (; *text != '\0'; text++) {
        switch (*text) {
        case '&':
            buf_add_text(to, "&amp;");
            break;
        case '<':
            buf_add_text(to, "&lt;");
            break;
        case '>':
            buf_add_text(to, "&gt;");
            break;
        case '"':
            buf_add_text(to, "&quot;");
            break;
        default:
            buf_add_char(to, *text);
            break;
        }
    }
}

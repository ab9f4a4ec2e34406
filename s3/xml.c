#include "s3/xml.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>

#include "base/err.h"
#include "base/parse.h"
#include "s3/credentials.h"
#include "s3/uri.h"
#include "s3/xml_tree.h"

#define ITEM_COUNT_MAX 100000u /* of one page; S3 sends at most 1000 */

static bool is_named(const struct xml_node *node, const char *name)
{
    return strcmp(node->name, name) == 0;
}

/* The text of a child, malloc'd; "" when there is none; NULL when out of memory. */
static char *child_text(const struct xml_node *parent, const char *name)
{
    return strdup(xml_node_text(parent, name));
}

static bool child_is(const struct xml_node *parent, const char *name, const char *value)
{
    return strcmp(xml_node_text(parent, name), value) == 0;
}

/* Cut to the field's size, with control characters made harmless: it goes into messages. */
static void child_copy(const struct xml_node *parent, const char *name, char *out, size_t size)
{
    (void)snprintf(out, size, "%s", xml_node_text(parent, name));
    for (char *p = out; *p != '\0'; p++) {
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            *p = ' ';
    }
}

static int not_a(const char *root, struct err *err)
{
    return err_set(err, ERR_PROTOCOL, "the answer is not a %s document", root);
}

/* A document with the root that is expected. */
static int parse_as(struct str text, const char *root, struct xml_tree *ret_tree, struct err *err)
{
    struct xml_tree tree = XML_TREE_INIT;
    int r;

    r = xml_tree_parse(text, &tree, err);
    if (r < 0)
        return r == ERR_NOMEM ? r : not_a(root, err);
    if (!is_named(tree.root, root)) {
        xml_tree_dispose(&tree);
        return not_a(root, err);
    }
    *ret_tree = tree;
    return 0;
}

static void read_error(const struct xml_node *node, struct s3_xml_error *ret_error)
{
    child_copy(node, "Code", ret_error->code, sizeof(ret_error->code));
    child_copy(node, "Message", ret_error->message, sizeof(ret_error->message));
    child_copy(node, "Region", ret_error->region, sizeof(ret_error->region));
    child_copy(node, "RequestId", ret_error->request_id, sizeof(ret_error->request_id));
    child_copy(node, "Endpoint", ret_error->endpoint, sizeof(ret_error->endpoint));
}

bool s3_xml_error_parse(struct str text, struct s3_xml_error *ret_error)
{
    struct xml_tree tree = XML_TREE_INIT;
    const struct xml_node *node;

    if (xml_tree_parse(text, &tree, NULL) < 0)
        return false;
    node = tree.root;
    if (is_named(node, "ErrorResponse")) {
        node = xml_node_child(node, "Error");
    } else if (!is_named(node, "Error")) {
        node = NULL;
    }
    if (node != NULL) {
        memset(ret_error, 0, sizeof(*ret_error));
        read_error(node, ret_error);
    }
    xml_tree_dispose(&tree);
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
static int read_key(const struct xml_node *parent, const char *name, bool is_encoded,
                    char **ret_key, struct err *err)
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

static int read_time(const struct xml_node *parent, const char *name, int64_t *ret_ms,
                     struct err *err)
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

static int read_object(const struct xml_node *node, bool is_encoded, struct s3_list_item *item,
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

static int read_prefix(const struct xml_node *node, bool is_encoded, struct s3_list_item *item,
                       struct err *err)
{
    return read_key(node, "Prefix", is_encoded, &item->key, err);
}

static int read_upload(const struct xml_node *node, bool is_encoded, struct s3_list_item *item,
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

static int read_version(const struct xml_node *node, bool is_encoded, struct s3_list_item *item,
                        struct err *err)
{
    int r;

    item->is_delete_marker = is_named(node, "DeleteMarker");
    item->is_latest = child_is(node, "IsLatest", "true");
    item->upload_id = child_text(node, "VersionId");
    if (item->upload_id == NULL)
        return err_nomem(err);
    if (item->upload_id[0] == '\0')
        return err_set(err, ERR_PROTOCOL, "a version without an id");
    if (!item->is_delete_marker)
        return read_object(node, is_encoded, item, err);
    r = read_time(node, "LastModified", &item->info.modified_ms, err);
    return r < 0 ? r : read_key(node, "Key", is_encoded, &item->key, err);
}

/* "Version|DeleteMarker" is either. */
static bool is_one_of(const struct xml_node *node, const char *names)
{
    const size_t len = strlen(node->name);

    for (;;) {
        const size_t name_len = strcspn(names, "|");

        if (name_len == len && strncmp(names, node->name, len) == 0)
            return true;
        if (names[name_len] == '\0')
            return false;
        names += name_len + 1;
    }
}

/* All children of that name, in the document's order. */
static int read_items(const struct xml_node *root, const char *name,
                      int (*read)(const struct xml_node *, bool, struct s3_list_item *,
                                  struct err *),
                      bool is_encoded, struct s3_list_item **items, size_t *count, struct err *err)
{
    size_t room = 0;

    for (const struct xml_node *node = root->child; node != NULL; node = node->next)
        room += is_one_of(node, name) ? 1 : 0;
    if (room == 0)
        return 0;
    if (room > ITEM_COUNT_MAX)
        return err_set(err, ERR_PROTOCOL, "a page of %zu entries", room);
    *items = calloc(room, sizeof(**items));
    if (*items == NULL)
        return err_nomem(err);
    for (const struct xml_node *node = root->child; node != NULL; node = node->next) {
        int r;

        if (!is_one_of(node, name))
            continue;
        r = read(node, is_encoded, &(*items)[(*count)++], err);
        if (r < 0)
            return r;
    }
    return 0;
}

/* NULL with 0 when the child is absent or blank. */
static int read_token(const struct xml_node *root, const char *name, char **ret_token,
                      struct err *err)
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

static int read_list(const struct xml_node *root, struct s3_list_page *page, struct err *err)
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

static int read_uploads(const struct xml_node *root, struct s3_list_page *page, struct err *err)
{
    const bool is_encoded = child_is(root, "EncodingType", "url");
    int r;

    page->is_truncated = child_is(root, "IsTruncated", "true");
    r = read_items(root, "Upload", read_upload, is_encoded, &page->items, &page->item_count, err);
    if (r == 0)
        r = read_key(root, "NextKeyMarker", is_encoded, &page->next_key, err);
    if (r == 0)
        r = read_token(root, "NextUploadIdMarker", &page->next_upload_id, err);
    if (r == 0 && page->is_truncated && (page->next_key == NULL || page->next_key[0] == '\0'))
        r = err_set(err, ERR_PROTOCOL, "the listing is truncated but has no NextKeyMarker");
    return r;
}

static int read_versions(const struct xml_node *root, struct s3_list_page *page, struct err *err)
{
    const bool is_encoded = child_is(root, "EncodingType", "url");
    int r;

    page->is_truncated = child_is(root, "IsTruncated", "true");
    r = read_items(root, "Version|DeleteMarker", read_version, is_encoded, &page->items,
                   &page->item_count, err);
    if (r == 0)
        r = read_key(root, "NextKeyMarker", is_encoded, &page->next_key, err);
    if (r == 0)
        r = read_token(root, "NextVersionIdMarker", &page->next_upload_id, err);
    if (r == 0 && page->is_truncated && (page->next_key == NULL || page->next_key[0] == '\0'))
        r = err_set(err, ERR_PROTOCOL, "the listing is truncated but has no NextKeyMarker");
    return r;
}

static int parse_page(struct str text, const char *root_name,
                      int (*read)(const struct xml_node *, struct s3_list_page *, struct err *),
                      struct s3_list_page *ret_page, struct err *err)
{
    struct s3_list_page page = S3_LIST_PAGE_INIT;
    struct xml_tree tree = XML_TREE_INIT;
    int r;

    r = parse_as(text, root_name, &tree, err);
    if (r < 0)
        return r;
    assert(tree.root != NULL);
    r = read(tree.root, &page, err);
    xml_tree_dispose(&tree);
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

int s3_xml_versions_parse(struct str text, struct s3_list_page *ret_page, struct err *err)
{
    return parse_page(text, "ListVersionsResult", read_versions, ret_page, err);
}

int s3_xml_versioning_parse(struct str text, enum s3_versioning *ret_versioning, struct err *err)
{
    struct xml_tree tree = XML_TREE_INIT;
    int r;

    r = parse_as(text, "VersioningConfiguration", &tree, err);
    if (r < 0)
        return r;
    *ret_versioning = child_is(tree.root, "Status", "Enabled")     ? S3_VERSIONING_ENABLED
                      : child_is(tree.root, "Status", "Suspended") ? S3_VERSIONING_SUSPENDED
                                                                   : S3_VERSIONING_NONE;
    xml_tree_dispose(&tree);
    return 0;
}

int s3_xml_retention_parse(struct str text, struct s3_retention *ret_retention, struct err *err)
{
    struct s3_retention retention = { S3_LOCK_NONE, 0 };
    struct xml_tree tree = XML_TREE_INIT;
    int r;

    r = parse_as(text, "Retention", &tree, err);
    if (r < 0)
        return r;
    if (child_is(tree.root, "Mode", "COMPLIANCE")) {
        retention.mode = S3_LOCK_COMPLIANCE;
    } else if (child_is(tree.root, "Mode", "GOVERNANCE")) {
        retention.mode = S3_LOCK_GOVERNANCE;
    }
    r = read_time(tree.root, "RetainUntilDate", &retention.until_ms, err);
    xml_tree_dispose(&tree);
    if (r == 0)
        *ret_retention = retention;
    return r;
}

int s3_xml_lock_parse(struct str text, bool *ret_enabled, struct err *err)
{
    struct xml_tree tree = XML_TREE_INIT;
    int r;

    r = parse_as(text, "ObjectLockConfiguration", &tree, err);
    if (r < 0)
        return r;
    *ret_enabled = child_is(tree.root, "ObjectLockEnabled", "Enabled");
    xml_tree_dispose(&tree);
    return 0;
}

int s3_xml_initiate_parse(struct str text, char **ret_upload_id, struct err *err)
{
    struct xml_tree tree = XML_TREE_INIT;
    char *id = NULL;
    int r;

    r = parse_as(text, "InitiateMultipartUploadResult", &tree, err);
    if (r < 0)
        return r;
    r = read_token(tree.root, "UploadId", &id, err);
    xml_tree_dispose(&tree);
    if (r == 0 && id == NULL)
        r = err_set(err, ERR_PROTOCOL, "the answer names no UploadId");
    if (r == 0)
        *ret_upload_id = id;
    return r;
}

int s3_xml_complete_parse(struct str text, struct err *err)
{
    struct xml_tree tree = XML_TREE_INIT;
    const int r = parse_as(text, "CompleteMultipartUploadResult", &tree, err);

    if (r == 0)
        xml_tree_dispose(&tree);
    return r;
}

int s3_xml_delete_parse(struct str text, struct s3_xml_error *ret_error, struct err *err)
{
    struct xml_tree tree = XML_TREE_INIT;
    int r;

    r = parse_as(text, "DeleteResult", &tree, err);
    if (r < 0)
        return r;
    assert(tree.root != NULL);
    for (const struct xml_node *node = tree.root->child; node != NULL && r == 0;
         node = node->next) {
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
    xml_tree_dispose(&tree);
    return r;
}

static struct str child_str(const struct xml_node *parent, const char *name)
{
    return str_from(xml_node_text(parent, name));
}

static void wipe_child(const struct xml_node *parent, const char *name)
{
    const struct xml_node *node = xml_node_child(parent, name);

    if (node != NULL)
        OPENSSL_cleanse(node->text, strlen(node->text));
}

static int take_sts(const struct xml_node *node, struct s3_credentials *ret_credentials,
                    struct err *err)
{
    static const struct s3_credentials_names names = { "the answer of STS", "AccessKeyId",
                                                       "SecretAccessKey", "SessionToken" };
    struct s3_credentials found = S3_CREDENTIALS_INIT;
    char expires[64];
    int r;

    child_copy(node, "Expiration", expires, sizeof(expires));
    r = s3_credentials_take(&names, child_str(node, names.id), child_str(node, names.secret),
                            child_str(node, names.token), &found, err);
    if (r == 0)
        r = err_set(err, ERR_PROTOCOL, "the answer of STS has no credentials");
    if (r > 0) {
        r = 0;
        if (expires[0] != '\0' && parse_time(expires, 0, &found.expires_ms, NULL) < 0)
            r = err_set(err, ERR_PROTOCOL, "the answer of STS: Expiration is no time");
    }
    wipe_child(node, names.secret);
    wipe_child(node, names.token);
    if (r < 0) {
        s3_credentials_dispose(&found);
        return r;
    }
    *ret_credentials = found;
    return 0;
}

int s3_xml_sts_parse(struct str text, struct s3_credentials *ret_credentials, struct err *err)
{
    static const char *const actions[] = { "AssumeRole", "AssumeRoleWithWebIdentity" };
    struct xml_tree tree = XML_TREE_INIT;
    const struct xml_node *node = NULL;
    int r;

    r = xml_tree_parse(text, &tree, err);
    for (size_t i = 0; r == 0 && i < sizeof(actions) / sizeof(actions[0]); i++) {
        char name[64];

        (void)snprintf(name, sizeof(name), "%sResponse", actions[i]);
        if (strcmp(tree.root->name, name) != 0)
            continue;
        (void)snprintf(name, sizeof(name), "%sResult", actions[i]);
        node = xml_node_child(tree.root, name);
        node = node != NULL ? xml_node_child(node, "Credentials") : NULL;
    }
    if (r == 0)
        r = node != NULL ? take_sts(node, ret_credentials, err) : not_a("AssumeRoleResponse", err);
    xml_tree_dispose(&tree);
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

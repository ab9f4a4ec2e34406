/* Listings, page by page: objects, common prefixes, unfinished uploads. */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "s3/client.h"
#include "s3/request.h"
#include "s3/xml.h"

#define PARAM_COUNT_MAX 7
#define PAGE_LEN_TEXT   "1000" /* the most that S3 sends at once */

struct query {
    enum s3_operation operation;
    struct uri_param params[PARAM_COUNT_MAX];
    size_t count;
};

static void add_param(struct query *query, const char *name, const char *value)
{
    query->params[query->count++] = (struct uri_param){ name, value };
}

static int fetch_page(struct s3_client *client, const struct query *query,
                      int (*parse)(struct str, struct s3_list_page *, struct err *),
                      struct s3_list_page *ret_page, struct err *err)
{
    const struct s3_call call = { .method = HTTP_GET,
                                  .operation = query->operation,
                                  .params = query->params,
                                  .param_count = query->count };
    struct s3_answer answer = S3_ANSWER_INIT;
    int r;

    r = s3_perform(client, &call, &answer, err);
    if (r == 0)
        r = parse(buf_str(&answer.body), ret_page, err);
    s3_answer_dispose(&answer);
    return r;
}

/* What is listed, and to whom it goes. */
struct listing {
    const char *prefix, *delimiter, *start_after;
    s3_list_fn callback;
    void *context;
    bool has_ended; /* by the callback, whose error stands as it is */
};

static int report(struct listing *listing, const struct s3_list_page *page, struct err *err)
{
    const struct s3_list_item *items = listing->delimiter != NULL ? page->prefixes : page->items;
    const size_t count = listing->delimiter != NULL ? page->prefix_count : page->item_count;
    int r = 0;

    for (size_t i = 0; i < count && r >= 0; i++) {
        /* Not every server honours start-after. */
        if (listing->start_after != NULL && strcmp(items[i].key, listing->start_after) <= 0)
            continue;
        r = listing->callback(listing->context, items[i].key, &items[i].info, err);
    }
    listing->has_ended = r < 0;
    return r < 0 ? r : 0;
}

static int list_pages(struct s3_client *client, struct listing *listing, struct err *err)
{
    struct s3_list_page page = S3_LIST_PAGE_INIT;
    char *token = NULL;
    int r;

    do {
        struct query query = { .operation = S3_OPERATION_LIST_OBJECTS };

        add_param(&query, "list-type", "2");
        add_param(&query, "encoding-type", "url"); /* XML cannot carry every key */
        add_param(&query, "max-keys", PAGE_LEN_TEXT);
        add_param(&query, "prefix", listing->prefix);
        if (listing->delimiter != NULL)
            add_param(&query, "delimiter", listing->delimiter);
        if (token != NULL) {
            add_param(&query, "continuation-token", token);
        } else if (listing->start_after != NULL) {
            add_param(&query, "start-after", listing->start_after);
        }
        r = fetch_page(client, &query, s3_xml_list_parse, &page, err);
        if (r < 0)
            break;
        if (page.is_truncated && token != NULL && strcmp(page.next_token, token) == 0)
            r = err_set(err, ERR_PROTOCOL, "the listing does not get on: the same token twice");
        if (r == 0)
            r = report(listing, &page, err);
        free(token);
        token = r == 0 && page.is_truncated ? page.next_token : NULL;
        if (token != NULL)
            page.next_token = NULL;
        s3_list_page_dispose(&page);
    } while (r == 0 && token != NULL);
    free(token);
    return r;
}

int s3_list_objects(struct s3_client *client, const char *prefix, const char *start_after,
                    s3_list_fn callback, void *context, struct err *err)
{
    struct listing listing = {
        .prefix = prefix, .start_after = start_after, .callback = callback, .context = context
    };
    const int r = list_pages(client, &listing, err);

    return r < 0 && !listing.has_ended ? err_wrap(err, r, "list '%s'", prefix) : r;
}

int s3_list_prefixes(struct s3_client *client, const char *prefix, s3_list_fn callback,
                     void *context, struct err *err)
{
    struct listing listing = {
        .prefix = prefix, .delimiter = "/", .callback = callback, .context = context
    };
    const int r = list_pages(client, &listing, err);

    return r < 0 && !listing.has_ended ? err_wrap(err, r, "list '%s'", prefix) : r;
}

/* Whether the markers of page lead on from those of the page before. */
static bool is_stuck(const struct s3_list_page *before, const struct s3_list_page *page)
{
    const char *old_id = before->next_upload_id != NULL ? before->next_upload_id : "";
    const char *new_id = page->next_upload_id != NULL ? page->next_upload_id : "";

    return page->is_truncated && before->next_key != NULL &&
           strcmp(before->next_key, page->next_key) == 0 && strcmp(old_id, new_id) == 0;
}

int s3_list_multipart_uploads(struct s3_client *client, const char *prefix,
                              s3_list_upload_fn callback, void *context, struct err *err)
{
    struct s3_list_page before = S3_LIST_PAGE_INIT, page = S3_LIST_PAGE_INIT;
    bool has_ended = false;
    int r;

    do {
        struct query query = { .operation = S3_OPERATION_LIST_UPLOADS };

        /* No encoding-type: Ceph 16 then encodes the keys but does not say so. */
        add_param(&query, "uploads", NULL);
        add_param(&query, "max-uploads", PAGE_LEN_TEXT);
        add_param(&query, "prefix", prefix);
        if (before.next_key != NULL)
            add_param(&query, "key-marker", before.next_key);
        if (before.next_upload_id != NULL)
            add_param(&query, "upload-id-marker", before.next_upload_id);
        r = fetch_page(client, &query, s3_xml_uploads_parse, &page, err);
        if (r < 0)
            break;
        if (is_stuck(&before, &page))
            r = err_set(err, ERR_PROTOCOL, "the listing does not get on: the same marker twice");
        for (size_t i = 0; i < page.item_count && r == 0 && !has_ended; i++) {
            r = callback(context, page.items[i].key, page.items[i].upload_id,
                         page.items[i].info.modified_ms, err);
            has_ended = r < 0;
        }
        s3_list_page_dispose(&before);
        before = page;
        page = (struct s3_list_page)S3_LIST_PAGE_INIT;
    } while (r == 0 && before.is_truncated);
    s3_list_page_dispose(&before);
    return r < 0 && !has_ended ? err_wrap(err, r, "list the uploads below '%s'", prefix) : r;
}

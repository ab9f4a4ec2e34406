#include "s3/versions.h"

#include <string.h>

#include "base/err.h"
#include "s3/client.h"
#include "s3/request.h"
#include "s3/xml.h"

#define PAGE_LEN_TEXT   "1000" /* the most that S3 sends at once */
#define PARAM_COUNT_MAX 5

int s3_get_bucket_versioning(struct s3_client *client, enum s3_versioning *ret_versioning,
                             struct err *err)
{
    static const struct uri_param params[] = { { "versioning", NULL } };
    static const struct s3_call call = {
        .method = HTTP_GET, .operation = S3_OPERATION_OTHER, .params = params, .param_count = 1
    };
    struct s3_answer answer = S3_ANSWER_INIT;
    int r;

    r = s3_perform(client, &call, &answer, err);
    if (r == 0)
        r = s3_xml_versioning_parse(buf_str(&answer.body), ret_versioning, err);
    s3_answer_dispose(&answer);
    return r < 0 ? err_wrap(err, r, "ask whether the bucket keeps versions") : 0;
}

static int fetch_page(struct s3_client *client, const char *prefix,
                      const struct s3_list_page *before, struct s3_list_page *ret_page,
                      struct err *err)
{
    /* No encoding-type: Ceph 16 then encodes the keys but does not say so. */
    struct uri_param params[PARAM_COUNT_MAX] = { { "versions", NULL },
                                                 { "max-keys", PAGE_LEN_TEXT },
                                                 { "prefix", prefix } };
    struct s3_call call = { .method = HTTP_GET,
                            .operation = S3_OPERATION_LIST_VERSIONS,
                            .params = params,
                            .param_count = 3 };
    struct s3_answer answer = S3_ANSWER_INIT;
    int r;

    if (before->next_key != NULL)
        params[call.param_count++] = (struct uri_param){ "key-marker", before->next_key };
    if (before->next_upload_id != NULL) {
        params[call.param_count++] =
            (struct uri_param){ "version-id-marker", before->next_upload_id };
    }
    r = s3_perform(client, &call, &answer, err);
    if (r == 0)
        r = s3_xml_versions_parse(buf_str(&answer.body), ret_page, err);
    s3_answer_dispose(&answer);
    return r;
}

static const char *text_or_empty(const char *text)
{
    return text != NULL ? text : "";
}

/* Whether the markers of page do not lead on from those of the page before. */
static bool is_stuck(const struct s3_list_page *before, const struct s3_list_page *page)
{
    return page->is_truncated && before->next_key != NULL &&
           strcmp(before->next_key, page->next_key) == 0 &&
           strcmp(text_or_empty(before->next_upload_id), text_or_empty(page->next_upload_id)) == 0;
}

static int report(const struct s3_list_page *page, s3_list_version_fn callback, void *context,
                  struct err *err)
{
    int r = 0;

    for (size_t i = 0; i < page->item_count && r >= 0; i++) {
        const struct s3_list_item *item = &page->items[i];
        const struct s3_object_version version = { .key = item->key,
                                                   .version_id = item->upload_id,
                                                   .is_latest = item->is_latest,
                                                   .is_delete_marker = item->is_delete_marker,
                                                   .info = &item->info };

        r = callback(context, &version, err);
    }
    return r < 0 ? r : 0;
}

int s3_list_object_versions(struct s3_client *client, const char *prefix,
                            s3_list_version_fn callback, void *context, struct err *err)
{
    struct s3_list_page before = S3_LIST_PAGE_INIT, page = S3_LIST_PAGE_INIT;
    bool has_ended = false; /* by the callback, whose error stands as it is */
    int r;

    do {
        r = fetch_page(client, prefix, &before, &page, err);
        if (r < 0)
            break;
        if (is_stuck(&before, &page)) {
            r = err_set(err, ERR_PROTOCOL, "the listing does not get on: the same marker twice");
        } else {
            r = report(&page, callback, context, err);
            has_ended = r < 0;
        }
        s3_list_page_dispose(&before);
        before = page;
        page = (struct s3_list_page)S3_LIST_PAGE_INIT;
    } while (r == 0 && before.is_truncated);
    s3_list_page_dispose(&before);
    return r < 0 && !has_ended ? err_wrap(err, r, "list the versions below '%s'", prefix) : r;
}

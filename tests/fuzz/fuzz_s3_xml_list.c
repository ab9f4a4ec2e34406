/* Goal: a page of a listing, of objects, unfinished uploads or versions, is read or refused; every
 * key of one that is read is a C string, and the next page can be asked for. */
#include <assert.h>
#include <stdint.h>

#include "base/buf.h"
#include "s3/xml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check_items(const struct s3_list_item *items, size_t count)
{
    for (size_t i = 0; i < count; i++)
        assert(items[i].key != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    const struct str text = { (const char *)data, len };
    struct s3_list_page page = S3_LIST_PAGE_INIT;

    if (s3_xml_list_parse(text, &page, NULL) == 0) {
        check_items(page.items, page.item_count);
        check_items(page.prefixes, page.prefix_count);
        assert(!page.is_truncated || page.next_token != NULL);
    }
    s3_list_page_dispose(&page);
    if (s3_xml_uploads_parse(text, &page, NULL) == 0) {
        check_items(page.items, page.item_count);
        assert(!page.is_truncated || page.next_key[0] != '\0');
    }
    s3_list_page_dispose(&page);
    if (s3_xml_versions_parse(text, &page, NULL) == 0) {
        check_items(page.items, page.item_count);
        for (size_t i = 0; i < page.item_count; i++)
            assert(page.items[i].upload_id != NULL && page.items[i].upload_id[0] != '\0');
        assert(!page.is_truncated || page.next_key[0] != '\0');
    }
    s3_list_page_dispose(&page);
    return 0;
}

/* Goal: a document is read as a tree of names and texts, and what goes past a limit, or could make
 * the reader fetch or expand anything, is refused whole. */
#include "tests/harness/test.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "s3/xml_tree.h"

static void reads_names_and_the_text_of_leaves(void **state)
{
    static const char text[] =
        " \r\n<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!-- c --><s:A xmlns:s='urn:x' b='c'>\n"
        "  <s:K>a &lt;&#xfc;<![CDATA[<b>]]></s:K>\n  <K>second</K><E/><M>mixed<N>in</N>text</M>\n"
        "</s:A>\n";
    struct xml_tree tree = XML_TREE_INIT;
    const struct xml_node *mixed;

    (void)state;
    assert_int_equal(xml_tree_parse(str_from(text), &tree, NULL), 0);
    assert_string_equal(tree.root->name, "A");
    assert_string_equal(tree.root->text, "");
    assert_string_equal(xml_node_text(tree.root, "K"), "a <\xc3\xbc<b>"); /* the first one */
    assert_string_equal(tree.root->child->next->text, "second");
    assert_string_equal(xml_node_text(tree.root, "E"), "");
    assert_string_equal(xml_node_text(tree.root, "None"), "");
    assert_null(xml_node_child(tree.root, "None"));
    mixed = xml_node_child(tree.root, "M");
    assert_string_equal(mixed->text, "");
    assert_string_equal(xml_node_text(mixed, "N"), "in");
    assert_null(mixed->next);
    xml_tree_dispose(&tree);
    xml_tree_dispose(&tree); /* may be repeated */
    assert_null(tree.root);
}

static void refuses_what_is_not_well_formed(void **state)
{
    static const char *const texts[] = {
        "",
        " \n",
        "text",
        "<a>",
        "<a></b>",
        "<a/><b/>",
        "<a/>text",
        "<a>&unknown;</a>",
        "<a b=c/>",
        "<a>\x01</a>",
        "<a>\xff</a>",
        "<a>&#0;</a>",
        "\xff\xfe<\0a\0/\0>\0",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct xml_tree tree = XML_TREE_INIT;
        struct err err = { 0 };

        assert_int_equal(xml_tree_parse(str_from(texts[i]), &tree, &err), ERR_PROTOCOL);
        assert_null(tree.root);
        assert_true(err.msg[0] != '\0');
    }
}

static void refuses_every_dtd(void **state)
{
    static const char *const texts[] = {
        "<!DOCTYPE a><a/>",
        "<!DOCTYPE a SYSTEM \"file:///etc/passwd\"><a/>",
        "<!DOCTYPE a [<!ENTITY x \"xx\">]><a>&x;</a>",
        "<!DOCTYPE a [<!ENTITY % p SYSTEM \"http://127.0.0.1/\">%p;]><a/>",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct xml_tree tree = XML_TREE_INIT;
        struct err err = { 0 };

        assert_int_equal(xml_tree_parse(str_from(texts[i]), &tree, &err), ERR_PROTOCOL);
        assert_string_equal(err.msg, "it has a DTD");
    }
}

static int parse_nested(size_t depth)
{
    struct buf text = BUF_INIT(4096);
    struct xml_tree tree = XML_TREE_INIT;
    int r;

    for (size_t i = 0; i < depth; i++)
        buf_add_text(&text, "<a>");
    for (size_t i = 0; i < depth; i++)
        buf_add_text(&text, "</a>");
    r = xml_tree_parse(buf_str(&text), &tree, NULL);
    xml_tree_dispose(&tree);
    buf_dispose(&text);
    return r;
}

/* Without its end, into the middle of a document. */
static void put(char *to, const char *text)
{
    for (; *text != '\0'; text++)
        *to++ = *text;
}

static void the_limits_are_exact(void **state)
{
    const size_t len = XML_TREE_LEN_MAX;
    struct xml_tree tree = XML_TREE_INIT;
    char *text = malloc(len + 1);

    (void)state;
    assert_int_equal(parse_nested(XML_TREE_DEPTH_MAX), 0);
    assert_int_equal(parse_nested(XML_TREE_DEPTH_MAX + 1), ERR_PROTOCOL);

    assert_non_null(text);
    memset(text, 'x', len + 1);
    put(text, "<a>");
    put(text + len - 4, "</a>");
    assert_int_equal(xml_tree_parse((struct str){ text, len }, &tree, NULL), 0);
    assert_int_equal(strlen(tree.root->text), len - 7);
    xml_tree_dispose(&tree);
    put(text + len - 4, "x</a>");
    assert_int_equal(xml_tree_parse((struct str){ text, len + 1 }, &tree, NULL), ERR_PROTOCOL);

    for (size_t i = 3; i + 4 <= len; i += 4)
        put(text + i, "<b/>"); /* four million elements */
    assert_int_equal(xml_tree_parse((struct str){ text, len }, &tree, NULL), ERR_PROTOCOL);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_names_and_the_text_of_leaves),
        cmocka_unit_test(refuses_what_is_not_well_formed),
        cmocka_unit_test(refuses_every_dtd),
        cmocka_unit_test(the_limits_are_exact),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

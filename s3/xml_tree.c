#include "s3/xml_tree.h"

#include <stdlib.h>
#include <string.h>

#include <expat.h>

#include "base/err.h"

static char no_text[] = "";

struct builder {
    XML_Parser parser;
    struct xml_tree tree;
    struct xml_node *open[XML_TREE_DEPTH_MAX]; /* from the root to the present element */
    size_t depth, node_count;
    struct buf text; /* of the present element, as long as it has no child */
    int failed;
    const char *reason;
};

static void give_up(struct builder *builder, int code, const char *reason)
{
    if (builder->failed == 0) {
        builder->failed = code;
        builder->reason = reason;
    }
    (void)XML_StopParser(builder->parser, XML_FALSE);
}

/* "a:Key" is Key: servers differ in what they call S3's namespace, if they name it at all. */
static const char *local_name(const char *name)
{
    const char *colon = strchr(name, ':');

    return colon != NULL ? colon + 1 : name;
}

static struct xml_node *node_new(struct builder *builder, const char *name)
{
    const size_t size = strlen(name) + 1;
    struct xml_node *node = malloc(sizeof(*node) + size);

    if (node == NULL)
        return NULL;
    *node = (struct xml_node){ .text = no_text, .before = builder->tree.newest };
    memcpy(node->name, name, size);
    builder->tree.newest = node;
    builder->node_count++;
    return node;
}

static void append_child(struct xml_node *parent, struct xml_node *node)
{
    if (parent->last != NULL) {
        parent->last->next = node;
    } else {
        parent->child = node;
    }
    parent->last = node;
}

static void XMLCALL on_start(void *context, const XML_Char *name, const XML_Char **attributes)
{
    struct builder *builder = context;
    struct xml_node *node;

    (void)attributes;
    if (builder->failed < 0)
        return; /* libexpat may call once more after it was told to stop */
    if (builder->depth == XML_TREE_DEPTH_MAX) {
        give_up(builder, ERR_PROTOCOL, "its elements lie too deep in each other");
        return;
    }
    if (builder->node_count == XML_TREE_NODES_MAX) {
        give_up(builder, ERR_PROTOCOL, "it has too many elements");
        return;
    }
    node = node_new(builder, local_name(name));
    if (node == NULL) {
        give_up(builder, ERR_NOMEM, NULL);
        return;
    }
    if (builder->depth == 0) {
        builder->tree.root = node;
    } else {
        append_child(builder->open[builder->depth - 1], node);
    }
    builder->open[builder->depth++] = node;
    buf_clear(&builder->text);
}

static void XMLCALL on_end(void *context, const XML_Char *name)
{
    struct builder *builder = context;
    struct xml_node *node;

    (void)name;
    if (builder->failed < 0)
        return;
    node = builder->open[--builder->depth];
    if (node->child == NULL && builder->text.len > 0) {
        node->text = str_dup(buf_str(&builder->text));
        if (node->text == NULL) {
            node->text = no_text;
            give_up(builder, ERR_NOMEM, NULL);
        }
    }
    buf_clear(&builder->text);
}

static void XMLCALL on_text(void *context, const XML_Char *text, int len)
{
    struct builder *builder = context;

    if (builder->failed < 0)
        return;
    buf_add(&builder->text, text, (size_t)len);
    if (buf_check(&builder->text, NULL) < 0)
        give_up(builder, ERR_NOMEM, NULL); /* it cannot be longer than the document */
}

/* No S3 document has a DTD, and where there is none no entity can be declared. */
static void XMLCALL on_doctype(void *context, const XML_Char *name, const XML_Char *system_id,
                               const XML_Char *public_id, int has_internal_subset)
{
    (void)name;
    (void)system_id;
    (void)public_id;
    (void)has_internal_subset;
    give_up(context, ERR_PROTOCOL, "it has a DTD");
}

static struct str skip_space(struct str text)
{
    while (text.len > 0 && text.ptr[0] != '\0' && strchr(" \t\r\n", text.ptr[0]) != NULL) {
        text.ptr++;
        text.len--;
    }
    return text;
}

static int run(struct builder *builder, struct str text, struct err *err)
{
    enum XML_Status status;

    XML_SetUserData(builder->parser, builder);
    XML_SetElementHandler(builder->parser, on_start, on_end);
    XML_SetCharacterDataHandler(builder->parser, on_text);
    XML_SetStartDoctypeDeclHandler(builder->parser, on_doctype);
    status = XML_Parse(builder->parser, text.ptr, (int)text.len, 1);
    if (builder->failed == ERR_NOMEM || XML_GetErrorCode(builder->parser) == XML_ERROR_NO_MEMORY)
        return err_nomem(err);
    if (builder->failed < 0)
        return err_set(err, builder->failed, "%s", builder->reason);
    if (status != XML_STATUS_OK) {
        return err_set(err, ERR_PROTOCOL, "it is no XML: %s",
                       XML_ErrorString(XML_GetErrorCode(builder->parser)));
    }
    return 0;
}

int xml_tree_parse(struct str text, struct xml_tree *ret_tree, struct err *err)
{
    struct builder builder = { .text = BUF_INIT(XML_TREE_LEN_MAX) };
    int r;

    text = skip_space(text);
    if (text.len == 0 || text.len > XML_TREE_LEN_MAX)
        return err_set(err, ERR_PROTOCOL, text.len == 0 ? "it is empty" : "it is too long");
    builder.parser = XML_ParserCreate("UTF-8");
    if (builder.parser == NULL)
        return err_nomem(err);
    r = run(&builder, text, err);
    XML_ParserFree(builder.parser);
    buf_dispose(&builder.text);
    if (r < 0) {
        xml_tree_dispose(&builder.tree);
    } else {
        *ret_tree = builder.tree;
    }
    return r;
}

void xml_tree_dispose(struct xml_tree *tree)
{
    struct xml_node *node = tree->newest;

    while (node != NULL) {
        struct xml_node *before = node->before;

        if (node->text != no_text)
            free(node->text);
        free(node);
        node = before;
    }
    *tree = (struct xml_tree)XML_TREE_INIT;
}

const struct xml_node *xml_node_child(const struct xml_node *parent, const char *name)
{
    for (const struct xml_node *node = parent->child; node != NULL; node = node->next) {
        if (strcmp(node->name, name) == 0)
            return node;
    }
    return NULL;
}

const char *xml_node_text(const struct xml_node *parent, const char *name)
{
    const struct xml_node *node = xml_node_child(parent, name);

    return node != NULL ? node->text : "";
}

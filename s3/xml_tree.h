/*
 * xml_tree.h - inside s3/: a document as a tree of named elements, and of the text in those that
 * have no other elements in them.  That is all that S3 needs of XML.
 *
 * Text that comes in is hostile: no DTD, so no entity but XML's own five; UTF-8 whatever the
 * document says; limits on its length, depth and number of elements.  Namespaces are dropped, for
 * they differ from server to server, and so are attributes, comments and instructions.
 *
 * Source: www.w3.org/TR/xml (by libexpat: libexpat.github.io/doc/api/latest)
 */
#ifndef S3_XML_TREE_H
#define S3_XML_TREE_H

#include <stddef.h>

#include "base/buf.h"

struct err;

#define XML_TREE_LEN_MAX   (16u << 20) /* bytes of a document */
#define XML_TREE_DEPTH_MAX 32          /* S3's deepest has 6 */
#define XML_TREE_NODES_MAX 200000u     /* a page of 1000 keys has 8000 */

struct xml_node {
    char *text;              /* "" unless it is a leaf with some */
    struct xml_node *child;  /* the first one */
    struct xml_node *next;   /* of the same parent */
    struct xml_node *last;   /* child */
    struct xml_node *before; /* the one that was made before it */
    char name[];             /* without a prefix */
};

struct xml_tree {
    struct xml_node *root;
    struct xml_node *newest; /* all of them hang on it, by before */
};

#define XML_TREE_INIT                                                                              \
    {                                                                                              \
        NULL, NULL                                                                                 \
    }

/* White space before the document is skipped.  ERR_PROTOCOL when it is not well-formed, or goes
 * past a limit; ERR_NOMEM. */
int xml_tree_parse(struct str text, struct xml_tree *ret_tree, struct err *err);
void xml_tree_dispose(struct xml_tree *tree); /* may be repeated */

/* The first child of that name, or NULL. */
const struct xml_node *xml_node_child(const struct xml_node *parent, const char *name);
/* The text of that child; "" when there is none.  Never NULL. */
const char *xml_node_text(const struct xml_node *parent, const char *name);

#endif

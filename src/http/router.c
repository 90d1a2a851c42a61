/* SPDX-License-Identifier: Apache-2.0 */
/* The routes as a tree of path segments. A node has its literal children and at most one child for
 * "any value"; a literal is tried first, the other one when nothing below the literal fits. Names
 * of parameters belong to routes, not to nodes: two routes may call the same place differently. */
#include "http/server.h"

#include "base/mem.h"
#include "http/conn.h"

#include <assert.h>
#include <stdlib.h>

enum { DEPTH_MAX = 16 };

struct node {
    struct str literal;
    struct node **children;
    size_t n_children;
    struct node *any;
    const struct http_route **routes; /* that end here, one for each method */
    size_t n_routes;
};

struct router {
    struct node *root;
    const struct http_route *routes;
    size_t n_routes;
};

struct walk {
    const char *method;
    struct str segments[DEPTH_MAX];
    size_t n;
    const struct http_route *found;
    struct router_match *out;
};

/* The methods registered for HTTP, and QUERY. The order is that of Allow. */
static const char *const methods[] = {
    "GET",
    "HEAD",
    "POST",
    "PUT",
    "PATCH",
    "DELETE",
    "QUERY",
    "OPTIONS",
    "TRACE",
    "CONNECT",
    "ACL",
    "BIND",
    "CHECKIN",
    "CHECKOUT",
    "COPY",
    "LABEL",
    "LINK",
    "LOCK",
    "MERGE",
    "MKACTIVITY",
    "MKCALENDAR",
    "MKCOL",
    "MKREDIRECTREF",
    "MKWORKSPACE",
    "MOVE",
    "ORDERPATCH",
    "PROPFIND",
    "PROPPATCH",
    "REBIND",
    "REPORT",
    "SEARCH",
    "UNBIND",
    "UNCHECKOUT",
    "UNLINK",
    "UNLOCK",
    "UPDATE",
    "UPDATEREDIRECTREF",
    "BASELINE-CONTROL",
    "VERSION-CONTROL",
};

enum { METHODS_ALLOWED = 7 }; /* from the front: those that a route may have */

const char *method_find(struct str method)
{
    for (size_t i = 0; i < ARRAY_SIZE(methods); i++)
        if (str_is(method, methods[i]))
            return methods[i];
    return NULL;
}

/* Splits a path after its leading slash; one slash at the end is ignored. False: too deep, or not a
 * path. */
static bool split(struct str path, struct str out[DEPTH_MAX], size_t *out_n)
{
    struct str rest = path;
    size_t n = 0;

    if (path.n == 0 || path.p[0] != '/')
        return false;
    rest = str_make(path.p + 1, path.n - 1);
    if (rest.n > 0 && rest.p[rest.n - 1] == '/')
        rest.n--;
    *out_n = 0;
    if (rest.n == 0)
        return path.n == 1;
    while (str_split(&rest, '/', &out[n])) {
        if (out[n].n == 0 || ++n == DEPTH_MAX)
            return false;
    }
    *out_n = n;
    return true;
}

static bool is_param(struct str segment)
{
    return segment.n > 2 && segment.p[0] == '{' && segment.p[segment.n - 1] == '}';
}

static struct node *child_of(struct node *at, struct str segment)
{
    struct node *child;

    if (is_param(segment)) {
        if (!at->any)
            at->any = xnew(struct node);
        return at->any;
    }
    for (size_t i = 0; i < at->n_children; i++)
        if (str_eq(at->children[i]->literal, segment))
            return at->children[i];
    child = xnew(struct node);
    child->literal = segment;
    at->children = xrealloc(at->children, (at->n_children + 1) * sizeof(struct node *));
    at->children[at->n_children++] = child;
    return child;
}

static void add_route(struct router *rt, const struct http_route *route)
{
    struct str segments[DEPTH_MAX];
    struct node *at = rt->root;
    size_t n, n_params = 0;
    bool ok = split(str_of(route->path), segments, &n);

    assert(ok);
    for (size_t i = 0; i < n; i++) {
        n_params += is_param(segments[i]);
        at = child_of(at, segments[i]);
    }
    assert(ok && n_params <= ARRAY_SIZE(((struct router_match *)0)->params));
    assert(method_find(str_of(route->method)));
    at->routes = xrealloc(at->routes, (at->n_routes + 1) * sizeof(struct http_route *));
    at->routes[at->n_routes++] = route;
}

struct router *router_new(const struct http_route *routes, size_t n)
{
    struct router *rt = xnew(struct router);

    rt->root = xnew(struct node);
    rt->routes = routes;
    rt->n_routes = n;
    for (size_t i = 0; i < n; i++)
        add_route(rt, &routes[i]);
    return rt;
}

static void node_free(struct node *at)
{
    if (!at)
        return;
    for (size_t i = 0; i < at->n_children; i++)
        node_free(at->children[i]);
    node_free(at->any);
    free(at->children);
    free(at->routes);
    free(at);
}

void router_free(struct router *rt)
{
    if (!rt)
        return;
    node_free(rt->root);
    free(rt);
}

static void allow_add(char out[64], const char *method)
{
    size_t n = strlen(out);

    snprintf(out + n, 64 - n, "%s%s", n ? ", " : "", method);
}

/* Writes those of `seen` (bits in the order of the method list) that a route may have. */
static void allow_write(unsigned seen, char out[64])
{
    out[0] = '\0';
    if (seen & 1U)
        seen |= 2U; /* HEAD wherever there is GET */
    for (unsigned i = 0; i < METHODS_ALLOWED; i++)
        if (seen & (1U << i))
            allow_add(out, methods[i]);
}

static unsigned method_bit(const char *method)
{
    for (unsigned i = 0; i < METHODS_ALLOWED; i++)
        if (strcmp(methods[i], method) == 0)
            return 1U << i;
    return 0;
}

void router_allow_all(const struct router *rt, char out[64])
{
    unsigned seen = 0;

    for (size_t i = 0; i < rt->n_routes; i++)
        seen |= method_bit(rt->routes[i].method);
    allow_write(seen, out);
}

/* Looks for the route; returns the methods of all places that the path fits. */
static unsigned walk(struct walk *w, const struct node *at, size_t depth)
{
    unsigned seen = 0;

    if (depth == w->n) {
        for (size_t i = 0; i < at->n_routes; i++) {
            if (strcmp(at->routes[i]->method, w->method) == 0)
                w->found = at->routes[i];
            seen |= method_bit(at->routes[i]->method);
        }
        return seen;
    }
    for (size_t i = 0; i < at->n_children && !w->found; i++)
        if (str_eq(at->children[i]->literal, w->segments[depth]))
            seen |= walk(w, at->children[i], depth + 1);
    if (at->any && !w->found)
        seen |= walk(w, at->any, depth + 1);
    return seen;
}

static void take_params(struct walk *w)
{
    struct str names[DEPTH_MAX];
    size_t n;

    if (!split(str_of(w->found->path), names, &n))
        return;
    for (size_t i = 0; i < n; i++) {
        if (!is_param(names[i]))
            continue;
        w->out->params[w->out->n_params].name = str_make(names[i].p + 1, names[i].n - 2);
        w->out->params[w->out->n_params].value = w->segments[i];
        w->out->n_params++;
    }
}

void router_find(const struct router *rt, const char *method, struct str path,
                 struct router_match *out)
{
    struct walk w = { .method = method, .out = out };
    unsigned seen = 0;

    *out = (struct router_match){ .status = STATUS_NOT_FOUND };
    if (!split(path, w.segments, &w.n))
        return;
    seen = walk(&w, rt->root, 0);
    if (w.found) {
        out->route = w.found;
        out->status = STATUS_OK;
        take_params(&w);
    } else if (seen) {
        out->status = STATUS_METHOD;
        allow_write(seen, out->allow);
    }
}

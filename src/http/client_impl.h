/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of the HTTP client share: client.c (calls), client_poll.c (libcurl on the loop),
 * client_setup.c (a call's options), client_address.c (which addresses are public). */
#pragma once

#include "base/list.h"
#include "http/client.h"

#include <curl/curl.h>
#include <netinet/in.h>
#include <uv.h>

enum { CLIENT_MAX_SPARE = 16 };

struct http_client {
    struct loop *loop;
    CURLM *multi;
    struct timer timer;  /* when libcurl wants to be called */
    struct list calls;   /* struct call_impl */
    struct list sockets; /* struct client_socket: those libcurl waits for */
    CURL *spare[CLIENT_MAX_SPARE];
    size_t n_spare, max_head;
    bool in_curl; /* libcurl is on the stack: it must not be entered again */
};

struct client_socket {
    struct list node;
    struct http_client *client;
    uv_poll_t poll;
    curl_socket_t fd;       /* -1: closing */
    struct call_impl *call; /* whose acknowledgements shall not wait, else NULL */
};

struct call_impl {
    struct list node;
    struct http_client *client;
    struct http_call *call;
    CURL *easy;
    struct curl_slist *headers;
    struct deferred step; /* the next thing to do with libcurl: add, resume, or finish */
    struct timer timeout, stall;
    int64_t stall_ms;
    struct client_socket *socket; /* its other end is client_socket.call */
    unsigned flags;
    size_t n_head;   /* bytes of interim answers, head and trailers, of all sendings */
    int n_sends;     /* how often the request was about to be written */
    bool may_repeat; /* the method is safe */
    bool is_added;   /* to the multi handle */
    bool wants_resume;
    bool is_forbidden; /* an address was refused */
    bool has_head;     /* of the final answer */
    bool has_body;     /* its first byte */
    bool is_finished;  /* only `done` is left to be called; events do not come any more */
    bool has_error;
    struct error error;
    char curl_error[CURL_ERROR_SIZE];
};

/* client.c: callbacks of a call's transfer, and its end */
int call_on_prereq(void *arg, char *peer_ip, char *local_ip, int peer_port, int local_port);
curl_socket_t call_on_open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *address);
size_t call_on_header(char *p, size_t size, size_t n, void *arg);
size_t call_on_data(char *p, size_t size, size_t n, void *arg);
size_t call_on_body(char *p, size_t size, size_t n, void *arg);
void call_ended(struct call_impl *im, CURLcode result);

/* client_setup.c */
enum status call_setup(struct call_impl *im, const struct http_call_spec *spec,
                       struct error *err) NODISCARD;

/* client_poll.c */
void client_poll_init(struct http_client *c);
void client_poll_deinit(struct http_client *c);
void client_kick(struct http_client *c); /* lets libcurl do what it can do now */
void client_socket_detach(struct call_impl *im);

/* client_address.c */
bool address_is_public(const struct sockaddr *address);
bool address_text_is_public(const char *ip); /* "192.0.2.1", "2001:db8::1" */

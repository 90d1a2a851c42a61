/* SPDX-License-Identifier: Apache-2.0 */
/* For tests of the HTTP client: a scripted server (plain blocking sockets on a thread of the test)
 * and a call that remembers what came of it. */
#pragma once

#include "http/client.h"

#include <pthread.h>

struct server {
    int listener, port;
    char path[108]; /* of a unix socket, else "" */
    pthread_t thread;
    void (*script)(struct server *s);
    struct buf heard; /* everything requests sent */
    int n_accepted;
    int gate[2]; /* the test lets the script go on by writing here */
};

/* False, or a negative descriptor, when the peer is gone; all functions take such a descriptor. */
int server_accept(struct server *s);
/* One request: its head, and its body by Content-Length. */
bool server_read(struct server *s, int fd);
void server_send(int fd, const char *text);
void server_wait(struct server *s);   /* in the script: until ... */
void server_let_go(struct server *s); /* ... the test says so */
/* Until the peer closes. */
void server_wait_end(int fd);
void server_reset(int fd); /* closes with a RST */
void server_start(struct server *s, void (*script)(struct server *s));
void server_start_unix(struct server *s, void (*script)(struct server *s));
void server_end(struct server *s);

struct probe {
    struct http_call call;
    struct loop *loop;
    struct http_client *client;
    struct server server;
    char url[128];
    struct buf text; /* what came by `data` */
    struct timer timer;
    int n_done, n_headers, n_pieces, status_in_headers;
    enum status outcome;
    struct error error;
    bool pause_next, cancel_in_headers, cancel_in_data, restart_in_done;
    struct http_call_spec spec;
    const struct http_call_events *events;
    void (*on_piece)(struct probe *p);
};

extern const struct http_call_events collecting, streaming;

/* A client, and a server that runs the script (NULL: it listens only). */
void probe_init(struct probe *p, void (*script)(struct server *s));
void probe_deinit(struct probe *p);
/* One call, from its start to `done`. */
void call(struct probe *p);

/* Scripts and steps that several tests use. */
void answer_chunked(struct server *s);
void answer_empty(struct server *s);
void answer_much(struct server *s);
void let_go_once(struct probe *p);
int count_requests(const struct server *s);

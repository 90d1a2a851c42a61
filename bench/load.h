/* SPDX-License-Identifier: Apache-2.0 */
/* The load generator of the benchmarks: one thread, one epoll, a closed loop on each connection.
 * load.c sends and receives, load_main.c reads the command line and prints what was measured. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct load_options {
    struct sockaddr_storage address;
    socklen_t address_size;
    const char *request; /* whole, head and body, for every connection the same */
    size_t request_size;
    const char *const *requests; /* or these by turns, each ends with NUL; NULL: the one above */
    size_t n_requests;
    int clients;
    long count;     /* requests in all; 0: as many as fit into `seconds` */
    double seconds; /* at most */
    double warm_up; /* seconds before that, which are not measured */
    bool stamps;    /* the answer's "output" is a wall clock's microseconds: when the run began */
    bool heads;     /* hold(): an open connection is one whose answer has begun */
};

struct load_result {
    long n, errors;       /* errors: answers other than 2xx, and connections that broke */
    int first_bad;        /* status of the first such answer; 0: none, or no answer */
    char first_text[300]; /* how it began */
    double seconds;       /* that were measured */
    uint32_t *took_us;    /* of each request, n values in no order */
    uint32_t *start_us;   /* with `stamps`: from the sending to the run's begin, n values */
    long bytes;           /* of answers */
};

/* Runs the closed loops to their end. Exits with a message when it cannot connect. */
void load_run(const struct load_options *o, struct load_result *out);
/* Opens all connections, sends the request on each and keeps them open: prints {"open": N} when
 * they are, and ends when its standard input does. */
void load_hold(const struct load_options *o);

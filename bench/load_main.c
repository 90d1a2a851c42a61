/* SPDX-License-Identifier: Apache-2.0 */
#include "load.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static const char usage[] =
    "Usage: load [options] HOST:PORT|unix:PATH URL-PATH\n"
    "  -c N        connections (1)\n"
    "  -t SECONDS  how long is measured (5)\n"
    "  -n COUNT    or how many requests\n"
    "  -w SECONDS  before that, not measured (0)\n"
    "  -X METHOD   (GET, with a body POST)\n"
    "  -H FIELD    a header field, may be given several times\n"
    "  -d TEXT     the body; @FILE: what is in the file\n"
    "  -l FILE     URL paths, one on each line, by turns\n"
    "  -s          answers hold the moment at which their run began\n"
    "  -o          open the connections with their requests, and hold them until the input ends\n"
    "  -O          likewise, once each answer has begun\n"
    "Prints one JSON object.\n";

struct command {
    struct load_options o;
    char fields[8192];
    const char *method, *list, *host, *path;
    char *body;
    size_t body_size;
    bool hold;
};

static void die(const char *what)
{
    fprintf(stderr, "load: %s\n%s", what, usage);
    exit(2);
}

static char *read_file(const char *path, size_t *out_size)
{
    FILE *f = fopen(path, "rb");
    struct stat st;
    char *text;

    if (!f || fstat(fileno(f), &st) != 0)
        die("the file cannot be read");
    text = calloc(1, (size_t)st.st_size + 1);
    if (!text || fread(text, 1, (size_t)st.st_size, f) != (size_t)st.st_size)
        die("the file cannot be read");
    fclose(f);
    *out_size = (size_t)st.st_size;
    return text;
}

static char *build_request(const struct command *c, const char *path, size_t *out_size)
{
    size_t cap = c->body_size + strlen(path) + sizeof(c->fields) + 512;
    char *text = malloc(cap), length[64] = "";
    const char *method = c->method ? c->method : c->body ? "POST" : "GET";
    size_t n;

    if (!text)
        die("out of memory");
    if (c->body)
        snprintf(length, sizeof(length), "Content-Length: %zu\r\n", c->body_size);
    n = (size_t)snprintf(text, cap, "%s %s HTTP/1.1\r\nHost: %s\r\n%s%s\r\n", method, path,
                         strncmp(c->host, "unix:", 5) == 0 ? "localhost" : c->host, c->fields,
                         length);
    if (c->body)
        memcpy(text + n, c->body, c->body_size);
    text[n + c->body_size] = '\0';
    *out_size = n + c->body_size;
    return text;
}

/* One request for each line of the list. */
static void build_list(struct command *c)
{
    size_t size, n = 0, cap = 1024;
    char *text = read_file(c->list, &size), *rest = text, *line;
    const char **requests = malloc(cap * sizeof(*requests));

    while (requests && (line = strsep(&rest, "\n")) != NULL) {
        if (!*line)
            continue;
        if (n == cap)
            requests = realloc(requests, (cap *= 2) * sizeof(*requests));
        if (requests)
            requests[n++] = build_request(c, line, &size);
    }
    if (!requests || n == 0)
        die("the list is empty");
    c->o.requests = requests;
    c->o.n_requests = n;
}

static void read_address(struct command *c)
{
    struct sockaddr_in *in = (struct sockaddr_in *)&c->o.address;
    struct sockaddr_un *un = (struct sockaddr_un *)&c->o.address;
    const char *colon = strrchr(c->host, ':');
    char host[64];

    if (strncmp(c->host, "unix:", 5) == 0) {
        un->sun_family = AF_UNIX;
        snprintf(un->sun_path, sizeof(un->sun_path), "%s", c->host + 5);
        c->o.address_size = sizeof(*un);
        return;
    }
    in->sin_family = AF_INET;
    c->o.address_size = sizeof(*in);
    if (!colon)
        die("the address is not HOST:PORT");
    snprintf(host, sizeof(host), "%.*s", (int)(colon - c->host), c->host);
    in->sin_port = htons((uint16_t)strtoul(colon + 1, NULL, 10));
    if (inet_pton(AF_INET, host, &in->sin_addr) != 1)
        die("the address is not HOST:PORT with a number for the host");
}

static void add_field(struct command *c, const char *text)
{
    size_t n = strlen(c->fields);

    if ((size_t)snprintf(c->fields + n, sizeof(c->fields) - n, "%s\r\n", text) >=
        sizeof(c->fields) - n)
        die("too many header fields");
}

static void read_command(struct command *c, int argc, char **argv)
{
    int option;

    c->o.clients = 1;
    c->o.seconds = 5;
    while ((option = getopt(argc, argv, "c:t:n:w:X:H:d:l:soO")) != -1) {
        switch (option) {
        case 'c':
            c->o.clients = (int)strtol(optarg, NULL, 10);
            break;
        case 't':
            c->o.seconds = strtod(optarg, NULL);
            break;
        case 'n':
            c->o.count = strtol(optarg, NULL, 10);
            break;
        case 'w':
            c->o.warm_up = strtod(optarg, NULL);
            break;
        case 'X':
            c->method = optarg;
            break;
        case 'H':
            add_field(c, optarg);
            break;
        case 'l':
            c->list = optarg;
            break;
        case 's':
            c->o.stamps = true;
            break;
        case 'o':
            c->hold = true;
            break;
        case 'O':
            c->hold = c->o.heads = true;
            break;
        case 'd':
            c->body = optarg[0] == '@' ? read_file(optarg + 1, &c->body_size) : optarg;
            c->body_size = optarg[0] == '@' ? c->body_size : strlen(optarg);
            break;
        default:
            die("there is no such option");
        }
    }
    if (argc - optind != 2 && !(c->list && argc - optind == 1))
        die("an address and a path are needed");
    c->host = argv[optind];
    c->path = argv[optind + 1];
    if (c->o.count)
        c->o.seconds = 1e6;
    if (c->hold)
        c->o.seconds = 0;
    read_address(c);
    if (c->list)
        build_list(c);
    else
        c->o.request = build_request(c, c->path, &c->o.request_size);
}

static int compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

static void print_times(const char *prefix, uint32_t *us, long n)
{
    static const struct {
        const char *name;
        double part;
    } rows[] = { { "p50", 0.5 }, { "p90", 0.9 }, { "p99", 0.99 }, { "p999", 0.999 }, { "max", 1 } };

    qsort(us, (size_t)n, sizeof(*us), compare);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]) && n > 0; i++)
        printf(", \"%s%s_us\": %u", prefix, rows[i].name,
               us[(long)((double)(n - 1) * rows[i].part)]);
}

static void print_text(const char *text)
{
    putchar('"');
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            putchar('\\');
        putchar((unsigned char)*text < 0x20 ? ' ' : *text);
    }
    putchar('"');
}

static void print_result(const struct load_options *o, struct load_result *r)
{
    struct rusage use;

    getrusage(RUSAGE_SELF, &use);
    printf("{\"requests\": %ld, \"errors\": %ld, \"seconds\": %.3f, \"per_second\": %.1f", r->n,
           r->errors, r->seconds, r->seconds > 0 ? (double)r->n / r->seconds : 0);
    print_times("", r->took_us, r->n);
    if (o->stamps)
        print_times("start_", r->start_us, r->n);
    printf(", \"bytes\": %ld, \"cpu_s\": %.2f", r->bytes,
           (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) +
               (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e6);
    if (r->errors) {
        printf(", \"first_bad\": %d, \"first_text\": ", r->first_bad);
        print_text(r->first_text);
    }
    printf("}\n");
}

int main(int argc, char **argv)
{
    static struct command c;
    struct load_result r;

    read_command(&c, argc, argv);
    if (c.hold) {
        load_hold(&c.o);
        return 0;
    }
    load_run(&c.o, &r);
    print_result(&c.o, &r);
    return r.n == 0;
}

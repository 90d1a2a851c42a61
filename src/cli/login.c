/* SPDX-License-Identifier: Apache-2.0 */
/* `berth login`: checks a token and keeps it, with the server's address, in a file that only its
 * user may read. */
#include "cli/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

enum { MAX_CONFIG = 64 * 1024 };

static bool config_path(struct buf *out, bool makes_folder)
{
    const char *base = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");

    if (base && *base)
        buf_adds(out, base);
    else if (home && *home)
        buf_addf(out, "%s/.config", home);
    else
        return false;
    if (makes_folder)
        (void)mkdir(out->p, 0700);
    buf_adds(out, "/berth");
    if (makes_folder)
        (void)mkdir(out->p, 0700);
    return buf_adds(out, "/login.json");
}

void login_read(struct login *out)
{
    struct buf path CLEANUP(buf_deinit) = BUF_INIT(8192);
    struct buf text CLEANUP(buf_deinit) = BUF_INIT(MAX_CONFIG);
    struct arena a CLEANUP(arena_deinit) = { 0 };
    struct json *v = NULL;
    struct error err;
    ssize_t n = 1;
    int fd;

    *out = (struct login){ 0 };
    if (!config_path(&path, false))
        return;
    fd = open(path.p, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    while (n > 0) {
        char *at = buf_reserve(&text, 4096);

        n = at ? read(fd, at, 4096) : 0;
        if (n > 0)
            buf_commit(&text, (size_t)n);
    }
    close(fd);
    if (json_parse(&a, buf_str(&text), NULL, &v, &err) != STATUS_OK)
        return;
    snprintf(out->url, sizeof(out->url), "%.*s", STR_ARG(json_to_str(json_get(v, "url"))));
    snprintf(out->token, sizeof(out->token), "%.*s", STR_ARG(json_to_str(json_get(v, "token"))));
}

static bool login_write(const char *url, const char *token)
{
    struct buf path CLEANUP(buf_deinit) = BUF_INIT(8192);
    struct buf temporary CLEANUP(buf_deinit) = BUF_INIT(8192);
    struct buf text CLEANUP(buf_deinit) = BUF_INIT(MAX_CONFIG);
    struct json_writer w;
    bool ok = false;
    int fd;

    if (!config_path(&path, true)) {
        fprintf(stderr, "berth login: neither XDG_CONFIG_HOME nor HOME is set: there is no place "
                        "for the token.\n");
        return false;
    }
    json_writer_init(&w, &text);
    json_begin_object(&w);
    json_member_string(&w, "url", url);
    json_member_string(&w, "token", token);
    json_end_object(&w);
    buf_addc(&text, '\n');
    buf_addf(&temporary, "%s.new", path.p);
    (void)unlink(temporary.p);
    fd = open(temporary.p, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd >= 0) {
        ok = write(fd, text.p, text.n) == (ssize_t)text.n;
        close(fd);
    }
    if (!ok || rename(temporary.p, path.p) != 0) {
        fprintf(stderr, "berth login: cannot write %s: %s\n", path.p, strerror(errno));
        return false;
    }
    fprintf(stderr, "The token is kept in %s\n", path.p);
    return true;
}

/* From the terminal without showing it, or the first line of a pipe. */
static bool ask_token(char *out, size_t size)
{
    struct termios was, quiet;
    bool hides = isatty(STDIN_FILENO) && tcgetattr(STDIN_FILENO, &was) == 0;
    bool ok;

    if (hides) {
        fputs("Token: ", stderr);
        quiet = was;
        quiet.c_lflag &= ~(tcflag_t)ECHO;
        (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
    }
    ok = fgets(out, (int)size, stdin) != NULL;
    if (hides) {
        (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &was);
        fputc('\n', stderr);
    }
    if (ok)
        out[strcspn(out, "\r\n")] = '\0';
    return ok && *out;
}

int login_command(const struct command *c, const char *const *args)
{
    struct answer a CLEANUP(answer_deinit) = { 0 };
    char token[200] = { 0 };
    const char *given;
    struct remote r;
    struct given g;

    if (!given_read(c, args, 0, 0, &g) || !remote_address(&g, &r))
        return 2;
    given = given_flag(&g, "--token");
    if (given)
        snprintf(token, sizeof(token), "%s", given);
    else if (!ask_token(token, sizeof(token))) {
        fprintf(stderr, "berth login: no token was given. Type it, or pipe it in. A token is made "
                        "with `berth token "
                        "create ACCOUNT` on the server's machine.\n");
        return 2;
    }
    snprintf(r.authorization, sizeof(r.authorization), "Authorization: Bearer %s", token);
    if (!remote_call(&r, "GET", "/v1/account", STR_NULL, NULL, &a) || !login_write(r.url, token))
        return 1;
    printf("Logged in to %s as %.*s\n", r.url, STR_ARG(json_to_str(json_get(a.json, "username"))));
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The list of commands; finding one, reading its flags, and the help that is made from the same
 * rows. */
#include "cli/cli.h"

#include "base/log.h"

#include <locale.h>
#include <unistd.h>

enum { HELP_COLUMN = 46 };

static const struct flag account_create_flags[] = {
    { .name = "--type", .takes_value = true, .help = "user or organization (default user)" },
    { .name = "--full-name", .takes_value = true, .help = "name that people read" },
    { .name = "--github-url", .takes_value = true, .help = "address of its page" },
    ADMIN_FLAGS,
    { .name = NULL },
};

static const struct flag admin_flags[] = { ADMIN_FLAGS, { .name = NULL } };

static const struct flag token_create_flags[] = {
    { .name = "--label", .takes_value = true, .help = "words to remember what it is for" },
    ADMIN_FLAGS,
    { .name = NULL },
};

static const struct flag token_list_flags[] = {
    { .name = "--account", .takes_value = true, .help = "only this account's" },
    ADMIN_FLAGS,
    { .name = NULL },
};

static const struct flag collection_flags[] = {
    { .name = "--name", .takes_value = true, .help = "name that people read" },
    { .name = "--description", .takes_value = true, .help = "a sentence" },
    { .name = "--full-description", .takes_value = true, .help = "Markdown" },
    ADMIN_FLAGS,
    { .name = NULL },
};

static const struct flag login_flags[] = { PUBLIC_FLAGS, { .name = NULL } };

static const struct flag json_flags[] = { JSON_FLAG, PUBLIC_FLAGS, { .name = NULL } };

static const struct flag cost_flags[] = {
    { .name = "--from",
      .takes_value = true,
      .help = "a day (2026-01-05) or a time (default: six days before)" },
    { .name = "--to", .takes_value = true, .help = "a day or a time, exclusive (default: now)" },
    JSON_FLAG,
    PUBLIC_FLAGS,
    { .name = NULL },
};

#define RECONNECT_FLAG                                                                             \
    {                                                                                              \
        .name = "--reconnect", .takes_value = true,                                                \
        .help = "seconds for which a server that went is asked again (default 60)"                 \
    }

static const struct flag run_flags[] = {
    { .name = "-i",
      .takes_value = true,
      .help = "KEY=VALUE: an input; KEY=@FILE sends a file. As often as there are inputs" },
    { .name = "--input", .takes_value = true, .help = "the same" },
    { .name = "--deployment",
      .takes_value = false,
      .help = "the name is a deployment's, not a model's" },
    { .name = "--detach", .takes_value = false, .help = "do not wait; print the prediction's id" },
    RECONNECT_FLAG,
    JSON_FLAG,
    PUBLIC_FLAGS,
    { .name = NULL },
};

static const struct flag logs_flags[] = {
    { .name = "-f", .takes_value = false, .help = "go on until the prediction ends" },
    { .name = "--follow", .takes_value = false, .help = "the same" },
    RECONNECT_FLAG,
    PUBLIC_FLAGS,
    { .name = NULL },
};

static const struct flag deployment_create_flags[] = {
    { .name = "--model", .takes_value = true, .help = "OWNER/NAME, or OWNER/NAME:VERSION" },
    DEPLOYMENT_FLAGS(OTHERWISE),
    JSON_FLAG,
    PUBLIC_FLAGS,
    { .name = NULL },
};

static const struct flag deployment_flags[] = {
    DEPLOYMENT_FLAGS(AS_IT_IS), JSON_FLAG, PUBLIC_FLAGS, { .name = NULL }
};

static const struct flag simulate_flags[] = {
    { .name = "--deployment",
      .takes_value = true,
      .help = "[OWNER/]NAME, whose traffic is replayed" },
    { .name = "--days", .takes_value = true, .help = "how much of it (default 7)" },
    { .name = "--trace",
      .takes_value = true,
      .help =
          "instead: a file with the arrival and the service time in seconds on each line; needs "
          "no server" },
    { .name = "--recorded",
      .takes_value = true,
      .help =
          "instead: a file of decisions (option record_decisions), which are taken again; needs "
          "no server" },
    { .name = "--boot", .takes_value = true, .help = "seconds that a boot takes" },
    { .name = "--price", .takes_value = true, .help = "of an instance for a second (default 1)" },
    { .name = "--min", .takes_value = true, .help = "only this min_instances" },
    { .name = "--max", .takes_value = true, .help = "only this max_instances" },
    { .name = "--target-wait", .takes_value = true, .help = "only this: seconds or a duration" },
    { .name = "--keep-alive", .takes_value = true, .help = "only this: auto, seconds, a duration" },
    JSON_FLAG,
    PUBLIC_FLAGS,
    { .name = NULL },
};

static const struct flag push_flags[] = {
    { .name = "--public", .takes_value = false, .help = "make the model public, if it is new" },
    { .name = "--hardware",
      .takes_value = true,
      .help = "SKU for predictions without a deployment, if it is new" },
    { .name = "--detach", .takes_value = false, .help = "do not wait for the build" },
    { .name = "--image",
      .takes_value = false,
      .help = "the first word names an image, though there is a folder of that name" },
    { .name = "--model-yaml",
      .takes_value = true,
      .help = "for an image that is not Cog's: a file that says how it is served" },
    { .name = "--data",
      .takes_value = true,
      .help = "for an image: the server's data folder (BERTH_DATA)" },
    PUBLIC_FLAGS,
    { .name = NULL },
};

static const struct flag backup_flags[] = {
    { .name = "--force", .takes_value = false, .help = "end a backup that another command began" },
    ADMIN_FLAGS,
    { .name = NULL },
};

static const struct command commands[] = {
    { .words = "account create",
      .usage = "NAME",
      .run = account_create_command,
      .flags = account_create_flags,
      .help = "Create an account. Models, deployments and tokens belong to one." },
    { .words = "account list",
      .usage = "",
      .run = account_list_command,
      .flags = admin_flags,
      .help = "List all accounts." },
    { .words = "token create",
      .usage = "ACCOUNT",
      .run = token_create_command,
      .flags = token_create_flags,
      .help = "Create a token and print it. It is shown this once." },
    { .words = "token list",
      .usage = "",
      .run = token_list_command,
      .flags = token_list_flags,
      .help = "List the tokens that are valid." },
    { .words = "token revoke",
      .usage = "ID",
      .run = token_revoke_command,
      .flags = admin_flags,
      .help = "Revoke a token, at once and for ever. `token list` shows ids." },
    { .words = "collection create",
      .usage = "SLUG",
      .run = collection_create_command,
      .flags = collection_flags,
      .help = "Make a collection of models, or change the texts of one." },
    { .words = "collection add",
      .usage = "SLUG OWNER/NAME...",
      .run = collection_add_command,
      .flags = admin_flags,
      .help = "Put models into a collection." },
    { .words = "collection remove",
      .usage = "SLUG OWNER/NAME...",
      .run = collection_remove_command,
      .flags = admin_flags,
      .help = "Take models out of a collection." },
    { .words = "collection delete",
      .usage = "SLUG",
      .run = collection_delete_command,
      .flags = admin_flags,
      .help = "Delete a collection. Its models stay." },
    { .words = "collection list",
      .usage = "",
      .run = collection_list_command,
      .flags = admin_flags,
      .help = "List all collections." },
    { .words = "backup",
      .usage = "FILE",
      .run = backup_command,
      .flags = backup_flags,
      .help = "Write all that the running server keeps to a tar: database, files, versions, keys. "
              "The server works on meanwhile. FILE ending in .gz is compressed; - is standard "
              "output. Whoever can read the file can read all secrets." },
    { .words = "restore",
      .usage = "FILE",
      .run = restore_command,
      .flags = admin_flags,
      .help = "Unpack a backup into a data folder that is not there yet, or empty. Then start a "
              "server on it. - is standard input." },
    { .words = "login",
      .usage = "",
      .run = login_command,
      .flags = login_flags,
      .help = "Check a token and keep it, with the server's address. It is read from the terminal "
              "or a pipe." },
    { .words = "run",
      .usage = "[OWNER/]NAME[:VERSION]",
      .run = run_command,
      .flags = run_flags,
      .help = "Run a prediction and print its output. Logs and progress go to standard error; "
              "Ctrl-C cancels." },
    { .words = "logs",
      .usage = "ID",
      .run = logs_command,
      .flags = logs_flags,
      .help = "Print a prediction's logs." },
    { .words = "predictions list",
      .usage = "",
      .run = predictions_list_command,
      .flags = json_flags,
      .help = "List your last predictions." },
    { .words = "predictions show",
      .usage = "ID",
      .run = predictions_show_command,
      .flags = json_flags,
      .help = "Show a prediction." },
    { .words = "predictions cancel",
      .usage = "ID",
      .run = predictions_cancel_command,
      .flags = json_flags,
      .help = "Cancel a prediction." },
    { .words = "models list",
      .usage = "",
      .run = models_list_command,
      .flags = json_flags,
      .help = "List models." },
    { .words = "models show",
      .usage = "OWNER/NAME",
      .run = models_show_command,
      .flags = json_flags,
      .help = "Show a model and its inputs." },
    { .words = "deployments list",
      .usage = "",
      .run = deployments_list_command,
      .flags = json_flags,
      .help = "List your deployments." },
    { .words = "deployments show",
      .usage = "[OWNER/]NAME",
      .run = deployments_show_command,
      .flags = json_flags,
      .help = "Show a deployment." },
    { .words = "deployments create",
      .usage = "NAME",
      .run = deployments_create_command,
      .flags = deployment_create_flags,
      .help = "Create a deployment of a model." },
    { .words = "deployments update",
      .usage = "[OWNER/]NAME",
      .run = deployments_update_command,
      .flags = deployment_flags,
      .help = "Change a deployment: this makes a new release." },
    { .words = "deployments rollback",
      .usage = "[OWNER/]NAME [RELEASE]",
      .run = deployments_rollback_command,
      .flags = json_flags,
      .help = "Go back to an older release. Without a number, to the one before." },
    { .words = "deployments canary",
      .usage = "[OWNER/]NAME",
      .run = canary_show_command,
      .flags = json_flags,
      .help = "Show how a new release does beside the old one." },
    { .words = "deployments shadow",
      .usage = "[OWNER/]NAME",
      .run = shadow_show_command,
      .flags = json_flags,
      .help = "Show how the answers of a new release differ from those that were given." },
    { .words = "deployments promote",
      .usage = "[OWNER/]NAME",
      .run = canary_promote_command,
      .flags = json_flags,
      .help = "End the canary or shadow: its release takes over now." },
    { .words = "deployments halt",
      .usage = "[OWNER/]NAME",
      .run = canary_halt_command,
      .flags = json_flags,
      .help = "End the canary or shadow: its release is given up, and the old one has all again." },
    { .words = "deployments delete",
      .usage = "[OWNER/]NAME",
      .run = deployments_delete_command,
      .flags = json_flags,
      .help = "Delete a deployment." },
    { .words = "cost",
      .usage = "[[OWNER/]NAME]",
      .run = cost_command,
      .flags = cost_flags,
      .help = "Show what a deployment cost, or everything of yours, by day. Numbers are of the "
              "money that prices are in." },
    { .words = "simulate",
      .usage = "",
      .run = simulate_command,
      .flags = simulate_flags,
      .help =
          "Replay traffic with other settings of scaling: what would it cost, who would wait?" },
    { .words = "push",
      .usage = "DIR OWNER/NAME",
      .run = push_command,
      .flags = push_flags,
      .help = "Push a folder with a cog.yaml or model.yaml as a new version of a model. Waits "
              "until it is built. "
              "The last line "
              "printed is OWNER/NAME:VERSION." },
};

static const struct command *find_command(int argc, char **argv, int *out_words)
{
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
        struct str rest = str_of(commands[i].words), word;
        int at = 1;

        while (str_split(&rest, ' ', &word)) {
            if (at >= argc || !str_is(word, argv[at]))
                break;
            at++;
            if (!rest.p) {
                *out_words = at;
                return &commands[i];
            }
        }
    }
    return NULL;
}

static void print_command(FILE *f, const struct command *c)
{
    fprintf(f, "Usage: berth %s %s%s[FLAGS]\n\n%s\n\nFlags:\n", c->words, c->usage,
            *c->usage ? " " : "", c->help);
    for (const struct flag *x = c->flags; x->name; x++)
        fprintf(f, "  %-12s %-6s %s\n", x->name, x->takes_value ? "VALUE" : "", x->help);
}

/* Wide enough for the longest of them. */
static void print_line(FILE *f, const char *words, const char *usage, struct str help)
{
    int n = fprintf(f, "  %s %s", words, usage);

    fprintf(f, "%*s  %.*s\n", MAX(HELP_COLUMN - n, 0), "", STR_ARG(help));
}

/* The lines of all commands, or of those that begin with a word. False when there is none. */
static bool print_list(FILE *f, const char *word)
{
    bool any = false;

    for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
        const struct command *c = &commands[i];
        const char *dot = strstr(c->help, ". ");
        size_t n = dot ? (size_t)(dot - c->help) + 1 : strlen(c->help);

        if (word && (!str_starts(str_of(c->words), word) || c->words[strlen(word)] != ' '))
            continue;
        print_line(f, c->words, c->usage, str_make(c->help, n));
        any = true;
    }
    return any;
}

static void print_help(FILE *f)
{
    fputs("Berth serves machine-learning models from your own machine, with the HTTP API of "
          "Replicate.\n\n"
          "Usage: berth COMMAND [FLAGS]\n\nCommands:\n",
          f);
    print_line(f, "serve", "", STR("Run the server. `berth serve --help` lists its options."));
    print_list(f, NULL);
    fputs("\n`berth COMMAND --help` says more. Accounts and tokens are made on the server's own "
          "machine, by whoever may "
          "open its\ndata folder (--data or BERTH_DATA); everything else speaks the public API "
          "(--url, --token, or "
          "BERTH_URL and BERTH_TOKEN).\n",
          f);
}

static const struct flag *find_flag(const struct command *c, struct str name)
{
    for (const struct flag *x = c->flags; x->name; x++)
        if (str_is(name, x->name))
            return x;
    return NULL;
}

static bool read_flag(const struct command *c, const char *const **at, struct given *out)
{
    struct str whole = str_of(**at), name = whole, value = STR_NULL;
    const char *eq = strchr(**at, '=');
    const struct flag *x;

    if (eq) {
        name.n = (size_t)(eq - whole.p);
        value = str_of(eq + 1);
    }
    x = find_flag(c, name);
    if (!x || out->n_flags == (int)ARRAY_SIZE(out->flags)) {
        fprintf(stderr, "berth %s: there is no flag %.*s. `berth %s --help` lists them.\n",
                c->words, STR_ARG(name), c->words);
        return false;
    }
    if (x->takes_value && !value.p) {
        if (!(*at)[1]) {
            fprintf(stderr, "berth %s: %s needs a value: %s.\n", c->words, x->name, x->help);
            return false;
        }
        value = str_of(*++*at);
    }
    if (!x->takes_value && value.p) {
        fprintf(stderr, "berth %s: %s takes no value.\n", c->words, x->name);
        return false;
    }
    out->flags[out->n_flags].flag = x;
    out->flags[out->n_flags++].value = value.p ? value.p : "";
    return true;
}

bool given_read(const struct command *c, const char *const *args, int n_least, int n_most,
                struct given *out)
{
    *out = (struct given){ .command = c };
    for (; *args; args++) {
        if ((*args)[0] == '-' && (*args)[1]) {
            if (!read_flag(c, &args, out))
                return false;
        } else if (out->n == n_most) {
            fprintf(stderr, "berth %s: \"%s\" is one word too many. Usage: berth %s %s\n", c->words,
                    *args, c->words, c->usage);
            return false;
        } else {
            out->positions[out->n++] = *args;
        }
    }
    if (out->n < n_least) {
        fprintf(stderr, "berth %s: something is missing. Usage: berth %s %s\n", c->words, c->words,
                c->usage);
        return false;
    }
    return true;
}

const char *given_flag(const struct given *g, const char *name)
{
    for (int i = 0; i < g->n_flags; i++)
        if (strcmp(g->flags[i].flag->name, name) == 0)
            return g->flags[i].value;
    return NULL;
}

static bool is_help(const char *word)
{
    return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
}

int cli_main(int argc, char **argv)
{
    const struct command *c;
    int words = 0;

    setlocale(LC_CTYPE, "C.UTF-8"); /* libarchive translates names of files by it */
    log_setup(LOG_WARNING, LOG_TEXT, STDERR_FILENO);
    if (argc < 2) {
        print_help(stderr);
        return 2;
    }
    if (is_help(argv[1]) || strcmp(argv[1], "help") == 0) {
        print_help(stdout);
        return 0;
    }
    if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-v") == 0 ||
        strcmp(argv[1], "version") == 0) {
        puts("berth " BERTH_VERSION);
        return 0;
    }
    if (argv[1][0] == '-') {
        fprintf(stderr,
                "berth: the command comes first and its flags behind it: berth COMMAND %s. `berth "
                "--help` lists the commands.\n",
                argv[1]);
        return 2;
    }
    c = find_command(argc, argv, &words);
    if (!c) {
        if (print_list(argc > 2 && is_help(argv[2]) ? stdout : stderr, argv[1]))
            return argc > 2 && is_help(argv[2]) ? 0 : 2;
        fprintf(stderr, "berth: there is no command \"%s%s%s\". `berth --help` lists them.\n",
                argv[1], argc > 2 ? " " : "", argc > 2 ? argv[2] : "");
        return 2;
    }
    for (int i = words; i < argc; i++) {
        if (is_help(argv[i])) {
            print_command(stdout, c);
            return 0;
        }
    }
    return c->run(c, (const char *const *)(argv + words));
}

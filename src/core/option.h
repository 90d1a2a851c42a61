/* SPDX-License-Identifier: Apache-2.0 */
/* Options of `berth serve`: one table of name, type, range, default and help. The flag
 * (--idle-timeout=60s), the environment variable (BERTH_IDLE_TIMEOUT) and the key in berth.yaml
 * (idle_timeout) follow from the name; --help and docs/configuration.md are printed from it. The
 * command line wins over the environment, which wins over the file. */
#pragma once

#include "base/json.h"

enum option_type {
    OPTION_STRING,
    OPTION_INT,
    OPTION_DOUBLE,
    OPTION_BOOL,
    OPTION_DURATION /* ms */,
    OPTION_SIZE /* bytes */
};

/* group, NAME, member, type, minimum, maximum, default text, help. Ranges are in the type's unit.
 */
#define OPTION_TABLE(X)                                                                            \
    X("Server", listen, STRING, 0, 0, "127.0.0.1:8080",                                            \
      "addresses of the public API, with commas between: HOST:PORT, unix:PATH; sockets that "      \
      "systemd hands over take their place")                                                       \
    X("Server", listen_mode, STRING, 0, 0, "0600", "mode of the files of unix sockets")            \
    X("Server", tls_cert, STRING, 0, 0, "",                                                        \
      "file with the certificate and those between it and the root (PEM): the public API speaks "  \
      "TLS; read again on SIGHUP")                                                                 \
    X("Server", tls_key, STRING, 0, 0, "", "file with the certificate's key (PEM)")                \
    X("Server", data, STRING, 0, 0, "./data",                                                      \
      "folder of the database, models, environments, files and logs")                              \
    X("Server", config, STRING, 0, 0, "",                                                          \
      "configuration file (YAML); the default is berth.yaml in the data folder, if there")         \
    X("Server", public_url, STRING, 0, 0, "",                                                      \
      "scheme and host that addresses in answers begin with; the default is what each request "    \
      "used")                                                                                      \
    X("Server", cors_origins, STRING, 0, 0, "",                                                    \
      "origins whose pages may call the API from a browser, with commas between: "                 \
      "https://app.example.com; * for all; none without it")                                       \
    X("Server", list_private_models, BOOL, 0, 1, "true",                                           \
      "GET /v1/models lists the account's own private models too; if false, only with ?owner=")    \
    X("Server", trusted_proxies, STRING, 0, 0, "",                                                 \
      "addresses and networks (10.0.0.0/8), and unix for unix sockets, with commas between: "      \
      "their "                                                                                     \
      "X-Forwarded-For, -Host, -Proto and X-Request-Id are believed")                              \
    X("Server", internal_listen, STRING, 0, 0, "127.0.0.1:0",                                      \
      "address where instances reach the server; port 0 takes a free one and keeps it")            \
    X("Server", log_level, STRING, 0, 0, "info",                                                   \
      "least level that is logged: debug, info, warning or error")                                 \
    X("Server", log_format, STRING, 0, 0, "auto", "text, json, or auto (text on a terminal)")      \
    X("Server", metrics_listen, STRING, 0, 0, "",                                                  \
      "address where GET /metrics tells of everything without a token: HOST:PORT, or unix:PATH")   \
    X("Server", ledger_hours, DURATION, 86400000, 315360000000, "35d",                             \
      "how long the ledger of costs has hours; older ones are put together into days")             \
    X("Server", keep_instances, BOOL, 0, 1, "false",                                               \
      "leave instances running when the server ends, for the next server")                         \
    X("Server", disk_reserve, SIZE, 0, 1000000000000000, "64MB",                                   \
      "free space on the data folder's disk below which nothing new is accepted (507)")            \
    X("Server", backup_hold, DURATION, 1000, 604800000, "1h",                                      \
      "how long a backup may take to copy the files that it holds")                                \
    X("Server", drain_timeout, DURATION, 0, 86400000, "30s",                                       \
      "how long open predictions may go on when the server ends")                                  \
    X("Instances", setup_timeout, DURATION, 1000, 86400000, "600s",                                \
      "how long an instance may take to get ready")                                                \
    X("Instances", idle_timeout, DURATION, 0, 604800000, "60s",                                    \
      "how long an idle instance above the minimum is kept; where it is set, deployments without " \
      "a keep_alive of their own take it instead of \"auto\"")                                     \
    X("Instances", orphan_timeout, DURATION, 1000, 604800000, "600s",                              \
      "how long an instance outlives its server")                                                  \
    X("Instances", min_instances_limit, INT, 0, 10000, "5",                                        \
      "largest min_instances that a deployment may ask for")                                       \
    X("Instances", max_instances_limit, INT, 0, 10000, "20",                                       \
      "largest max_instances that a deployment may ask for")                                       \
    X("Instances", model_max_instances, INT, 1, 10000, "1",                                        \
      "instances of a model that runs without a deployment")                                       \
    X("Instances", cpu_overcommit, DOUBLE, 0.1, 1000, "4",                                         \
      "how many times the machine's cpus may be promised")                                         \
    X("Instances", memory_overcommit, DOUBLE, 0.1, 1000, "2",                                      \
      "how many times the machine's memory may be promised")                                       \
    X("Instances", surge, INT, 0, 100, "1",                                                        \
      "instances above max_instances while a new release takes over")                              \
    X("Instances", instance_uids, STRING, 0, 0, "200000-265535",                                   \
      "users that instances run as, one each, where the server runs as root: "                     \
      "FIRST-LAST, used by nobody else; off runs them as the server's own user")                   \
    X("Instances", instance_network, STRING, 0, 0, "host",                                         \
      "host: instances share the server's network; isolated: each has one of its own without a "   \
      "way out, but for what the server gives it (needs root, and instance_uids); containers "     \
      "then "                                                                                      \
      "reach nothing beyond this machine")                                                         \
    X("Instances", instance_folders, STRING, 0, 0, "",                                             \
      "folders that instances may read beside their own (weights that many models share, say), "   \
      "with colons between; PATH=rw also lets them write, where its mode does")                    \
    X("Instances", max_setup_log, SIZE, 1024, 1073741824, "1MB",                                   \
      "bytes of an instance's own log that are kept")                                              \
    X("Instances", max_health, SIZE, 65536, 1073741824, "64MiB",                                   \
      "bytes of a model server's answer to its health check, which has all that setup() printed; " \
      "an instance that answers more is ended")                                                    \
    X("Instances", docker_socket, STRING, 0, 0, "",                                                \
      "unix socket of a Docker Engine on this machine (/var/run/docker.sock), where versions "     \
      "that "                                                                                      \
      "are images run; empty: none can")                                                           \
    X("Instances", docker_read_only, BOOL, 0, 1, "true",                                           \
      "containers cannot write to their image's files, but for /tmp and /root/.cache")             \
    X("Instances", registry, STRING, 0, 0, "",                                                     \
      "address of a registry (CNCF distribution) that only this server reaches "                   \
      "(http://127.0.0.1:5000): what is pushed to /v2/ goes there, and becomes versions; empty: "  \
      "nothing can be pushed")                                                                     \
    X("Instances", registry_max_layer, SIZE, 1024, 1099511627776, "64GB",                          \
      "bytes of one part of an image that is pushed")                                              \
    X("Scaling", max_decisions, INT, 1, 10000000, "10000",                                         \
      "decisions of one deployment that are kept to be read")                                      \
    X("Scaling", traffic_retention, DURATION, 0, 315360000000, "30d",                              \
      "how long times of predictions are kept for the simulator, 24 bytes each")                   \
    X("Scaling", max_simulated, INT, 10, 100000000, "200000",                                      \
      "predictions that one simulation may replay")                                                \
    X("Scaling", record_decisions, STRING, 0, 0, "",                                               \
      "file, begun anew at each start, for every decision with all it was taken from, some 10 KB " \
      "each: berth simulate --recorded FILE takes them again")                                     \
    X("Scaling", record_limit, SIZE, 1024, 1099511627776, "1GB",                                   \
      "bytes of that file; then it ends")                                                          \
    X("Scaling", max_simulations, INT, 1, 1000, "2", "simulations at the same time; then 429")     \
    X("Predictions", run_timeout, DURATION, 1000, 604800000, "30m",                                \
      "how long one prediction may run")                                                           \
    X("Predictions", cancel_grace, DURATION, 0, 3600000, "30s",                                    \
      "how long a canceled prediction may go on before its instance is killed")                    \
    X("Predictions", max_attempts, INT, 1, 100, "3",                                               \
      "how often a prediction is tried whose instance was lost")                                   \
    X("Predictions", max_queue, INT, 1, 100000000, "100000",                                       \
      "waiting predictions of one deployment; then 429")                                           \
    X("Predictions", max_output, SIZE, 1024, 10737418240, "100MB",                                 \
      "bytes of one prediction's output")                                                          \
    X("Predictions", max_logs, SIZE, 1024, 1073741824, "1MiB",                                     \
      "bytes of one prediction's logs; the middle is cut out")                                     \
    X("Predictions", max_error, SIZE, 256, 16777216, "64KiB",                                      \
      "bytes of what a model says of one prediction's failure; the rest is cut off")               \
    X("Predictions", max_metrics, SIZE, 256, 16777216, "64KiB",                                    \
      "bytes of one prediction's metrics; more are not kept")                                      \
    X("Predictions", max_input, SIZE, 1024, 1073741824, "16MiB",                                   \
      "bytes of a prediction's request body")                                                      \
    X("Predictions", delete_after, DURATION, 0, 31536000000, "15m",                                \
      "a deployment can be deleted when unused for so long")                                       \
    X("Predictions", retention, DURATION, 0, 315360000000, "1h",                                   \
      "how long input, output and logs of an ended prediction are kept; 0 keeps them")             \
    X("Files", max_file, SIZE, 1024, 1099511627776, "100MB", "bytes of an uploaded file")          \
    X("Files", file_expiry, DURATION, 1000, 31536000000, "24h",                                    \
      "how long an uploaded file is kept")                                                         \
    X("Files", max_input_file, SIZE, 1024, 1099511627776, "1GB",                                   \
      "bytes of a file that an input refers to")                                                   \
    X("Files", input_fetch_timeout, DURATION, 1000, 86400000, "5m",                                \
      "how long the fetching of an input file may take")                                           \
    X("Files", output_data_uri_limit, SIZE, 0, 1073741824, "1MiB",                                 \
      "where addresses begin with http:, answers to waiting creates hold output files themselves " \
      "up to so many bytes, since clients make file objects of https: and data: only; 0 is off")   \
    X("Limits", metrics_pools, INT, 0, 100000, "200",                                              \
      "deployments and models that /metrics tells apart; the others are put together")             \
    X("Limits", shadow_max_input, SIZE, 1024, 1073741824, "1MiB",                                  \
      "bytes of an input up to which a shadow has copies of the prediction")                       \
    X("Limits", rate_limit_predictions, INT, 0, 100000000, "600",                                  \
      "predictions an account may create in a minute; 0 is off")                                   \
    X("Limits", rate_limit_sign_ins, INT, 0, 100000000, "30",                                      \
      "attempts of one address in a minute to sign in with a token that is none; 0 is off")        \
    X("Limits", rate_limit_searches, INT, 0, 100000000, "120",                                     \
      "searches of one address in a minute without a token; 0 is off")                             \
    X("Limits", max_sessions, INT, 1, 1000000, "50",                                               \
      "browsers an account is signed in with; one more ends the oldest")                           \
    X("Limits", max_tokens, INT, 1, 1000000, "100", "tokens that an account may make for itself")  \
    X("Limits", rate_limit_requests, INT, 0, 100000000, "3000",                                    \
      "other requests of an account in a minute; 0 is off")                                        \
    X("Limits", max_waits, INT, 0, 10000000, "10000",                                              \
      "creates of an account that wait for their end; more are answered at once, as not finished") \
    X("Limits", max_streams, INT, 0, 10000000, "10000",                                            \
      "open readers of an account's outputs; then 429")                                            \
    X("Limits", http_max_connections, INT, 1, 10000000, "10000", "open connections in all")        \
    X("Limits", http_max_connections_per_address, INT, 0, 10000000, "0",                           \
      "open connections of one address (loopback and trusted proxies excepted); 0 is off")         \
    X("Limits", http_limit_loopback, BOOL, 0, 1, "false",                                          \
      "count the connections of loopback addresses too")                                           \
    X("Limits", http_head_timeout, DURATION, 100, 3600000, "10s",                                  \
      "time for a request's head to arrive")                                                       \
    X("Limits", http_keep_alive, DURATION, 0, 3600000, "75s",                                      \
      "how long a connection may wait for its next request")                                       \
    X("Limits", http_body_grace, DURATION, 100, 3600000, "10s",                                    \
      "time for a request's body before it has to keep above http_body_floor")                     \
    X("Limits", http_body_floor, SIZE, 1, 1073741824, "1KiB",                                      \
      "bytes a second that a request's body has to go on with")                                    \
    X("Limits", http_write_timeout, DURATION, 100, 3600000, "60s",                                 \
      "how long an answer may wait for a reader that takes nothing of it")                         \
    X("Limits", http_max_write_buffer, SIZE, 65536, 1073741824, "4MiB",                            \
      "bytes of a streamed answer that wait for its reader; then the stream ends")                 \
    X("Limits", http_max_request_line, SIZE, 256, 1048576, "8KiB", "bytes of a request's line")    \
    X("Limits", http_max_header_bytes, SIZE, 1024, 1048576, "32KiB",                               \
      "bytes of a request's header fields together")                                               \
    X("Limits", http_max_headers, INT, 10, 10000, "100", "header fields of a request")             \
    X("Limits", max_answer_head, SIZE, 1024, 262144, "256KiB",                                     \
      "bytes of header fields, interim answers and trailers together in an answer that the "       \
      "server gets, from a model server or a receiver of webhooks, say")                           \
    X("Builds", max_push, SIZE, 1024, 1099511627776, "2GB", "bytes of a pushed folder, packed")    \
    X("Builds", max_push_unpacked, SIZE, 1024, 1099511627776, "10GB",                              \
      "bytes of a pushed folder, unpacked")                                                        \
    X("Builds", max_push_files, INT, 1, 100000000, "100000",                                       \
      "files and folders in a pushed folder")                                                      \
    X("Builds", max_push_depth, INT, 1, 1000, "64",                                                \
      "folders within each other in a pushed folder")                                              \
    X("Builds", max_push_path, INT, 16, 4000, "1024", "bytes of a path in a pushed folder")        \
    X("Builds", build_timeout, DURATION, 1000, 86400000, "30m", "how long a build may take")       \
    X("Builds", build_parallel, INT, 1, 64, "1", "builds at the same time")                        \
    X("Builds", build_memory, SIZE, 0, 1000000000000000, "16GB",                                   \
      "memory of what a build runs; 0 is off")                                                     \
    X("Builds", build_disk, SIZE, 0, 1000000000000000, "50GB",                                     \
      "bytes that what a build runs may write, and that an account's cache of packages may keep; " \
      "0 is off")                                                                                  \
    X("Builds", build_processes, INT, 0, 10000000, "4096",                                         \
      "processes and threads of what a build runs, where it has a user of its own; 0 is off")      \
    X("Builds", python_version_strict, BOOL, 0, 1, "false",                                        \
      "refuse a model whose Python version is not on this machine, instead of taking the nearest") \
    X("Builds", requirements_any_source, BOOL, 0, 1, "false",                                      \
      "allow index options, paths and version-control links in a model's requirements")            \
    X("Webhooks", webhook_retry_for, DURATION, 0, 2592000000, "24h",                               \
      "how long the delivery of a prediction's end is tried")                                      \
    X("Webhooks", webhook_timeout, DURATION, 100, 600000, "10s",                                   \
      "how long a receiver may take to answer")                                                    \
    X("Webhooks", webhook_concurrency, INT, 1, 1000, "8",                                          \
      "deliveries to one receiver at the same time, of ends and of progress each")                 \
    X("Trust", webhook_private_targets, BOOL, 0, 1, "false",                                       \
      "allow http:// and private addresses as webhook targets")                                    \
    X("Trust", input_private_targets, BOOL, 0, 1, "false",                                         \
      "allow inputs to be fetched from private addresses")                                         \
    X("Trust", session_lifetime, DURATION, 60000, 315360000000, "30d",                             \
      "how long a browser stays signed in")                                                        \
    X("Trust", enable_fake, BOOL, 0, 1, "false",                                                   \
      "run no models: all instances are fake and do what inputs say (tests only)")

struct options {
#define OPTION_STRING_C                             const char *
#define OPTION_INT_C                                int64_t
#define OPTION_DOUBLE_C                             double
#define OPTION_BOOL_C                               bool
#define OPTION_DURATION_C                           int64_t
#define OPTION_SIZE_C                               int64_t
#define X(group, name, type, low, high, text, help) OPTION_##type##_C name;
    OPTION_TABLE(X)
#undef X
    bool idle_timeout_given; /* by somebody, not only the default */
    const struct json
        *file;          /* the whole configuration document (for `hardware`, `gpus`); NULL: none */
    struct arena arena; /* owns the texts */
};

/* Reads, in rising order of weight, defaults, the file, BERTH_* of `env` and the flags. `args` are
 * those after "serve", ends with NULL. INVALID names the option, the value, and what would be
 * right. Unknown flags, unknown keys of the file, and environment variables that begin with BERTH_
 * but name no option (other than the clients' BERTH_URL, BERTH_TOKEN, BERTH_DATA and those that
 * begin with BERTH_TEST_) are refused; near misses are suggested. `read_file` returns the file's
 * text, allocated; NULL and *err (never a NULL pointer) when it cannot be read; NULL with *err
 * untouched when it is absent and need not exist. After a failure there is nothing to free. */
enum status options_read(struct options *o, const char *const *args, const char *const *env,
                         char *(*read_file)(const char *path, bool must_exist, struct error *err),
                         struct error *err) NODISCARD;
void options_deinit(struct options *o);
void options_help(struct buf *out);     /* for --help */
void options_markdown(struct buf *out); /* docs/configuration.md */

/* SPDX-License-Identifier: Apache-2.0 */
/* What the Docker driver reads of the engine, with recorded answers, and what it asks for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "driver/docker/docker_impl.h"

#include "base/json.h"

/* --- the log --- */

static struct buf said;

static void take(void *arg, struct str line)
{
    (void)arg;
    buf_add_str(&said, line);
    buf_addc(&said, '|');
}

static void frame(struct buf *b, char stream, const char *text, size_t n)
{
    const char head[8] = { stream,         0,      0, 0, (char)(n >> 24), (char)(n >> 16),
                           (char)(n >> 8), (char)n };

    buf_add(b, head, sizeof(head));
    buf_add(b, text, n);
}

#define FRAME(b, stream, text) frame((b), (stream), (text), sizeof(text) - 1)

static void lines_come_whole_however_they_are_cut(void **state)
{
    struct buf all = BUF_INIT(BUF_UNBOUNDED);

    (void)state;
    FRAME(&all, 1, "one\ntw");
    FRAME(&all, 2, "error ");
    FRAME(&all, 1, "o\n");
    FRAME(&all, 2, "here\r\n\n");
    FRAME(&all, 1, "");
    FRAME(&all, 1, "rest");
    for (size_t cut = 1; cut <= all.n; cut++) {
        struct docker_lines d;

        buf_clear(&said);
        docker_lines_init(&d, take, NULL);
        for (size_t at = 0; at < all.n; at += cut)
            assert_true(docker_lines_feed(&d, str_make(all.p + at, MIN(cut, all.n - at))));
        docker_lines_end(&d);
        assert_string_equal(said.p, "one|two|error here||rest|");
        docker_lines_deinit(&d);
    }
    buf_deinit(&all);
}

static void a_long_line_comes_in_pieces(void **state)
{
    size_t n = 2 * DOCKER_MAX_LINE + 10;
    struct buf all = BUF_INIT(BUF_UNBOUNDED);
    struct docker_lines d;
    char *text = xcalloc(1, n + 1);

    (void)state;
    memset(text, 'x', n);
    text[n] = '\n';
    frame(&all, 1, text, n + 1);
    buf_clear(&said);
    docker_lines_init(&d, take, NULL);
    assert_true(docker_lines_feed(&d, buf_str(&all)));
    assert_int_equal(said.n, n + 3);
    assert_int_equal(said.p[DOCKER_MAX_LINE], '|');
    assert_int_equal(d.parts[0].n, 0);
    docker_lines_deinit(&d);
    buf_deinit(&all);
    free(text);
}

static void what_is_no_frame_is_refused(void **state)
{
    struct docker_lines d;

    (void)state;
    docker_lines_init(&d, take, NULL);
    assert_false(docker_lines_feed(&d, STR("plain text of a terminal")));
    docker_lines_deinit(&d);
}

/* --- pulling --- */

static struct docker_pull pull_all(const char *text, size_t cut, enum status *out,
                                   struct error *err)
{
    struct docker_pull p = { .line = take, .text = BUF_INIT(64 << 10) };
    size_t n = strlen(text);

    buf_clear(&said);
    for (size_t at = 0; at < n; at += cut)
        docker_pull_feed(&p, str_make(text + at, MIN(cut, n - at)));
    *out = docker_pull_end(&p, err);
    buf_deinit(&p.text);
    return p;
}

static void a_pull_tells_how_far_it_is(void **state)
{
    static const char text[] =
        "{\"status\":\"Pulling from acme/shout\",\"id\":\"sha256:12\"}\r\n"
        "{\"status\":\"Pulling fs layer\",\"progressDetail\":{},\"id\":\"aa\"}\r\n"
        "{\"status\":\"Downloading\",\"progressDetail\":{\"current\":1},\"id\":\"aa\"}\r\n"
        "{\"status\":\"Pull complete\",\"id\":\"aa\"}\r\n"
        "{\"status\":\"Digest: sha256:12\"}";
    struct error err;
    enum status st;

    (void)state;
    for (size_t cut = 1; cut <= sizeof(text); cut++) {
        pull_all(text, cut, &st, &err);
        assert_int_equal(st, STATUS_OK);
        assert_string_equal(said.p,
                            "image: sha256:12: Pulling from acme/shout|image: aa: Pulling fs "
                            "layer|image: aa: Pull complete|image: Digest: sha256:12|");
    }
}

static void a_pull_that_fails_says_which_layer_and_why(void **state)
{
    struct error err;
    enum status st;

    (void)state;
    pull_all("{\"status\":\"Downloading\",\"id\":\"bb\"}\r\n{\"errorDetail\":{\"message\":\"no "
             "space left\"},\"error\":\"no space left\"}\r\n",
             1000, &st, &err);
    assert_int_equal(st, STATUS_UNREACHABLE);
    assert_non_null(strstr(err.text, "bb: no space left"));
    pull_all("no json\n{}\n", 3, &st, &err);
    assert_int_equal(st, STATUS_OK);
    buf_deinit(&said);
}

/* --- containers --- */

#define CONTAINER(state, owner)                                                                    \
    "{\"Id\":\"abc\",\"State\":{" state "},\"Config\":{\"Labels\":{\"berth.server\":\"" owner      \
    "\"}},\"NetworkSettings\":{\"IPAddress\":\"\",\"Networks\":{\"berth-me\":{\"IPAddress\":"      \
    "\"172.18.0.2\"},\"other\":{\"IPAddress\":\"10.0.0.1\"}}}}"

static struct container_facts read_container(const char *text)
{
    struct container_facts f;
    struct error err;

    assert_int_equal(container_read(str_of(text), "me", "berth-me", &f, &err), STATUS_OK);
    return f;
}

static void a_running_container_has_an_address(void **state)
{
    struct container_facts f = read_container(
        CONTAINER("\"Status\":\"running\",\"Running\":true,\"ExitCode\":0,\"FinishedAt\":"
                  "\"0001-01-01T00:00:00Z\"",
                  "me"));

    (void)state;
    assert_true(f.is_ours && f.is_running && !f.is_created);
    assert_string_equal(f.address, "172.18.0.2");
    assert_string_equal(f.id, "abc");
    assert_int_equal(f.ended_at, 0);
    f = read_container(CONTAINER("\"Status\":\"created\"", "another"));
    assert_true(!f.is_ours && !f.is_running && f.is_created);
}

static void an_end_is_told_as_it_was(void **state)
{
    struct container_facts f;
    struct exit_info how;
    struct error err;

    (void)state;
    f = read_container(CONTAINER("\"Status\":\"exited\",\"ExitCode\":7,\"OOMKilled\":false,"
                                 "\"FinishedAt\":\"2026-01-05T10:11:12.345678901Z\"",
                                 "me"));
    how = container_exit(&f);
    assert_int_equal(how.code, 7);
    assert_int_equal(how.signal, 0);
    assert_int_equal(how.ended_at, 1767607872345);
    f = read_container(
        CONTAINER("\"Status\":\"exited\",\"ExitCode\":137,\"OOMKilled\":true", "me"));
    how = container_exit(&f);
    assert_true(how.out_of_memory && how.signal == 9 && how.code == -1);
    f = read_container(CONTAINER("\"Status\":\"exited\",\"ExitCode\":0,\"OOMKilled\":true", "me"));
    assert_false(container_exit(&f).out_of_memory); /* a child of it was, and it went on */
    assert_int_equal(container_read(STR("{\"State\":{}}"), "me", "n", &f, &err), STATUS_BROKEN);
    assert_int_equal(container_read(STR("nonsense"), "me", "n", &f, &err), STATUS_INVALID);
}

/* --- the engine --- */

static void the_version_is_negotiated(void **state)
{
    char out[16];
    struct error err;

    (void)state;
    assert_int_equal(docker_negotiate("1.41", "1.12", out, &err), STATUS_OK);
    assert_string_equal(out, "1.41");
    assert_int_equal(docker_negotiate("1.45", "1.24", out, &err), STATUS_OK);
    assert_string_equal(out, "1.45");
    assert_int_equal(docker_negotiate("1.99", "1.44", out, &err), STATUS_OK);
    assert_string_equal(out, "1.48");
    assert_int_equal(docker_negotiate("1.99", "1.60", out, &err), STATUS_UNSUPPORTED);
    assert_int_equal(docker_negotiate("1.30", "1.12", out, &err), STATUS_UNSUPPORTED);
    assert_non_null(strstr(err.text, "1.30"));
    assert_int_equal(docker_negotiate("", "", out, &err), STATUS_UNSUPPORTED);
}

static void the_network_is_read(void **state)
{
    struct docker_network out;

    (void)state;
    assert_true(docker_read_network(
        STR("{\"IPAM\":{\"Config\":[{\"Subnet\":\"fd00::/64\",\"Gateway\":\"fd00::1\"},"
            "{\"Subnet\":\"172.18.0.0/16\",\"Gateway\":\"172.18.0.1\"}]}}"),
        &out));
    assert_false(out.is_closed || out.is_internal);
    assert_string_equal(out.gateway, "172.18.0.1");
    assert_string_equal(out.subnets, "fd00::/64, 172.18.0.0/16");
    assert_true(docker_read_network(
        STR("{\"Internal\":true,\"IPAM\":{\"Config\":[{\"Gateway\":\"172.18.0.1\"}]}}"), &out));
    assert_true(out.is_internal);
    assert_false(docker_read_network(STR("{\"IPAM\":{\"Config\":[]}}"), &out));
    assert_string_equal(out.subnets, "");
    assert_false(docker_read_network(STR("nonsense"), &out));
}

#define INFO(limits, filter)                                                                       \
    STR("{\"NCPU\":4,\"MemoryLimit\":" limits ",\"SwapLimit\":" limits ",\"CpuCfsQuota\":" limits  \
        ",\"PidsLimit\":" limits ",\"SecurityOptions\":[\"name=apparmor\"" filter "]}")

static size_t count(const struct driver_facts *f, const char *word)
{
    size_t n = 0;

    for (size_t i = 0; i < ARRAY_SIZE(f->missing) && f->missing[i]; i++)
        n += strstr(f->missing[i], word) != NULL;
    return n;
}

static void what_it_does_not_enforce_is_told(void **state)
{
    struct docker_network network;
    struct driver_facts f = { 0 };
    struct docker_info info;
    struct error err;

    (void)state;
    assert_true(docker_read_network(
        STR("{\"IPAM\":{\"Config\":[{\"Subnet\":\"172.18.0.0/16\",\"Gateway\":\"172.18.0.1\"}]},"
            "\"Options\":{\"com.docker.network.bridge.enable_icc\":\"false\"}}"),
        &network));
    assert_int_equal(
        docker_read_info(INFO("true", ",\"name=seccomp,profile=default\""), &info, &err),
        STATUS_OK);
    assert_int_equal(info.cpus, 4);
    docker_tell_missing(&info, &network, true, &f);
    assert_true(f.limits_memory && f.limits_cpus);
    assert_int_equal(count(&f, ""), 1);
    assert_int_equal(count(&f, "bridge addresses"), 1);

    docker_tell_missing(&info, &network, false, &f);
    assert_int_equal(count(&f, ""), 2);
    assert_int_equal(count(&f, "bridge-nf-call-iptables"), 1);
    network.is_internal = true;
    docker_tell_missing(&info, &network, true, &f);
    assert_int_equal(count(&f, "beyond this machine"), 0);
    assert_int_equal(count(&f, "bridge addresses"), 1);
    network.is_closed = network.is_internal = false;
    docker_tell_missing(&info, &network, true, &f);
    assert_int_equal(count(&f, "enable_icc"), 1);

    assert_int_equal(
        docker_read_info(INFO("true", ",\"name=seccomp,profile=unconfined\""), &info, &err),
        STATUS_OK);
    assert_false(info.filters_calls);
    assert_int_equal(docker_read_info(INFO("false", ""), &info, &err), STATUS_OK);
    docker_tell_missing(&info, &network, true, &f);
    assert_int_equal(count(&f, ""), 6);
    assert_int_equal(count(&f, "seccomp") + count(&f, "limit memory") + count(&f, "limit cpus") +
                         count(&f, "limit processes"),
                     4);
    assert_false(f.limits_memory || f.limits_cpus);
    info.limits_memory = true;
    docker_tell_missing(&info, &network, true, &f);
    assert_int_equal(count(&f, "limit swap"), 1);
    assert_int_not_equal(docker_read_info(STR("no"), &info, &err), STATUS_OK);
}

/* --- what is asked for --- */

static struct json *body_of(struct arena *a, const struct docker_driver *d,
                            const struct launch_spec *s)
{
    struct buf out = BUF_INIT(BUF_UNBOUNDED);
    struct json *root;
    struct error err;

    docker_create_body(d, s, &out);
    assert_int_equal(json_parse(a, str_of(arena_copy(a, buf_str(&out))), NULL, &root, &err),
                     STATUS_OK);
    buf_deinit(&out);
    return root;
}

static int64_t number(const struct json *root, const char *path)
{
    int64_t n = -1;

    assert_true(json_to_i64(json_path(root, path), &n));
    return n;
}

static bool has_text(const struct json *list, const char *text)
{
    json_each (list, one)
        if (str_is(json_to_str(one), text))
            return true;
    return false;
}

static void a_container_is_held_tightly(void **state)
{
    const struct sku sku = {
        .cpus_milli = 8000, .memory = 2000000000, .processes = 100, .open_files = 64
    };
    const struct version_config config = { .dialect = "cog",
                                           .image = "sha256:1",
                                           .concurrency = 2 };
    char id[] = "me", network[] = "berth-me";
    const struct docker_driver d = {
        .server_id = id, .network = network, .read_only = true, .info = { .cpus = 2 }
    };
    struct launch_spec s = { .id = "01i",
                             .config = &config,
                             .sku = &sku,
                             .mode = "predict",
                             .gpu_indexes = "0,3",
                             .max_log = 1000000,
                             .internal_url = "http://172.18.0.1:1/_i/x" };
    struct arena a = { 0 };
    struct json *root = body_of(&a, &d, &s);
    const struct json *host = json_get(root, "HostConfig");

    (void)state;
    assert_true(str_is(json_to_str(json_get(root, "Image")), "sha256:1"));
    assert_true(str_is(json_to_str(json_get(json_get(root, "Labels"), "berth.server")), "me"));
    assert_true(str_is(json_to_str(json_get(json_get(root, "Labels"), "berth.instance")), "01i"));
    assert_true(str_is(json_to_str(json_get(json_get(root, "Labels"), "berth.port")), "5000"));
    assert_true(has_text(json_get(root, "Env"), "COG_MAX_CONCURRENCY=2"));
    assert_null(json_get(root, "Cmd"));
    assert_int_equal(number(host, "NanoCpus"), 2000000000); /* all that the engine has */
    assert_int_equal(number(host, "Memory"), 2000000000);
    assert_int_equal(number(host, "MemorySwap"), 2000000000);
    assert_int_equal(number(host, "ShmSize"), 1000000000);
    assert_int_equal(number(host, "PidsLimit"), 100);
    assert_true(has_text(json_get(host, "CapDrop"), "ALL"));
    assert_true(has_text(json_get(host, "SecurityOpt"), "no-new-privileges"));
    assert_true(json_is(json_get(host, "Init"), JSON_TRUE));
    assert_true(json_is(json_get(host, "ReadonlyRootfs"), JSON_TRUE));
    assert_true(has_text(json_get(json_get(host, "DeviceRequests")->child, "DeviceIDs"), "3"));
    assert_true(str_is(json_to_str(json_path(host, "LogConfig.Config.max-size")), "500000"));
    assert_null(json_get(host, "Devices"));
    s.gpu_maker = GPU_AMD;
    root = body_of(&a, &d, &s);
    host = json_get(root, "HostConfig");
    assert_true(has_text(json_get(root, "Env"), "ROCR_VISIBLE_DEVICES=0,3"));
    assert_null(json_get(host, "DeviceRequests"));
    assert_true(
        str_is(json_to_str(json_get(json_get(host, "Devices")->child, "PathOnHost")), "/dev/kfd"));
    assert_true(
        str_is(json_to_str(json_get(json_get(host, "Devices")->child->next, "PathInContainer")),
               "/dev/dri"));
    assert_true(json_is(json_get(host, "GroupAdd"), JSON_ARRAY));
    s.upload = true;
    s.gpu_indexes = "";
    root = body_of(&a, &d, &s);
    assert_true(has_text(json_get(root, "Cmd"), "http://172.18.0.1:1/_i/x/upload/"));
    assert_null(json_path(root, "HostConfig.DeviceRequests"));
    assert_null(json_path(root, "HostConfig.Devices"));
    arena_deinit(&a);
}

/* Not Cog's: its own port and words, and nothing of Cog's around it. */
static void another_server_is_told_its_own(void **state)
{
    static const char *const command[] = { "serve", "--port={port}", NULL };
    static const char *const environment[] = { "MODE=fast", NULL };
    struct version_config config = { .dialect = "plain",
                                     .image = "sha256:1",
                                     .concurrency = 1,
                                     .environment = environment,
                                     .http = { .port = 8000, .command = command } };
    char id[] = "me", network[] = "berth-me";
    const struct docker_driver d = { .server_id = id, .network = network };
    const struct launch_spec s = {
        .id = "01i", .config = &config, .mode = "predict", .max_log = 1000000
    };
    struct arena a = { 0 };
    struct json *root = body_of(&a, &d, &s);

    (void)state;
    assert_true(has_text(json_get(root, "Cmd"), "--port=8000"));
    assert_true(has_text(json_get(root, "Env"), "PORT=8000"));
    assert_true(has_text(json_get(root, "Env"), "MODE=fast"));
    assert_false(has_text(json_get(root, "Env"), "COG_STREAM_HISTORY_CAPACITY=65536"));
    assert_true(str_is(json_to_str(json_get(json_get(root, "Labels"), "berth.port")), "8000"));
    config.http.command = NULL;
    root = body_of(&a, &d, &s);
    assert_null(json_get(root, "Cmd")); /* the image's own */
    arena_deinit(&a);
}

static int clean(void **state)
{
    (void)state;
    buf_deinit(&said);
    return 0;
}

static int prepare(void **state)
{
    (void)state;
    buf_init(&said, BUF_UNBOUNDED);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_come_whole_however_they_are_cut),
        cmocka_unit_test(a_long_line_comes_in_pieces),
        cmocka_unit_test(what_is_no_frame_is_refused),
        cmocka_unit_test(a_pull_tells_how_far_it_is),
        cmocka_unit_test(a_pull_that_fails_says_which_layer_and_why),
        cmocka_unit_test(a_running_container_has_an_address),
        cmocka_unit_test(an_end_is_told_as_it_was),
        cmocka_unit_test(the_version_is_negotiated),
        cmocka_unit_test(the_network_is_read),
        cmocka_unit_test(what_it_does_not_enforce_is_told),
        cmocka_unit_test(a_container_is_held_tightly),
        cmocka_unit_test(another_server_is_told_its_own),
    };

    return cmocka_run_group_tests(tests, prepare, clean);
}

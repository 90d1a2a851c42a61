/* SPDX-License-Identifier: Apache-2.0 */
/* Cog's own server as an instance. BERTH_TEST_VENV names a Python environment that has cog and
 * coglet. */
#include "process_support.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

static const char *venv(void)
{
    const char *path = getenv("BERTH_TEST_VENV");

    if (!path || !*path)
        print_message("skipped: BERTH_TEST_VENV names no environment with cog and coglet\n");
    return path && *path ? path : NULL;
}

static void write_model(const struct world *w, const char *setup)
{
    char path[160];
    FILE *f;

    snprintf(path, sizeof(path), "%s/predict.py", w->version);
    f = fopen(path, "w");
    assert_non_null(f);
    fprintf(f,
            "import os, time\n"
            "from cog import BasePredictor\n"
            "class Predictor(BasePredictor):\n"
            "    def setup(self):\n"
            "        print('worker', os.getpid(), flush=True)\n"
            "        %s\n"
            "    def predict(self, text: str) -> str:\n"
            "        return text + os.environ['HOME']\n",
            setup);
    fclose(f);
}

static void start(struct world *w, const char *env, const char *setup)
{
    write_model(w, setup);
    w->config.predict_ref = "predict.py:Predictor";
    w->spec.env_path = env;
    world_start(w, "");
    process_driver_test(w->driver, NULL, false, false);
}

/* One exchange, blocking. */
static void exchange(const char *address, const char *request, char *out, size_t size)
{
    struct sockaddr_in a = { .sin_family = AF_INET,
                             .sin_addr = { .s_addr = htonl(INADDR_LOOPBACK) } };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    size_t have = 0;
    ssize_t n;

    a.sin_port = htons((uint16_t)strtol(strrchr(address, ':') + 1, NULL, 10));
    assert_int_equal(connect(fd, (const struct sockaddr *)&a, sizeof(a)), 0);
    assert_int_equal(write(fd, request, strlen(request)), strlen(request));
    while (have + 1 < size && (n = read(fd, out + have, size - 1 - have)) > 0)
        have += (size_t)n;
    out[have] = '\0';
    close(fd);
}

static void a_real_model_answers_and_ends(void **state)
{
    struct world *w = *state;
    const char *env = venv();
    struct watch x;
    char answer[8192] = "", home[160];

    start(w, env ? env : "/", "pass");
    if (!env)
        return;
    launch(w, &x, "i1");
    until_address(w, &x);
    while (!strstr(answer, "\"READY\"")) {
        assert_null(strstr(answer, "SETUP_FAILED"));
        exchange(x.address, "GET /health-check HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
                 answer, sizeof(answer));
    }
    exchange(x.address,
             "PUT /predictions/p1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: "
             "application/json\r\n"
             "Content-Length: 23\r\n\r\n{\"input\":{\"text\":\"at\"}}",
             answer, sizeof(answer));
    snprintf(home, sizeof(home), "at%s/instances/i1/home", w->data);
    if (!strstr(answer, home))
        fail_msg("%s\n%s", answer, x.lines.p);
    driver_stop(&x.launch, 3600 * 1000);
    until_ended(w, &x);
    assert_int_equal(x.how.code, 0);
    until_empty(w);
    watch_deinit(&x);
}

/* coglet, asked to end during setup, leaves its worker behind. */
static void stop_during_setup_leaves_no_worker(void **state)
{
    struct world *w = *state;
    const char *env = venv();
    struct watch x;

    start(w, env ? env : "/", "time.sleep(1000)");
    if (!env)
        return;
    launch(w, &x, "i1");
    while (!number_after(&x, "\"worker "))
        loop_run(w->loop);
    assert_true(is_alive(number_after(&x, "\"worker ")));
    driver_stop(&x.launch, 3600 * 1000);
    until_ended(w, &x);
    assert_false(is_alive(number_after(&x, "\"worker ")));
    watch_deinit(&x);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        PROCESS_TEST(a_real_model_answers_and_ends),
        PROCESS_TEST(stop_during_setup_leaves_no_worker),
    };

    return process_test_main(argc, argv, tests, ARRAY_SIZE(tests));
}

/* SPDX-License-Identifier: Apache-2.0 */
/* `berth push IMAGE OWNER/NAME`: an image that the server's container engine has becomes a version.
 * By the administrator's socket: the engine may hold what others must not run. */
#include "base/file.h"
#include "cli/cli.h"

enum { MAX_MODEL_YAML = 256 << 10 };

int push_image(const struct given *g)
{
    struct answer a CLEANUP(answer_deinit) = { 0 };
    struct buf body CLEANUP(buf_deinit) = BUF_INIT(BUF_UNBOUNDED);
    struct buf yaml CLEANUP(buf_deinit) = BUF_INIT(MAX_MODEL_YAML);
    const char *file = given_flag(g, "--model-yaml");
    const char *sku = given_flag(g, "--hardware");
    struct json_writer w;
    struct str version;
    struct remote r;
    struct error err;

    if (file && file_read(file, &yaml, &err) != STATUS_OK) {
        fprintf(stderr, "berth push: --model-yaml: %s\n", err.text);
        return 2;
    }
    if (!remote_admin(g, &r))
        return 1;
    json_writer_init(&w, &body);
    json_begin_object(&w);
    json_member_string(&w, "image", g->positions[0]);
    json_member_string(&w, "model", g->positions[1]);
    if (file)
        json_member_str(&w, "model_yaml", buf_str(&yaml));
    if (sku)
        json_member_string(&w, "hardware", sku);
    json_member_string(&w, "visibility", given_flag(g, "--public") ? "public" : "private");
    json_end_object(&w);
    if (!remote_call(&r, "POST", "/images", buf_str(&body), "application/json", &a))
        return 1;
    version = json_to_str(json_get(a.json, "version"));
    if (!version.p) {
        fprintf(stderr, "berth push: the server's answer names no version.\n");
        return 1;
    }
    printf("%s:%.*s\n", g->positions[1], STR_ARG(version));
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What the engine, as it is set up on this machine, does not enforce. */
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "driver/docker/docker_impl.h"

/* Whether the kernel asks the machine's firewall about what stays within one bridge. The engine
 * sets it when it makes a network whose containers are not to reach one another. */
#define BRIDGES_FILTERED "/proc/sys/net/bridge/bridge-nf-call-iptables"

static bool is_true(const struct json *root, const char *key)
{
    bool value = false;

    return json_to_bool(json_get(root, key), &value) && value;
}

enum status docker_read_info(struct str answer, struct docker_info *out, struct error *err)
{
    struct arena a CLEANUP(arena_deinit) = { 0 };
    struct json *root = NULL;
    enum status st = json_parse(&a, answer, NULL, &root, err);

    *out = (struct docker_info){ 0 };
    if (st != STATUS_OK)
        return st;
    if (!json_to_i64(json_get(root, "NCPU"), &out->cpus))
        out->cpus = 0;
    out->limits_memory = is_true(root, "MemoryLimit");
    out->limits_swap = is_true(root, "SwapLimit");
    out->limits_cpus = is_true(root, "CpuCfsQuota");
    out->limits_processes = is_true(root, "PidsLimit");
    json_each (json_get(root, "SecurityOptions"), one) {
        struct str said = json_to_str(one);

        if (str_starts(said, "name=seccomp"))
            out->filters_calls = !str_is(said, "name=seccomp,profile=unconfined");
    }
    return STATUS_OK;
}

bool docker_bridges_are_filtered(void)
{
    struct buf b CLEANUP(buf_deinit) = BUF_INIT(64);

    return file_read(BRIDGES_FILTERED, &b, NULL) == STATUS_OK && str_starts(buf_str(&b), "1");
}

void docker_tell_missing(const struct docker_info *info, const struct docker_network *network,
                         bool bridges_are_filtered, struct driver_facts *f)
{
    size_t n = 0;

    memset(f->missing, 0, sizeof(f->missing));
    f->limits_memory = info->limits_memory;
    f->limits_cpus = info->limits_cpus;
    f->missing[n++] =
        network->is_internal
            ? "containers reach what others than this server listen with on this machine's bridge "
              "addresses: a model can call that"
            : "containers reach the network beyond this machine, and what others than this server "
              "listen with on its bridge addresses: a model can call that";
    if (!network->is_closed)
        f->missing[n++] = "the containers' network was made with enable_icc: a model can call "
                          "other instances";
    else if (!bridges_are_filtered)
        f->missing[n++] = "this kernel does not ask the firewall about what stays within a bridge "
                          "(net.bridge.bridge-nf-call-iptables): a model can call other instances";
    if (!info->filters_calls)
        f->missing[n++] = "the container engine has no seccomp filter: a model can make every call "
                          "to the kernel that needs no capability";
    if (!info->limits_memory || !info->limits_swap)
        f->missing[n++] = info->limits_memory
                              ? "the container engine cannot limit swap here: a container may use "
                                "more than its hardware's memory"
                              : "the container engine cannot limit memory here: a container may "
                                "use all of the machine's";
    if (!info->limits_cpus)
        f->missing[n++] = "the container engine cannot limit cpus here: a container may use all";
    if (!info->limits_processes)
        f->missing[n++] = "the container engine cannot limit processes here: a container may start "
                          "as many as the machine bears";
}

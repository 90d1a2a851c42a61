/* SPDX-License-Identifier: Apache-2.0 */
#include "driver/gpus.h"

#include "base/buf.h"
#include "base/file.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

enum { MAX_NODES = 1024 };

/* --- NVIDIA --- */

/* One line for each device: "0, NVIDIA L40S, 46068". */
static void read_nvidia(struct inventory *out)
{
    FILE *f = popen("exec nvidia-smi --query-gpu=index,name,memory.total "
                    "--format=csv,noheader,nounits 2>/dev/null",
                    "re");
    char line[256];

    while (f && fgets(line, sizeof(line), f) && out->n_gpus < MAX_GPUS) {
        struct str rest = str_of(line), index, name;
        struct gpu *g = &out->gpus[out->n_gpus];
        uint64_t at, mib;

        if (rest.n && rest.p[rest.n - 1] == '\n')
            rest.n--;
        if (!str_split(&rest, ',', &index) || !str_split(&rest, ',', &name) || !rest.p ||
            !str_to_u64(str_trim(index), &at) || at > INT32_MAX)
            continue;
        name = str_trim(name);
        g->index = (int)at;
        snprintf(g->name, sizeof(g->name), "%.*s", STR_ARG(name));
        if (str_to_u64(str_trim(rest), &mib)) /* "[N/A]" where memory is shared */
            g->memory = (int64_t)mib << 20;
        out->n_gpus++;
    }
    if (f)
        pclose(f);
}

/* --- AMD: the kernel's topology of compute nodes (amdkfd), of which some are processors --- */

static bool read_text(struct buf *out, const char *fmt, ...) PRINTF(2, 3);

static bool read_text(struct buf *out, const char *fmt, ...)
{
    char path[512];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(path, sizeof(path), fmt, ap);
    va_end(ap);
    buf_clear(out);
    return file_read(path, out, NULL) == STATUS_OK;
}

static struct str first_line(const struct buf *text)
{
    struct str rest = buf_str(text), line = STR_NULL;

    (void)str_split(&rest, '\n', &line);
    return str_trim(line);
}

/* "simd_count 304" among the lines of a node's properties; 0 where it is not. */
static uint64_t property(struct str text, const char *name)
{
    struct str line, key;
    uint64_t v = 0;

    while (str_split(&text, '\n', &line))
        if (str_split(&line, ' ', &key) && str_is(key, name) && line.p)
            return str_to_u64(str_trim(line), &v) ? v : 0;
    return 0;
}

/* As it is sold, which not all cards say, or by its architecture: 90402 is gfx942, the last two
 * digits hexadecimal. */
static void name_amd(const char *sys, uint64_t minor, uint64_t target, struct gpu *g)
{
    struct buf text CLEANUP(buf_deinit) = BUF_INIT(4096);
    struct str name = STR_NULL;

    if (read_text(&text, "%s/class/drm/renderD%u/device/product_name", sys, (unsigned)minor))
        name = first_line(&text);
    if (name.n)
        snprintf(g->name, sizeof(g->name), "%s%.*s", str_starts(name, "AMD") ? "" : "AMD ",
                 STR_ARG(name));
    else
        snprintf(g->name, sizeof(g->name), "AMD gfx%u%u%x", (unsigned)(target / 10000),
                 (unsigned)(target / 100 % 100), (unsigned)(target % 100));
}

static void read_amd(const char *sys, struct inventory *out)
{
    struct buf text CLEANUP(buf_deinit) = BUF_INIT(64 * 1024);
    int index = 0;

    for (int node = 0; node < MAX_NODES && out->n_gpus < MAX_GPUS; node++) {
        struct gpu *g = &out->gpus[out->n_gpus];
        uint64_t minor, target, id, memory;

        if (!read_text(&text, "%s/class/kfd/kfd/topology/nodes/%d/properties", sys, node))
            return;
        minor = property(buf_str(&text), "drm_render_minor");
        target = property(buf_str(&text), "gfx_target_version");
        /* A processor has no such number; of a device that we may not use it cannot be read, and
         * ROCm does not count it either. */
        if (!read_text(&text, "%s/class/kfd/kfd/topology/nodes/%d/gpu_id", sys, node) ||
            !str_to_u64(first_line(&text), &id) || !id)
            continue;
        g->index = index++;
        name_amd(sys, minor, target, g);
        if (read_text(&text, "%s/class/drm/renderD%u/device/mem_info_vram_total", sys,
                      (unsigned)minor) &&
            str_to_u64(first_line(&text), &memory) && memory <= INT64_MAX)
            g->memory = (int64_t)memory;
        out->n_gpus++;
        out->gpu_maker = GPU_AMD;
    }
}

void gpus_find(const char *sys, struct inventory *out)
{
    read_nvidia(out);
    if (!out->n_gpus)
        read_amd(sys, out);
}

/* --- who may open them --- */

static size_t add_group(const char *path, gid_t *out, size_t n, size_t max)
{
    struct stat st;

    if (stat(path, &st) != 0 || st.st_gid == 0 || n == max)
        return n;
    for (size_t i = 0; i < n; i++)
        if (out[i] == st.st_gid)
            return n;
    out[n] = st.st_gid;
    return n + 1;
}

size_t gpus_groups(const char *dev, gid_t *out, size_t max)
{
    char path[512];
    struct dirent *e;
    size_t n;
    DIR *d;

    snprintf(path, sizeof(path), "%s/kfd", dev);
    n = add_group(path, out, 0, max);
    snprintf(path, sizeof(path), "%s/dri", dev);
    d = opendir(path);
    while (d && (e = readdir(d))) {
        if (!str_starts(str_of(e->d_name), "render"))
            continue;
        snprintf(path, sizeof(path), "%s/dri/%.200s", dev, e->d_name);
        n = add_group(path, out, n, max);
    }
    if (d)
        closedir(d);
    return n;
}

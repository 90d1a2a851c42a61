/* SPDX-License-Identifier: Apache-2.0 */
/* Hardware: the SKUs that configuration offers, the machine's inventory, and who holds what. */
#pragma once

#include "base/json.h"

struct sku {
    const char *sku, *name;
    int64_t price_nano; /* per second and instance, in billionths of the unit of money */
    int64_t cpus_milli; /* 1000 is one cpu */
    int64_t memory;     /* bytes */
    int64_t gpus;
    const char *gpu_kind; /* NULL: any; else a word that must occur in the device's name, letter
                             case ignored */
    int64_t gpu_memory;   /* bytes each, 0: any */
    int64_t disk;         /* bytes that an instance may have written; 0: no limit */
    int64_t processes;    /* threads included; 0: no limit */
    int64_t open_files;   /* of each process; 0: no limit */
    bool is_process, is_docker; /* runtimes it offers; process alone when none is named */
};

/* Whether it offers the runtime of a version's kind: docker for an image, process for a folder. */
static inline bool sku_runs(const struct sku *s, bool is_image)
{
    return is_image ? s->is_docker : s->is_process;
}

enum { MAX_SKUS = 256, MAX_GPUS = 64 };

struct gpu {
    int index;
    char name[96];
    int64_t memory; /* 0: unknown */
};

/* Who made them decides how an instance is told which are its own. */
enum gpu_maker { GPU_NVIDIA, GPU_AMD };

struct inventory {
    int64_t cpus_milli, memory; /* of the machine, or of the cgroup the server lives in */
    enum gpu_maker gpu_maker;   /* of all of them */
    struct gpu gpus[MAX_GPUS];
    int n_gpus;
};

struct hardware {
    struct sku *skus;
    size_t n_skus;
    struct inventory machine;
    double cpu_overcommit, memory_overcommit; /* 4 and 2 */
    /* what is handed out */
    int64_t cpus_used, memory_used;
    uint64_t gpus_used; /* bit for each index into machine.gpus */
};

struct hold { /* what one instance has taken */
    int64_t cpus_milli, memory;
    uint64_t gpus; /* bits */
};

/* `list` is the `hardware` key of the configuration (may be NULL: cpu-small and cpu). Names the row
 * and key. */
enum status hardware_parse(struct arena *a, const struct json *list, struct hardware *out,
                           struct error *err) NODISCARD;
const struct sku *hardware_find(const struct hardware *h, struct str sku);
const struct sku *hardware_smallest(const struct hardware *h); /* by price, then memory */
/* "cpu, gpu-t4": for error texts. */
void hardware_names(const struct hardware *h, struct buf *out);

/* Takes what an instance of the SKU needs. BUSY says what is missing and how much there is ("needs
 * 1 GPU of kind T4; this machine has none", "needs 4 cpus; 8 of 8 are taken"). */
enum status hardware_take(struct hardware *h, const struct sku *s, struct hold *out,
                          struct error *err) NODISCARD;
/* How many more instances of it there is room for now; MAX_ROOM where it is no fewer. */
enum { MAX_ROOM = 1000 };
int hardware_room(const struct hardware *h, const struct sku *s);
/* What is missing for one more: cpus, memory, and, of the GPUs, those that would do and are taken
 * (all bits where there are none such); nothing of each that is not short. */
struct hold hardware_missing(const struct hardware *h, const struct sku *s);
/* Takes what one needs as far as it is there. */
void hardware_reserve(struct hardware *h, const struct sku *s);
void hardware_give(struct hardware *h, const struct hold *held);
/* Whether one could ever fit on the empty machine. */
bool hardware_possible(const struct hardware *h, const struct sku *s, struct error *err);
/* "0,2": indexes as the maker counts them; "" for none. */
void hold_gpu_indexes(const struct hardware *h, const struct hold *held, struct buf *out);
/* Takes exactly these again (after a restart). */
bool hardware_take_again(struct hardware *h, const struct sku *s, struct str gpu_indexes,
                         struct hold *out);

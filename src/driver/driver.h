/* SPDX-License-Identifier: Apache-2.0 */
/* Where an instance runs. The driver knows nothing of predictions; it starts a model server, says
 * where it can be reached, hands on what it prints, and ends it. */
#pragma once

#include "base/buf.h"
#include "base/status.h"
#include "core/hardware.h"
#include "core/version.h"
#include "loop/loop.h"

struct driver;
struct launch;

/* What to start. Everything is copied by driver_launch(). */
struct launch_spec {
    const char *id;           /* instance id, 26 characters */
    const char *version_path; /* absolute folder of the version, read-only */
    const char *env_path;     /* absolute folder of the Python environment; NULL: none */
    const struct version_config *config;
    const char *mode;         /* "predict" or "train" */
    const char *internal_url; /* "http://127.0.0.1:PORT/_i/<capability>" */
    const char *weights;      /* COG_WEIGHTS or NULL */
    bool upload;              /* its output files come by PUT <internal_url>/upload/<file name> */
    const struct sku *sku;
    const char *gpu_indexes; /* "0,1" or "" */
    enum gpu_maker gpu_maker;
    int64_t setup_timeout_ms;
    int64_t orphan_timeout_ms;
    int64_t max_log; /* bytes of its own log that are kept */
};

/* How an instance ended. */
struct exit_info {
    int code;           /* -1 when it was ended by a signal, or the end was not seen */
    int signal;         /* 0: none */
    bool out_of_memory; /* it was ended for passing its memory limit */
    int64_t ended_at;   /* wall ms; 0: not known */
    bool lost;      /* the driver no longer knows it (the machine restarted, the record is gone) */
    char text[200]; /* "ended by signal 9 (Killed)" */
};

struct launch_events {
    /* The instance has an address: "http://127.0.0.1:41234" and/or a unix socket path (NULL: none).
     * Once. */
    void (*address)(struct launch *l, const char *url, const char *unix_socket);
    /* The driver's own record has changed and must be stored before anything else depends on it
     * (JSON text). */
    void (*handle)(struct launch *l, struct str json);
    /* A line that the model server printed, without its newline. May be raw text or coglet's JSON.
     */
    void (*line)(struct launch *l, struct str line);
    /* The end. Comes exactly once for every launch, also when it never started (then err says why:
     * BUSY and UNREACHABLE are the driver's own trouble, anything else the model's). Afterwards the
     * launch is free. */
    void (*ended)(struct launch *l, const struct exit_info *how, const struct error *err);
};

struct launch {
    const struct launch_events *events;
    struct driver *driver;
    char id[32];
    void *impl; /* the driver's */
};

struct driver_facts {
    const char *name;     /* "process" */
    bool has_users;       /* each instance is a user of its own */
    bool hides_files;     /* an instance does not see the server's data, nor others' */
    bool hides_processes; /* nor their processes */
    bool has_networks;    /* each instance has a network of its own, without a way out */
    bool limits_memory;   /* by the kernel; otherwise the supervisor looks */
    bool limits_cpus;
    const char *missing[16]; /* what this machine cannot enforce, as sentences for the operator;
                                ends with NULL */
};

/* Every launch has ended or was released; the loop does not run (what is still being removed is
 * waited for). */
void driver_free(struct driver *d);
const struct driver_facts *driver_facts(const struct driver *d);
/* The base of the addresses at which its instances reach the server; NULL: the server's own
 * internal listener. */
const char *driver_internal_base(const struct driver *d);

/* Starts an instance. Never calls back before it returns. */
void driver_launch(struct driver *d, struct launch *l, const struct launch_spec *spec,
                   const struct launch_events *ev);
/* Finds an instance of an earlier server by its stored handle (which may be empty when that server
 * did not come to store one): address and lines come as for a launch, then its end, which may have
 * come meanwhile; or ended with lost set. The lines begin with the oldest that is still kept, so
 * that earlier ones are told again. */
void driver_recover(struct driver *d, struct launch *l, const char *id, struct str handle,
                    const struct launch_events *ev);
/* Ends it: SIGTERM now and SIGKILL for everything it started after grace_ms (0: at once). ended
 * follows. */
void driver_stop(struct launch *l, int64_t grace_ms);
/* Lets go of an instance for the next server: no event comes any more, the launch is free when this
 * returns. Harmless after its end. */
void driver_release(struct launch *l);
/* Removes what one prediction left behind on disk (input copies, output files). */
void driver_clean(struct launch *l, const char *prediction_id);
/* After a start, once every stored instance was asked for with driver_recover(): ends what else is
 * ours. */
void driver_sweep(struct driver *d);

/* SPDX-License-Identifier: Apache-2.0 */
/* The account, the hardware it may choose, and what the machine has. */
#include "api/api.h"
#include "api/cost.h"
#include "driver/docker/docker.h"
#include "run/capacity.h"
#include "run/scaling.h"

void account_show(struct http_request *r)
{
    struct buf body CLEANUP(buf_deinit) = BUF_INIT(16 * 1024);
    struct json_writer w;

    json_writer_init(&w, &body);
    show_account(&w, &account_of(r)->info);
    api_answer(r, 200, &body);
}

void hardware_list(struct http_request *r)
{
    struct buf body CLEANUP(buf_deinit) = BUF_INIT(256 * 1024);
    const struct hardware *h = api_of(r)->hardware;
    struct json_writer w;

    json_writer_init(&w, &body);
    json_begin_array(&w);
    for (size_t i = 0; i < h->n_skus; i++) {
        json_begin_object(&w);
        json_member_string(&w, "name", h->skus[i].name);
        json_member_string(&w, "sku", h->skus[i].sku);
        json_end_object(&w);
    }
    json_end_array(&w);
    api_answer(r, 200, &body);
}

void health_show(struct http_request *r)
{
    struct buf body CLEANUP(buf_deinit) = BUF_INIT(1024);
    struct json_writer w;

    json_writer_init(&w, &body);
    json_begin_object(&w);
    json_member_string(&w, "status", "ok");
    json_member_string(&w, "version", BERTH_VERSION);
    json_end_object(&w);
    api_answer(r, 200, &body);
}

static void show_machine(struct json_writer *w, const struct hardware *h)
{
    json_key(w, "machine");
    json_begin_object(w);
    json_member_double(w, "cpus", (double)h->machine.cpus_milli / 1000);
    json_member_int(w, "memory_bytes", h->machine.memory);
    json_key(w, "gpus");
    json_begin_array(w);
    for (int i = 0; i < h->machine.n_gpus; i++) {
        json_begin_object(w);
        json_member_int(w, "index", h->machine.gpus[i].index);
        json_member_string(w, "name", h->machine.gpus[i].name);
        json_member_int(w, "memory_bytes", h->machine.gpus[i].memory);
        json_member_bool(w, "taken", (h->gpus_used >> i) & 1);
        json_end_object(w);
    }
    json_end_array(w);
    json_member_double(w, "cpu_overcommit", h->cpu_overcommit);
    json_member_double(w, "memory_overcommit", h->memory_overcommit);
    json_member_double(w, "cpus_promised", (double)h->cpus_used / 1000);
    json_member_int(w, "memory_promised_bytes", h->memory_used);
    json_end_object(w);
}

/* Of other accounts only that it is another. */
static void show_holder(struct json_writer *w, struct http_request *r, const struct lane *l)
{
    const struct pool *p = l->pool;
    bool is_mine = p->owner_id && strcmp(p->owner_id, account_of(r)->info.id) == 0;

    json_member_string(w, "owner", is_mine ? p->owner : NULL);
    json_member_string(w, "name", is_mine ? p->name : NULL);
    json_member_string(w, "hardware", l->sku_name);
    json_member_int(w, "instances", (int64_t)list_length(&l->instances));
}

/* What it waits for and who has it; how much waits, since when, and with what weight. */
static void show_waiting(struct json_writer *w, struct http_request *r, const struct lane *l)
{
    bool lacks = capacity_is_lacking(l);
    struct lane **by = capacity_holders(l, r->arena);
    int64_t since = 0;

    if (l->line.n > 0)
        since = container_of(list_first(&l->queue), struct prediction, node)->row.created_at;
    json_member_string(w, "waits_for", lacks ? l->waits_for : NULL);
    json_member_int(w, "waiting_predictions", l->line.n);
    show_time(w, "waiting_since", since);
    json_member_int(w, "weight", scaling_weight(l->pool));
    json_key(w, "held_by");
    json_begin_array(w);
    for (size_t i = 0; lacks && by[i]; i++) {
        json_begin_object(w);
        show_holder(w, r, by[i]);
        json_end_object(w);
    }
    json_end_array(w);
}

/* Who holds and who waits. */
static void show_holders(struct json_writer *w, struct http_request *r)
{
    struct pool *p;

    json_key(w, "pools");
    json_begin_array(w);
    for (size_t at = 0; map_next(&api_of(r)->fleet->pools, &at, NULL, (void **)&p);) {
        struct lane *l;

        list_each (&p->lanes, l, struct lane, node) {
            if (list_empty(&l->instances) && !capacity_is_lacking(l))
                continue;
            json_begin_object(w);
            show_holder(w, r, l);
            show_waiting(w, r, l);
            json_end_object(w);
        }
    }
    json_end_array(w);
}

/* What there is to choose, and how many more instances of it would find room now. */
static void show_offers(struct json_writer *w, const struct hardware *h)
{
    json_key(w, "hardware");
    json_begin_array(w);
    for (size_t i = 0; i < h->n_skus; i++) {
        const struct sku *s = &h->skus[i];

        json_begin_object(w);
        json_member_string(w, "sku", s->sku);
        json_member_string(w, "name", s->name);
        show_amount(w, "price", ledger_price_of(s->price_nano, 1, 1000));
        show_amount(w, "price_per_hour", ledger_price_of(s->price_nano, 1, 3600000));
        json_member_double(w, "cpus", (double)s->cpus_milli / 1000);
        json_member_int(w, "memory_bytes", s->memory);
        json_member_int(w, "gpus", s->gpus);
        json_member_int(w, "gpu_memory_bytes", s->gpu_memory);
        json_key(w, "runtimes");
        json_begin_array(w);
        if (s->is_process)
            json_stringz(w, "process");
        if (s->is_docker)
            json_stringz(w, "docker");
        json_end_array(w);
        json_member_int(w, "available", hardware_room(h, s));
        json_end_object(w);
    }
    json_end_array(w);
}

static void show_isolation(struct json_writer *w, const struct driver_facts *f)
{
    json_key(w, "isolation");
    json_begin_object(w);
    json_member_bool(w, "own_user", f->has_users);
    json_member_bool(w, "files_hidden", f->hides_files);
    json_member_bool(w, "processes_hidden", f->hides_processes);
    json_member_bool(w, "own_network", f->has_networks);
    json_member_bool(w, "memory_limited", f->limits_memory);
    json_member_bool(w, "cpus_limited", f->limits_cpus);
    json_end_object(w);
    json_key(w, "not_enforced");
    json_begin_array(w);
    for (size_t i = 0; i < ARRAY_SIZE(f->missing) && f->missing[i]; i++)
        json_stringz(w, f->missing[i]);
    json_end_array(w);
}

/* Where versions that are images run; null: this server has none. */
static void show_engine(struct json_writer *w, const struct driver *d)
{
    struct docker_engine found;

    json_key(w, "container_engine");
    if (!d) {
        json_null(w);
        return;
    }
    docker_driver_engine(d, &found);
    json_begin_object(w);
    json_member_bool(w, "is_ready", found.is_ready);
    json_member_string(w, "version", found.version[0] ? found.version : NULL);
    json_member_string(w, "problem", found.problem);
    show_isolation(w, driver_facts(d));
    json_end_object(w);
}

void capacity_show(struct http_request *r)
{
    struct buf body CLEANUP(buf_deinit) = BUF_INIT(4 * 1024 * 1024);
    struct api *a = api_of(r);
    struct json_writer w;

    json_writer_init(&w, &body);
    json_begin_object(&w);
    show_machine(&w, a->hardware);
    show_holders(&w, r);
    show_offers(&w, a->hardware);
    json_key(&w, "disk");
    json_begin_object(&w);
    (void)disk_is_low(a->disk); /* the next one knows better */
    json_member_int(&w, "free_bytes", a->disk->free);
    json_member_int(&w, "reserve_bytes", a->disk->reserve);
    json_member_bool(&w, "is_low", a->disk->is_low);
    json_end_object(&w);
    show_isolation(&w, driver_facts(a->fleet->driver));
    show_engine(&w, a->fleet->images);
    json_end_object(&w);
    api_answer(r, 200, &body);
}

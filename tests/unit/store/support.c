/* SPDX-License-Identifier: Apache-2.0 */
#include "support.h"

#include "base/mem.h"

#include <stdlib.h>
#include <unistd.h>

static const char *const NAMES[] = { "", "alice", "bob", "acme" };

void op_cleanup(void *op)
{
    store_op_deinit(op);
}

static void open_store(struct fixture *f)
{
    struct error err;

    if (store_open(f->loop, f->path, &f->store, &err) != STATUS_OK)
        fail_msg("store_open: %s", err.text);
}

int memory_setup(void **state)
{
    struct fixture *f = xnew(struct fixture);

    f->loop = loop_new_virtual(1000, 1);
    (void)snprintf(f->path, sizeof(f->path), ":memory:");
    open_store(f);
    *state = f;
    return 0;
}

int file_setup(void **state)
{
    struct fixture *f = xnew(struct fixture);
    const char *tmp = getenv("TMPDIR");

    f->loop = loop_new_real();
    (void)snprintf(f->dir, sizeof(f->dir), "%s/store-test-XXXXXX", tmp && *tmp ? tmp : "/tmp");
    if (!mkdtemp(f->dir))
        return -1;
    (void)snprintf(f->path, sizeof(f->path), "%s/berth.db", f->dir);
    open_store(f);
    *state = f;
    return 0;
}

int store_teardown(void **state)
{
    static const char *const ends[] = { "", "-wal", "-shm" };
    struct fixture *f = *state;

    store_close(f->store);
    loop_free(f->loop);
    for (size_t i = 0; i < ARRAY_SIZE(ends) && f->dir[0]; i++) {
        char name[160];

        (void)snprintf(name, sizeof(name), "%s%s", f->path, ends[i]);
        (void)unlink(name);
    }
    if (f->dir[0])
        (void)rmdir(f->dir);
    mem_free(&f);
    return 0;
}

void fixture_reopen(struct fixture *f)
{
    store_close(f->store);
    f->store = NULL;
    open_store(f);
}

const char *an_id(char kind, int n)
{
    static char ring[1024][32];
    static unsigned at;
    char *id = ring[at++ % ARRAY_SIZE(ring)];

    (void)snprintf(id, sizeof(ring[0]), "01%08d000000000000000%c", n, kind);
    return id;
}

const char *a_hash(int n)
{
    static char ring[64][72];
    static unsigned at;
    char *hash = ring[at++ % ARRAY_SIZE(ring)];

    (void)snprintf(hash, sizeof(ring[0]), "%064x", (unsigned)n);
    return hash;
}

void seed_accounts(struct fixture *f)
{
    for (int i = 1; i <= 3; i++) {
        OP(store_account_create, create);

        create.in = (struct account){ .id = an_id('a', i),
                                      .type = i == 3 ? ACCOUNT_ORGANIZATION : ACCOUNT_USER,
                                      .username = NAMES[i],
                                      .name = NAMES[i],
                                      .created_at = i };
        create.webhook_secret = "whsec_x";
        assert_run(f, create, STORE_ACCOUNT_CREATE, STATUS_OK);
    }
}

void add_model(struct fixture *f, int n, int owner, const char *name, bool is_public,
               int64_t created_at)
{
    OP(store_model_create, create);

    create.in = (struct model_row){ .id = an_id('m', n),
                                    .owner_id = an_id('a', owner),
                                    .name = name,
                                    .is_public = is_public,
                                    .hardware = "cpu",
                                    .created_at = created_at };
    assert_run(f, create, STORE_MODEL_CREATE, STATUS_OK);
}

void add_version(struct fixture *f, int seq, int model, int hash)
{
    OP(store_version_create, create);
    char path[128];

    (void)snprintf(path, sizeof(path), "versions/%s", a_hash(hash));
    create.in = (struct version_row){ .seq = an_id('v', seq),
                                      .id = a_hash(hash),
                                      .model_id = an_id('m', model),
                                      .cog_version = "0.23.1",
                                      .kind = "folder",
                                      .schema = STR("{\"openapi\":\"3.0.2\"}"),
                                      .config = STR("{}"),
                                      .path = path,
                                      .created_at = seq * 1000 };
    assert_run(f, create, STORE_VERSION_CREATE, STATUS_OK);
    assert_false(create.existed);
}

void seed_models(struct fixture *f)
{
    seed_accounts(f);
    add_model(f, 1, 1, "pub", true, 1000);
    add_model(f, 2, 1, "priv", false, 2000);
    add_model(f, 3, 2, "pub", true, 3000);
    add_version(f, 1, 1, 1);
    add_version(f, 2, 1, 2);
    add_version(f, 3, 2, 1);
    add_version(f, 4, 3, 1);
}

void seed_deployment(struct fixture *f)
{
    OP(store_deployment_create, create);

    seed_models(f);
    create.in = (struct deployment_row){ .id = an_id('d', 1),
                                         .owner_id = an_id('a', 1),
                                         .name = "dep",
                                         .created_at = 5000,
                                         .settings = "{}" };
    create.in.release = (struct release_row){ .model_owner = "alice",
                                              .model_name = "pub",
                                              .version = a_hash(1),
                                              .hardware = "cpu",
                                              .max_instances = 5,
                                              .created_at = 5000,
                                              .created_by = { .id = an_id('a', 1) } };
    assert_run(f, create, STORE_DEPLOYMENT_CREATE, STATUS_OK);
}

void add_priced_instance(struct fixture *f, int n, const char *pool, const char *owner)
{
    OP(store_instance_create, op,
       .in = { .id = an_id('x', n),
               .pool_id = pool,
               .version_id = a_hash(1),
               .version_model_id = an_id('m', 1),
               .hardware = "cpu",
               .driver = "fake",
               .capability = "c",
               .created_at = 5,
               .release = 1,
               .price_nano = 7 },
       .account_id = owner, .pool_name = "dep");

    assert_run(f, op, STORE_INSTANCE_CREATE, STATUS_OK);
}

struct prediction_row a_prediction(int n, int account, bool deployment, int model)
{
    return (struct prediction_row){ .id = an_id('p', n),
                                    .account_id = an_id('a', account),
                                    .deployment_id = deployment ? an_id('d', 1) : NULL,
                                    .deployment = deployment ? "dep" : NULL,
                                    .release = deployment ? 1 : 0,
                                    .model_id = an_id('m', model),
                                    .version = a_hash(1),
                                    .source = "api",
                                    .input = STR("{\"text\":\"hi\"}"),
                                    .predict_time = -1,
                                    .created_at = n * 1000,
                                    .base_url = "http://localhost:8080" };
}

void add_prediction(struct fixture *f, int n, int account, bool deployment, int model)
{
    OP(store_prediction_create, create);

    create.in = a_prediction(n, account, deployment, model);
    assert_run(f, create, STORE_PREDICTION_CREATE, STATUS_OK);
}

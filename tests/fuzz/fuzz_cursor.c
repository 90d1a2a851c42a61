/* SPDX-License-Identifier: Apache-2.0 */
/* The cursors of pages: what the API lets through is a place for the store, however odd, or is
 * refused; and a page lies on the right side of it. */
#include "fuzz.h"

#include "../unit/store/support.h"
#include "api/api.h"

#include <stdlib.h>

enum { N_MODELS = 30, PAGE = 10 };

static struct fixture *fixture;

static void start(void)
{
    void *state = NULL;

    FUZZ_CHECK(memory_setup(&state) == 0);
    fixture = state;
    seed_deployment(fixture);
    for (int i = 10; i < 10 + N_MODELS; i++) {
        char name[16];

        snprintf(name, sizeof(name), "m%d", i);
        add_model(fixture, i, 1, name, true, 1000 + i);
    }
}

static void stop(void)
{
    void *state = fixture;

    store_teardown(&state);
}

static void check_status(enum status s, const struct store_op *op)
{
    FUZZ_CHECK(s == STATUS_OK || s == STATUS_INVALID || s == STATUS_NOT_FOUND, "%s",
               op->error.text);
}

static void list_models(const struct page_query *page)
{
    struct store_model_list op = { .page = *page };
    enum status s = store_run(fixture->store, &op.op, &STORE_MODEL_LIST);

    check_status(s, &op.op);
    FUZZ_CHECK(op.n <= PAGE);
    store_op_deinit(&op.op);
}

static void list_predictions(const struct page_query *page)
{
    struct store_prediction_list op = { .page = *page,
                                        .account_id = an_id('a', 1),
                                        .max_bytes = 1000 };
    enum status s = store_run(fixture->store, &op.op, &STORE_PREDICTION_LIST);

    check_status(s, &op.op);
    FUZZ_CHECK(op.n == 0);
    store_op_deinit(&op.op);
}

static void list_deployments(const struct page_query *page)
{
    struct store_deployment_list op = { .page = *page, .owner_id = an_id('a', 1) };
    enum status s = store_run(fixture->store, &op.op, &STORE_DEPLOYMENT_LIST);

    check_status(s, &op.op);
    FUZZ_CHECK(op.n <= 1);
    store_op_deinit(&op.op);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct store_op keeper = { 0 };
    struct page_query page;

    if (!fixture) {
        start();
        atexit(stop);
    }
    if (page_cursor(fuzz_text(p, n), &keeper, PAGE, &page)) {
        FUZZ_CHECK(!(page.after && page.before) && page.limit == PAGE);
        list_models(&page);
        list_predictions(&page);
        list_deployments(&page);
    }
    store_op_deinit(&keeper);
    return 0;
}

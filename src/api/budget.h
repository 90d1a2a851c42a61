/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "http/server.h"

void deployment_budget_show(struct http_request *r);
void deployment_budget_put(struct http_request *r);
void deployment_budget_remove(struct http_request *r);
void account_budget_show(struct http_request *r);
void account_budget_put(struct http_request *r);
void account_budget_remove(struct http_request *r);
void deployment_estimate(struct http_request *r);

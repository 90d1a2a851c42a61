// SPDX-License-Identifier: Apache-2.0
import { Page } from '../ui/page';

export function DeploymentsPage() {
    return <Page title="Deployments">{null}</Page>;
}

// SPDX-License-Identifier: Apache-2.0
import { Page } from '../ui/page';

export function ModelPage() {
    return <Page title="Model">{null}</Page>;
}

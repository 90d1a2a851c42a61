// SPDX-License-Identifier: Apache-2.0
import { Page } from '../ui/page';

export function ModelsPage() {
    return <Page title="Models">{null}</Page>;
}

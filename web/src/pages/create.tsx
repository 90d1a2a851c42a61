// SPDX-License-Identifier: Apache-2.0
import { Page } from '../ui/page';

export function CreatePage() {
    return <Page title="Create">{null}</Page>;
}

// SPDX-License-Identifier: Apache-2.0
import { Page } from '../ui/page';

export function AccountPage() {
    return <Page title="Account">{null}</Page>;
}

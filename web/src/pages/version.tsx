// SPDX-License-Identifier: Apache-2.0
import { Page } from '../ui/page';

export function VersionPage() {
    return <Page title="Version">{null}</Page>;
}

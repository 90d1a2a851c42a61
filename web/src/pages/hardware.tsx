// SPDX-License-Identifier: Apache-2.0
import { Page } from '../ui/page';

export function HardwarePage() {
    return <Page title="Hardware">{null}</Page>;
}

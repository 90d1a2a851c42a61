// SPDX-License-Identifier: Apache-2.0
import { Page } from '../ui/page';

export default function DeploymentPage({ owner, name }: { owner: string; name: string; tab?: string }) {
    return <Page title={`${owner}/${name}`}>{null}</Page>;
}

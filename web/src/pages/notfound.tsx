// SPDX-License-Identifier: Apache-2.0
import { Button } from '../ui/button';
import { Page } from '../ui/page';

export function NotFoundPage({ what = 'This page' }: { what?: string }) {
    return (
        <Page title="Not found">
            <p>{what} is not here. It may have been deleted, belong to another account, or the address has a mistake.</p>
            <div class="actions">
                <Button kind="primary" href="/deployments">Go to your deployments</Button>
                <Button href="/models">Browse models</Button>
            </div>
        </Page>
    );
}

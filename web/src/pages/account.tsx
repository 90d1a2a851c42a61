// SPDX-License-Identifier: Apache-2.0
// The chosen account: what it spends and may spend, its tokens, its webhooks' key, and the accounts
// that are signed in here.
import { Accounts } from '../account/accounts';
import { BudgetCard } from '../account/budget';
import { Tokens } from '../account/tokens';
import { Usage } from '../account/usage';
import { WebhookSecret } from '../account/webhook';
import { account } from '../session';
import { useStore } from '../store';
import { Page } from '../ui/page';

export function AccountPage() {
    const owner = useStore(account);

    return (
        <Page title="Account" heading={<>Account <code>{owner}</code></>}>
            <div class="columns even">
                <div class="stack">
                    <Usage />
                    <Tokens />
                </div>
                <div class="stack">
                    <BudgetCard address="/v1/account/budget" of={`all that ${owner} runs`} />
                    <WebhookSecret />
                    <Accounts />
                </div>
            </div>
        </Page>
    );
}

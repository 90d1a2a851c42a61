// SPDX-License-Identifier: Apache-2.0
// The network is cut: the page says so, keeps what it shows, and goes on when it is back.
import { NOBODY, REFUSED, open, settled, shot, signIn, world } from './browser.mjs';

const { page, context, done } = await open();

await signIn(page, `/deployments/acme/${world.deployment}`);
await settled(page);
await context.setOffline(true);
await page.getByText('The server cannot be reached').first().waitFor();
await page.getByRole('heading', { level: 1 }).first().waitFor();
await shot(page, 'network-cut');
await context.setOffline(false);
await page.getByText('The server cannot be reached').first().waitFor({ state: 'detached' });
await page.getByLabel(/^text/i).fill('again');
await page.getByRole('button', { name: 'Run', exact: true }).click();
await page.getByText('hello there, again').first().waitFor();
await done(NOBODY, REFUSED, /ERR_INTERNET_DISCONNECTED|ERR_NETWORK/);

// SPDX-License-Identifier: Apache-2.0
// What must not wait until the page's own code is there. It runs before anything is drawn: the theme that was chosen,
// or the page flashes in the other one; and the first questions, which go out while the code comes. Imports nothing.
(() => {
    const kept = (key: string): string | null => {
        try {
            return localStorage.getItem(key);
        } catch {
            return null; // a browser that keeps nothing
        }
    };
    const early = new Map<string, Promise<Response>>();
    const theme = kept('berth-theme');
    const account = kept('berth-account'); // of whoever has signed in here before
    const ask = (address: string, headers: Record<string, string> = {}) => {
        const asked = fetch(address, { credentials: 'same-origin', headers: { Accept: 'application/json', ...headers } });
        asked.catch(() => undefined); // who takes it hears of it
        early.set(`${headers['Berth-Account'] ?? ''} ${address}`, asked);
    };

    if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme;
    (window as { berthEarly?: typeof early }).berthEarly = early;
    ask('/session');
    if (!account) return;
    const data = (address: string) => ask(address, { 'Berth-Account': account });
    const decoded = (text: string): string => {
        try {
            return decodeURIComponent(text);
        } catch {
            return text; // no page has that address
        }
    };
    const [first, owner, name, tab] = location.pathname.split('/').slice(1);

    if (!first || (first === 'deployments' && !owner)) data('/v1/deployments/overview');
    if (first !== 'deployments' || !owner || !name) return;
    // The code of the deployment's page is a part of its own.
    const link = document.createElement('link');
    link.rel = 'modulepreload';
    link.href = (document.currentScript as HTMLScriptElement).dataset.deployment!;
    document.head.append(link);
    data(`/v1/deployments/${owner}/${name}`);
    if (tab === 'predictions' && !location.search) data(`/v1/predictions?deployment=${encodeURIComponent(`${decoded(owner)}/${decoded(name)}`)}`);
})();

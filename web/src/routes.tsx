// SPDX-License-Identifier: Apache-2.0
// Which page lives where: the one table. The first pattern that fits wins.
import type { ComponentType } from 'preact';
import { lazy } from './lazy';
import { matchPath, type Params } from './router';
import { AccountPage } from './pages/account';
import { CreatePage } from './pages/create';
import { DeploymentsPage } from './pages/deployments';
import { HardwarePage } from './pages/hardware';
import { ModelPage } from './pages/model';
import { ModelsPage } from './pages/models';
import { VersionPage } from './pages/version';

interface Route {
    pattern: string;
    page: ComponentType<any>; // gets the parameters of its pattern
    owned?: boolean; // only its owner sees it
    section?: string; // the entry of the navigation that it belongs to
}

const ROUTES: readonly Route[] = [
    { pattern: '/', page: DeploymentsPage, section: '/deployments' },
    { pattern: '/deployments', page: DeploymentsPage, section: '/deployments' },
    { pattern: '/deployments/create', page: CreatePage, section: '/deployments' },
    { pattern: '/deployments/:owner/:name/:tab?', page: lazy(() => import('./deployment/page')), owned: true, section: '/deployments' },
    { pattern: '/models', page: ModelsPage, section: '/models' },
    { pattern: '/hardware', page: HardwarePage, section: '/hardware' },
    { pattern: '/account', page: AccountPage, section: '/account' },
    { pattern: '/p/:id', page: lazy(() => import('./pages/prediction')) },
    { pattern: '/:owner/:name', page: ModelPage, section: '/models' },
    { pattern: '/:owner/:name/versions/:id', page: VersionPage, section: '/models' },
];

export function findRoute(path: string): { route: Route; params: Params } | null {
    for (const route of ROUTES) {
        const params = matchPath(route.pattern, path);
        if (params) return { route, params };
    }
    return null;
}

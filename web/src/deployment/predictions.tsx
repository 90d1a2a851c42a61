// SPDX-License-Identifier: Apache-2.0
// The predictions of one deployment, newest first.
import { ownAddress, type Page } from '../api';
import { Loaded, useQuery } from '../query';
import { navigate, path, useLocation, withQuery } from '../router';
import type { Prediction } from '../types';
import { Button } from '../ui/button';
import { Empty } from '../ui/states';
import { Pager, Table } from '../ui/table';
import { Duration, Money, StateBadge, Time } from '../ui/text';
import type { TabProps } from './page';

function inputText(p: Prediction): string {
    if (p.data_removed || !p.input) return 'erased';
    const text = Object.entries(p.input).map(([k, v]) => `${k}: ${typeof v === 'string' ? v : JSON.stringify(v)}`).join(', ');
    return text.length > 90 ? `${text.slice(0, 90)}…` : text;
}

export function PredictionsTab({ deployment: d }: TabProps) {
    const full = `${d.owner}/${d.name}`;
    const here = `${path`/deployments/${d.owner}/${d.name}`}/predictions`;
    const { query } = useLocation();
    const cursor = query.get('cursor');
    const list = useQuery<Page<Prediction>>(withQuery('/v1/predictions', { deployment: full, cursor }), {
        live: ['prediction', 'predictions'],
        about: (e) => e.data.deployment === undefined || e.data.deployment === full,
        gather: 1000, // ms: a page of the list is large, and a busy deployment has events all the time
    });
    const go = (address: string) => {
        const next = new URLSearchParams(ownAddress(address).split('?')[1] ?? '').get('cursor');
        navigate(withQuery(here, { cursor: next }));
    };

    return (
        <Loaded query={list} what="the predictions">
            {(page) => page.results.length === 0 && !cursor ? (
                <Empty title="No predictions yet" action={<Button kind="primary" href={path`/deployments/${d.owner}/${d.name}`}>Run the first one</Button>}>
                    <p>Each run of this deployment, from here or from a program, is listed with its state, its time and its cost.</p>
                </Empty>
            ) : (
                <div class="stack">
                    <Table caption="Predictions" rows={page.results} keyOf={(p) => p.id}
                        columns={[
                            { title: 'Prediction', head: true, cell: (p) => <a href={path`/p/${p.id}`}><code>{p.id}</code></a> },
                            { title: 'State', cell: (p) => <StateBadge state={p.status} /> },
                            { title: 'Input', wide: true, cell: (p) => <span class="clip muted">{inputText(p)}</span> },
                            { title: 'Source', cell: (p) => p.source },
                            { title: 'Ran for', align: 'right', cell: (p) => <Duration seconds={p.metrics.predict_time} /> },
                            { title: 'Cost', align: 'right', cell: (p) => <Money value={p.cost} /> },
                            { title: 'Created', align: 'right', cell: (p) => <Time at={p.created_at} /> },
                        ]} />
                    <Pager previous={page.previous} next={page.next} onGo={go} />
                </div>
            )}
        </Loaded>
    );
}

// SPDX-License-Identifier: Apache-2.0
// The models that one may see: all, or what a search finds.
import { useEffect, useState } from 'preact/hooks';
import type { Page as Results } from '../api';
import { plural } from '../format/number';
import { PushInstructions } from '../parts/push';
import { Loaded, useQuery } from '../query';
import { navigate, path, useLocation, withQuery } from '../router';
import { account } from '../session';
import { useStore } from '../store';
import type { Model } from '../types';
import { TextField } from '../ui/field';
import { Card, Page } from '../ui/page';
import { Empty } from '../ui/states';
import { Pager } from '../ui/table';
import { Badge, Time } from '../ui/text';

const LIST = '/v1/models';
const PAUSE = 200; // ms without a key before it is searched

interface Found {
    models: { model: Model }[];
}

export function ModelsPage() {
    const { query } = useLocation();
    const words = query.get('q') ?? '';
    const [typed, setTyped] = useState(words);
    const [address, setAddress] = useState(LIST);
    const owner = useStore(account);
    const all = useQuery<Results<Model>>(words ? null : address, { live: 'build', gather: 1000 });
    const found = useQuery<Found>(words ? withQuery('/v1/search', { query: words, limit: 50 }) : null);

    // What is searched for is part of the address, so that it can be shared.
    useEffect(() => {
        if (typed.trim() === words) return;
        const timer = setTimeout(() => navigate(withQuery('/models', { q: typed.trim() }), { replace: true }), PAUSE);
        return () => clearTimeout(timer);
    }, [typed, words]);

    return (
        <Page title="Models" note="What can be deployed: public models, and your own.">
            <div class="search">
                <TextField label="Search models" type="search" value={typed} onInput={setTyped} placeholder="Words of the name or the description" />
            </div>
            {words
                ? (
                    <Loaded query={found} what="what was found">
                        {({ models }) => models.length > 0
                            ? <Grid of={models.map((m) => m.model)} />
                            : <Empty title="No models found"><p>No model has all of the words “{words}”.</p></Empty>}
                    </Loaded>
                )
                : (
                    <Loaded query={all} what="the models">
                        {({ results, next, previous }) => results.length > 0 || previous
                            ? <><Grid of={results} /><Pager previous={previous} next={next} onGo={setAddress} /></>
                            : <Empty title="No models yet"><p>Push the first one; the examples that come with Berth are a good beginning.</p></Empty>}
                    </Loaded>
                )}
            <Card title="Push a model"><PushInstructions model={`${owner ?? 'you'}/my-model`} /></Card>
        </Page>
    );
}

function Grid({ of: models }: { of: Model[] }) {
    return (
        <ul class="grid">
            {models.map((m) => (
                <li key={m.url} class="card model">
                    <h2>
                        <a href={path`/${m.owner}/${m.name}`}><span class="muted">{m.owner}/</span>{m.name}</a>
                        {m.visibility === 'private' && <Badge>private</Badge>}
                    </h2>
                    <p class="muted">{m.description || 'No description.'}</p>
                    <p class="sub">
                        {plural(m.run_count, 'run')} · {m.latest_version ? <>pushed <Time at={m.latest_version.created_at} /></> : 'no version yet'}
                    </p>
                </li>
            ))}
        </ul>
    );
}

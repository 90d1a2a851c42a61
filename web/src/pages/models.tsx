// SPDX-License-Identifier: Apache-2.0
// The models that one may see: all, or what a search finds.
import { useEffect, useState } from 'preact/hooks';
import { plural } from '../format/number';
import { useModels } from '../parts/pages';
import { PushInstructions } from '../parts/push';
import { Loaded } from '../query';
import { navigate, path, useLocation, withQuery } from '../router';
import { account } from '../session';
import { useStore } from '../store';
import type { Model } from '../types';
import { Button } from '../ui/button';
import { TextField } from '../ui/field';
import { Card, Page } from '../ui/page';
import { Empty, Failure } from '../ui/states';
import { Badge, Time } from '../ui/text';

const PAUSE = 200; // ms without a key before it is searched

export function ModelsPage() {
    const { query } = useLocation();
    const words = query.get('q') ?? '';
    const [typed, setTyped] = useState(words);
    const owner = useStore(account);
    const { first, all, more, busy, error } = useModels(words, { live: 'build', gather: 1000 });

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
            <Loaded query={first} what="the models">
                {({ results }) => results.length > 0
                    ? <Grid of={all ?? results} />
                    : words
                        ? <Empty title="No models found"><p>No model has all of the words “{words}”.</p></Empty>
                        : <Empty title="No models yet"><p>Push the first one; the examples that come with Berth are a good beginning.</p></Empty>}
            </Loaded>
            {error && error !== first.error && <Failure error={error} what="more models" />}
            {more && <div class="actions"><Button busy={busy} onClick={more}>Show more models</Button></div>}
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

// SPDX-License-Identifier: Apache-2.0
// A canary beside the release that it belongs to: how it does, why it ended, and both ends by hand.
import { useState } from 'preact/hooks';
import { post } from '../api';
import { useQuery } from '../query';
import type { Canary, CanaryTerms, Deployment } from '../types';
import { Button } from '../ui/button';
import { Confirm } from '../ui/dialog';
import { Badge, StateBadge, Time } from '../ui/text';
import { say } from '../ui/toast';
import { Table } from '../ui/table';
import { figuresOf, isOn, sentenceOf, USUAL, type Figure } from './canary';
import type { TabProps } from './page';

const GATHER = 1000; // ms: what it counts grows with each prediction

// What it counts is in the deployment, and no event tells of it but those of predictions.
export function useCanary({ deployment: d, address }: TabProps): { canary: Canary | undefined; terms: CanaryTerms; take: (d: Deployment) => void } {
    const full = `${d.owner}/${d.name}`;
    const query = useQuery<Deployment>(isOn(d.canary) ? address : null, {
        live: ['prediction', 'predictions', 'deployment', 'release'],
        about: (e) => e.type === 'predictions' || e.data.deployment === full || (e.data.owner === d.owner && e.data.name === d.name),
        gather: GATHER,
    });
    // The page's own answer is the newer one where it says that the canary has ended.
    const now = isOn(d.canary) ? (query.data ?? d) : d;
    return { canary: now.canary, terms: now.rollout?.canary ?? USUAL, take: query.set };
}

function When({ canary: c }: { canary: Canary }) {
    if (c.state === 'on') return <>It began <Time at={c.began_at} /> and takes over <Time at={c.until} />, unless it is halted.</>;
    if (c.ended_at) return <>It ended <Time at={c.ended_at} />.</>;
    return null;
}

function Figures({ canary: c, terms }: { canary: Canary; terms: CanaryTerms }) {
    return (
        <Table<Figure> caption="The new release beside the old one" rows={figuresOf(c, terms)} keyOf={(f) => f.what} columns={[
            { title: 'What', head: true, cell: (f) => f.what },
            { title: `Release ${c.release}`, cell: (f) => <span class={f.wrong ? 'bad-text' : undefined}>{f.fresh}</span> },
            { title: `Release ${c.beside}`, cell: (f) => f.old },
            ...(isOn(c) ? [{ title: 'Rule', wide: true, cell: (f: Figure) => <span class="muted">{f.rule}</span> }] : []),
        ]} />
    );
}

// Both ends by hand, each asked for first.
export function EndByHand({ address, what, release, promotes, halts, onEnded }: {
    address: string;
    what: 'canary' | 'shadow';
    release: number;
    promotes: string; // what that does
    halts: string;
    onEnded: (after: Deployment) => void;
}) {
    const [asked, setAsked] = useState<'promote' | 'halt'>();
    const end = async (how: 'promote' | 'halt') => {
        const after = await post<Deployment>(`${address}/${how}`);
        setAsked(undefined);
        onEnded(after);
        say(how === 'promote' ? `Release ${release} takes over.` : `Release ${release} is halted.`);
    };
    return (
        <div class="actions">
            <Button small onClick={() => setAsked('promote')} label={`Promote release ${release}`}>Promote</Button>
            <Button small kind="danger" onClick={() => setAsked('halt')} label={`Halt the ${what} of release ${release}`}>Halt</Button>
            {asked && (
                <Confirm title={`${asked === 'halt' ? 'Halt' : 'Promote'} release ${release}?`} action={asked === 'halt' ? 'Halt' : 'Promote'}
                    danger={asked === 'halt'} onConfirm={() => end(asked)} onClose={() => setAsked(undefined)}>
                    <p>{asked === 'halt' ? halts : promotes}</p>
                </Confirm>
            )}
        </div>
    );
}

export function CanaryOf(props: TabProps) {
    const { address, onChanged } = props;
    const { canary: c, terms, take } = useCanary(props);

    if (!c) return null;
    const onEnded = (after: Deployment) => {
        take(after);
        onChanged(after);
    };
    return (
        <section class="canary" aria-label={`Canary of release ${c.release}`}>
            <header>
                <h3>Canary</h3> <StateBadge state={c.state} />
                {isOn(c) && (
                    <EndByHand address={address} what="canary" release={c.release} onEnded={onEnded}
                        promotes={`It has all new predictions from now on, whatever was counted. What release ${c.beside} runs ends there.`}
                        halts={`It is marked as failed and takes nothing new; what it runs ends there. Release ${c.beside} has all predictions again.`} />
                )}
            </header>
            <p>{sentenceOf(c, terms)} <When canary={c} /></p>
            {c.why && <p class={c.state === 'halted' ? 'failure' : undefined}>{c.why}</p>}
            {(c.state !== 'setting up' || c.new.requests > 0) && <Figures canary={c} terms={terms} />}
        </section>
    );
}

export function CurrentBadge({ deployment: d, number, leading }: { deployment: Deployment; number: number; leading: number }) {
    if (number === d.current_release.number) return <Badge tone="calm">current</Badge>;
    return number === leading ? <Badge tone="calm">{isOn(d.canary) ? 'has the others' : 'serves'}</Badge> : null;
}

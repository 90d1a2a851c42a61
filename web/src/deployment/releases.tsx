// SPDX-License-Identifier: Apache-2.0
// All releases, newest first: who made each, what it changed, whether it came to be ready.
import { useState } from 'preact/hooks';
import { post } from '../api';
import { Loaded, useQuery, type Query } from '../query';
import type { Deployment, ShadowReport } from '../types';
import { Button } from '../ui/button';
import { Confirm } from '../ui/dialog';
import { Failure, Loading } from '../ui/states';
import { StateBadge, Time, VersionId } from '../ui/text';
import { say } from '../ui/toast';
import { leadingRelease } from './canary';
import { CanaryOf, CurrentBadge } from './canary_view';
import { InstanceLog } from './logs';
import type { TabProps } from './page';
import { changesOf } from './release_diff';
import { ShadowOf, useShadow } from './shadow_view';
import type { Instances, ReleaseRow } from './types';

// A failure ends with the end of its setup log, which stands below as it is.
export function firstLine(text: string): string {
    return text.split('\n', 1)[0] ?? text;
}

// The log of the boot that failed last, of those that are still known.
function FailedLog({ address, row }: { address: string; row: ReleaseRow }) {
    const list = useQuery<Instances>(`${address}/instances`);
    const boots = (list.data?.ended ?? []).filter((i) => !i.ready_at && i.version === row.release.version
        && i.hardware === row.release.configuration.hardware && i.created_at >= row.release.created_at);
    const last = boots.sort((a, b) => b.created_at.localeCompare(a.created_at))[0];

    if (!list.data) return list.error ? <Failure error={list.error} what="the instances" retry={list.reload} /> : <Loading what="the setup log" />;
    if (!last) return <p class="faint">The instance that failed is no longer known; only the last ones are kept.</p>;
    return <InstanceLog address={address} instance={last} />;
}

function Release({ row, before, shadow, onBack, ...props }: TabProps & {
    row: ReleaseRow;
    shadow: Query<ShadowReport>;
    before: ReleaseRow | undefined;
    onBack: () => void;
}) {
    const { deployment: d, address } = props;
    const current = row.release.number === d.current_release.number;
    const hasCanary = d.canary?.release === row.release.number;
    const why = hasCanary ? d.canary?.why : d.shadow?.release === row.release.number ? d.shadow.why : null;
    const [open, setOpen] = useState(current && row.state === 'failed' && !hasCanary && !why);
    const { release: r } = row;
    const changes = changesOf(r, before?.release);

    return (
        <li class="card release">
            <header>
                <h2>Release {r.number}</h2>
                <StateBadge state={row.state} />
                <CurrentBadge deployment={d} number={r.number} leading={leadingRelease(d)} />
                <span class="muted">by {r.created_by.username}, <Time at={r.created_at} /></span>
                {!current && <div class="actions"><Button small onClick={onBack} label={`Roll back to release ${r.number}`}>Roll back</Button></div>}
            </header>
            <ul class="changes">
                {changes.map((c) => (
                    <li key={c.what}>{c.what} <s class="muted">{c.from}</s> <span aria-hidden="true">→</span><span class="visually-hidden"> became </span> <strong>{c.to}</strong></li>
                ))}
                {changes.length === 0 && <li class="muted">{before ? 'Nothing changed.' : 'The first one.'}</li>}
            </ul>
            <p class="release-what muted">
                <span>{r.model}</span> <VersionId id={r.version} href={`/${r.model}/versions/${r.version}`} />
                <span>{r.configuration.hardware}</span>
                <span>{r.configuration.min_instances}–{r.configuration.max_instances} instances</span>
                {row.ready_at && <span>ready <Time at={row.ready_at} /></span>}
            </p>
            {hasCanary && <CanaryOf {...props} />}
            <ShadowOf {...props} query={shadow} number={r.number} />
            {row.failure && !why && <p class="failure"><strong>It failed.</strong> {firstLine(row.failure)}</p>}
            {row.state === 'failed' && (
                <details open={open} onToggle={(e) => setOpen(e.currentTarget.open)}>
                    <summary>Setup log</summary>
                    {open && <FailedLog address={address} row={row} />}
                </details>
            )}
        </li>
    );
}

export function ReleasesTab(props: TabProps) {
    const { deployment: d, address } = props;
    const full = `${d.owner}/${d.name}`;
    const list = useQuery<{ results: ReleaseRow[] }>(`${address}/releases`, { live: 'release', about: (e) => e.data.deployment === full });
    const shadow = useShadow(props);
    const [back, setBack] = useState<ReleaseRow>();
    const onChanged = (after: Deployment) => {
        props.onChanged(after);
        list.reload();
    };
    const rollBack = async (row: ReleaseRow) => {
        const after = await post<Deployment>(`${address}/rollback`, { release: row.release.number });
        setBack(undefined);
        onChanged(after);
        say(`Release ${after.current_release.number} has what release ${row.release.number} had.`);
    };

    return (
        <Loaded query={list} what="the releases">
            {({ results }) => (
                <>
                    <ol class="stack releases">
                        {results.map((row, i) => (
                            <Release key={row.release.number} row={row} before={results[i + 1]} shadow={shadow} onBack={() => setBack(row)} {...props} onChanged={onChanged} />
                        ))}
                    </ol>
                    {back && (
                        <Confirm title={`Roll back to release ${back.release.number}?`} action="Roll back"
                            onConfirm={() => rollBack(back)} onClose={() => setBack(undefined)}>
                            <p>A new release is made that differs from the current one in this:</p>
                            <ul class="changes">
                                {changesOf(back.release, d.current_release).map((c) => <li key={c.what}>{c.what} {c.from} → <strong>{c.to}</strong></li>)}
                                {changesOf(back.release, d.current_release).length === 0 && <li>Nothing: the two are alike.</li>}
                            </ul>
                            <p class="muted">What runs now ends where it runs; new predictions go over once the new release is ready.</p>
                        </Confirm>
                    )}
                </>
            )}
        </Loaded>
    );
}

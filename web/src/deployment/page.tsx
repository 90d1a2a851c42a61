// SPDX-License-Identifier: Apache-2.0
// A deployment: what it is at the top, and below it the tab that the address names.
import { useEffect, useState } from 'preact/hooks';
import { post } from '../api';
import { withTimes } from '../format/time';
import { Loaded, useQuery, type Query } from '../query';
import { path } from '../router';
import type { Deployment, Version } from '../types';
import { Button } from '../ui/button';
import { Page, Tabs } from '../ui/page';
import { Empty, Failure, Notice } from '../ui/states';
import { StateBadge, VersionId } from '../ui/text';
import { say } from '../ui/toast';
import { ApiTab } from './api_tab';
import { isOn, sentenceOf, USUAL } from './canary';
import { LogsTab } from './logs';
import { MetricsTab } from './metrics';
import { Playground } from './playground';
import { PredictionsTab } from './predictions';
import { firstLine, ReleasesTab } from './releases';
import { SettingsTab } from './settings';
import { countsText, shadowSentence, USUAL_SHADOW } from './shadow';
import { versionAddress } from './address';
import type { Overview } from './types';

const TABS = [
    ['', 'Playground'], ['api', 'API'], ['predictions', 'Predictions'], ['metrics', 'Metrics'], ['logs', 'Logs'],
    ['releases', 'Releases'], ['settings', 'Settings'],
] as const;

export interface TabProps {
    deployment: Deployment;
    // The version of the current release; its schema may be large, so it is read once for all tabs.
    version: Query<Version>;
    // Where the API has this deployment.
    address: string;
    overview: Overview | undefined;
    // What an answer to a change said.
    onChanged: (d: Deployment) => void;
}

function about(owner: string, name: string) {
    const full = `${owner}/${name}`;
    return (data: Readonly<Record<string, unknown>>) =>
        data.deployment === undefined ? data.owner === owner && data.name === name : data.deployment === full;
}

function Tab({ tab, ...props }: TabProps & { tab: string }) {
    switch (tab) {
        case '':
            return <Playground {...props} />;
        case 'api':
            return <ApiTab {...props} />;
        case 'predictions':
            return <PredictionsTab {...props} />;
        case 'metrics':
            return <MetricsTab {...props} />;
        case 'logs':
            return <LogsTab {...props} />;
        case 'releases':
            return <ReleasesTab {...props} />;
        case 'settings':
            return <SettingsTab {...props} />;
        default:
            return <Empty title="There is no such tab"><p>A deployment has those above.</p></Empty>;
    }
}

// Why it does not do what one would expect, and what to do about it.
function Trouble({ tab, deployment: d, overview, address, onChanged }: TabProps & { tab: string }) {
    const [busy, setBusy] = useState(false);
    const [error, setError] = useState<Error>();
    const here = path`/deployments/${d.owner}/${d.name}`;
    const retry = async () => {
        setBusy(true);
        setError(undefined);
        try {
            onChanged(await post<Deployment>(`${address}/enable`));
            say('It tries again.');
        } catch (e) {
            setError(e as Error);
        }
        setBusy(false);
    };
    const held = overview?.held ?? d.held;
    const tried = d.canary ?? d.shadow;
    const halted = tried?.state === 'halted' && tried.release === overview?.release ? tried.why : null;

    return (
        <>
            {error && <Failure error={error} />}
            {d.current_release.configuration.max_instances === 0 && (
                <Notice tone="warn">
                    <p><strong>Disabled.</strong> It takes no predictions, and nothing runs for it.</p>
                    <Button href={`${here}/settings`}>Settings</Button>
                </Notice>
            )}
            {overview?.failure && (
                <Notice tone="bad" role="status">
                    <p>
                        <strong>Release {overview.release} {halted ? 'was halted' : 'failed'}.</strong>{' '}
                        {firstLine(halted ?? overview.failure)} <a href={`${here}/releases`}>{halted ? 'How it did' : 'Its setup log'}</a>
                    </p>
                    <Button busy={busy} onClick={retry}>Try again</Button>
                </Notice>
            )}
            {d.canary && isOn(d.canary) && tab !== 'releases' && (
                <Notice role="status">
                    <p><strong>Canary.</strong> {sentenceOf(d.canary, d.rollout?.canary ?? USUAL)}</p>
                    <Button href={`${here}/releases`}>How it does</Button>
                </Notice>
            )}
            {d.shadow && (isOn(d.shadow) || d.shadow.state === 'over') && tab !== 'releases' && (
                <Notice role="status">
                    <p><strong>Shadow.</strong> {shadowSentence(d.shadow, d.rollout?.shadow ?? USUAL_SHADOW)} {d.shadow.state !== 'setting up' && countsText(d.shadow)}</p>
                    <Button href={`${here}/releases`}>How it does</Button>
                </Notice>
            )}
            {held && <Notice tone="warn" role="status"><p><strong>Held.</strong> {withTimes(held)}</p></Notice>}
            {overview?.waits_for && !held && (
                <Notice tone="warn" role="status"><p><strong>Waits for room.</strong> {overview.waits_for}</p></Notice>
            )}
        </>
    );
}

export default function DeploymentPage({ owner, name, tab = '' }: { owner: string; name: string; tab?: string }) {
    const address = path`/v1/deployments/${owner}/${name}`;
    const here = path`/deployments/${owner}/${name}`;
    const isOurs = about(owner, name);
    const deployment = useQuery<Deployment>(address, { live: ['release', 'deployment'], about: (e) => isOurs(e.data) });
    const list = useQuery<{ results: Overview[] }>(`/v1/deployments/overview?name=${encodeURIComponent(`${owner}/${name}`)}`, {
        live: ['deployment', 'release', 'instance'],
        about: (e) => isOurs(e.data),
    });
    const overview = list.data?.results[0];
    const release = deployment.data?.current_release;
    const version = useQuery<Version>(release ? versionAddress(release.model, release.version) : null);
    const onChanged = (d: Deployment) => {
        deployment.set(d);
        list.reload();
    };
    const tabs = TABS.map(([id, label]) => ({ label, href: id ? `${here}/${id}` : here }));

    useEffect(() => {
        // A tab that was scrolled out of a narrow screen is brought back into it.
        document.querySelector('.tabs [aria-current]')?.scrollIntoView({ block: 'nearest', inline: 'center' });
    }, [tab, release !== undefined]);
    return (
        <Page title={`${owner}/${name}`} heading={<>{owner}/<wbr />{name}</>} crumbs={[{ label: 'Deployments', href: '/deployments' }]}
            note={release && (
                <span class="deployment-note">
                    {overview && <StateBadge state={overview.state} />}
                    <a href={`/${release.model}`}>{release.model}</a>
                    <VersionId id={release.version} href={`/${release.model}/versions/${release.version}`} />
                    <span>release {release.number}</span>
                    <span>{release.configuration.hardware}</span>
                    <span>{release.configuration.min_instances}–{release.configuration.max_instances} instances</span>
                </span>
            )}>
            {(deployment.data || !deployment.error) && <Tabs tabs={tabs} current={tab ? `${here}/${tab}` : here} label="Parts of this deployment" />}
            <Loaded query={deployment} what="the deployment">
                {(d) => {
                    const props: TabProps = { deployment: d, version, address, overview, onChanged };
                    return <div class="stack"><Trouble tab={tab} {...props} /><Tab key={tab} tab={tab} {...props} /></div>;
                }}
            </Loaded>
        </Page>
    );
}

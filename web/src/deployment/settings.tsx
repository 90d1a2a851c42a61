// SPDX-License-Identifier: Apache-2.0
// What a deployment runs, on what, and how it scales; what that costs; and its end.
import { useEffect, useRef, useState } from 'preact/hooks';
import { patch as send } from '../api';
import { CostIndicator } from '../parts/cost';
import { HardwareSelect } from '../parts/hardware';
import { useVersions, VersionSelect } from '../parts/version';
import { ApiError, otherErrors } from '../problem';
import type { Deployment } from '../types';
import { Button } from '../ui/button';
import { Checkbox, TextField } from '../ui/field';
import { Card } from '../ui/page';
import { Failure, Notice } from '../ui/states';
import { say } from '../ui/toast';
import { EndOfIt } from './end';
import type { TabProps } from './page';
import { ROLLOUT_NAMES, RolloutFields } from './rollout_fields';
import { ScheduleFields } from './schedule';
import { effectOf, isChanged, patchOf, problemsIn, settingsOf, type Settings } from './settings_form';
import type { Setting } from './types';
import { WhatIf } from './whatif_view';

const SHOWN = ['version', 'hardware', 'min_instances', 'max_instances', 'scaling.target_wait', 'scaling.keep_alive',
    'scaling.max_cost_per_hour', 'scaling.schedule', ...ROLLOUT_NAMES];

function Fields({ model, form, errors, onChange }: {
    model: string;
    form: Settings;
    errors: ReadonlyMap<string, string>;
    onChange: (change: Partial<Settings>) => void;
}) {
    const versions = useVersions(model);

    return (
        <>
            <VersionSelect model={model} versions={versions} value={form.version} onChange={(version) => onChange({ version })} error={errors.get('version')} />
            <HardwareSelect value={form.hardware} onChange={(hardware) => onChange({ hardware })} error={errors.get('hardware')} />
            <div class="fields two">
                <TextField label="Minimum instances" type="number" min={0} value={form.min} onInput={(min) => onChange({ min })}
                    error={errors.get('min_instances')} help="Run always. 0: none while nothing comes, and the first prediction waits for a boot." />
                <TextField label="Maximum instances" type="number" min={0} value={form.max} onInput={(max) => onChange({ max })}
                    error={errors.get('max_instances')} help="Never more, whatever waits." />
            </div>
            <div class="fields two">
                <TextField label="Wait target" type="number" min={0} step="any" unit="seconds" value={form.target} onInput={(target) => onChange({ target })}
                    error={errors.get('scaling.target_wait')} help="How long a prediction may wait before it starts. A smaller target costs more." />
                <TextField label="Maximum cost per hour" optional type="number" min={0} step="any" value={form.most} onInput={(most) => onChange({ most })}
                    error={errors.get('scaling.max_cost_per_hour')} help="Lowers the maximum to what may be paid." />
            </div>
            <Checkbox label="Decide keep-alive by the traffic" checked={form.auto} onChange={(auto) => onChange({ auto })}
                help="An idle instance stays as long as its own history justifies." error={form.auto ? errors.get('scaling.keep_alive') : undefined} />
            {!form.auto && (
                <TextField label="Keep-alive" type="number" min={0} step="any" unit="seconds" value={form.keep} onInput={(keep) => onChange({ keep })}
                    error={errors.get('scaling.keep_alive')} help="How long an instance that nothing needs is kept." />
            )}
            <ScheduleFields value={form.schedule} error={errors.get('scaling.schedule')} onChange={(schedule) => onChange({ schedule })} />
            <RolloutFields form={form} errors={errors} onChange={onChange} />
        </>
    );
}

export function SettingsTab(props: TabProps) {
    const { deployment: d, address, onChanged } = props;
    const [form, setForm] = useState<Settings>(() => settingsOf(d));
    const [base, setBase] = useState<Settings>(form); // what the form was filled from
    const [error, setError] = useState<ApiError | Error>();
    const [busy, setBusy] = useState(false);
    const [used, setUsed] = useState('');
    const top = useRef<HTMLFormElement>(null);
    const saved = settingsOf(d);
    const patch = patchOf(form, base);
    const elsewhere = JSON.stringify(saved) !== JSON.stringify(base);
    const typed = problemsIn(form);
    const errors = new Map([...(error instanceof ApiError ? error.fields : []), ...typed]);

    useEffect(() => {
        // Somebody else changed it while nothing was typed here: the form follows.
        if (elsewhere && !isChanged(patch)) {
            setForm(saved);
            setBase(saved);
        }
    }, [elsewhere]);
    const change = (c: Partial<Settings>) => {
        setForm((now) => ({ ...now, ...c }));
        setUsed('');
    };
    const take = (after: Deployment) => {
        onChanged(after);
        setForm(settingsOf(after));
        setBase(settingsOf(after));
        setError(undefined);
    };
    const save = async (event: Event) => {
        event.preventDefault();
        if (busy || !isChanged(patch) || typed.size > 0) return;
        setBusy(true);
        setError(undefined);
        try {
            const after = await send<Deployment>(address, patch);
            const released = after.current_release.number !== d.current_release.number;
            take(after);
            say(released ? `Saved as release ${after.current_release.number}.` : 'Saved.');
        } catch (e) {
            setError(e as Error);
        }
        setBusy(false);
    };
    const use = (s: Setting) => {
        change({
            min: String(s.min_instances), max: String(s.max_instances), target: String(s.target_wait), auto: s.keep_alive === 'auto',
            ...(s.keep_alive === 'auto' ? {} : { keep: String(s.keep_alive) }),
        });
        setUsed('The form has that setting now. Save makes it so.');
        top.current?.scrollIntoView({ block: 'start', behavior: matchMedia('(prefers-reduced-motion: reduce)').matches ? 'auto' : 'smooth' });
    };

    return (
        <div class="columns">
            <form ref={top} onSubmit={save} noValidate>
                <Card title="Settings">
                    {used && <Notice tone="good" role="status"><p>{used}</p></Notice>}
                    {elsewhere && isChanged(patch) && (
                        <Notice tone="warn" role="status">
                            <p>The settings were changed elsewhere meanwhile. Save changes only what you changed here.</p>
                            <Button small onClick={() => { setForm(saved); setBase(saved); }}>Show what is there now</Button>
                        </Notice>
                    )}
                    <div class="fields"><Fields model={d.current_release.model} form={form} errors={errors} onChange={change} /></div>
                    {error instanceof ApiError
                        ? otherErrors(error.problem, SHOWN).map((text) => <Notice key={text} tone="bad" role="alert"><p>{text}</p></Notice>)
                        : error && <Failure error={error} />}
                    <p class="muted" role="status">{effectOf(patch, form.way)}</p>
                    <div class="actions">
                        <Button type="submit" kind="primary" busy={busy} disabled={!isChanged(patch)}>Save</Button>
                        <Button disabled={!isChanged(patch)} onClick={() => { setForm(saved); setBase(saved); setError(undefined); setUsed(''); }}>Discard changes</Button>
                    </div>
                </Card>
            </form>
            <CostIndicator hardware={form.hardware} min={typed.has('min_instances') ? -1 : Number(form.min)} max={typed.has('max_instances') ? -1 : Number(form.max)} deployment={d.name} />
            <div class="stack">
                {saved.max === '0'
                    ? <Card title="What if"><p class="muted">A disabled deployment runs nothing. Enable it, and its traffic is compared with other settings here.</p></Card>
                    : <WhatIf key={JSON.stringify(saved)} address={address} onUse={use} />}
                <EndOfIt {...props} onChanged={take} />
            </div>
        </div>
    );
}

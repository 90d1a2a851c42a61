// SPDX-License-Identifier: Apache-2.0
// Minimums by the hours of the week, in UTC.
import type { Scaling } from '../types';
import { Button } from '../ui/button';
import { TextField } from '../ui/field';

type Entry = Scaling['schedule'][number];

const DAYS = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const;
const FRESH: Entry = { days: ['mon', 'tue', 'wed', 'thu', 'fri'], from: '08:00', to: '18:00', min_instances: 1 };

export function ScheduleFields({ value, error, onChange }: {
    value: readonly Entry[];
    error: string | undefined;
    onChange: (value: Entry[]) => void;
}) {
    const put = (i: number, change: Partial<Entry>) => onChange(value.map((e, n) => (n === i ? { ...e, ...change } : e)));
    const toggle = (e: Entry, day: string) => DAYS.filter((d) => (d === day ? !e.days.includes(d) : e.days.includes(d)));

    return (
        <fieldset class={`schedule${error ? ' wrong' : ''}`}>
            <legend>Schedule <span class="faint">optional</span></legend>
            <p class="help">Hours of the week (UTC) with a larger minimum. Where several hold, the largest does.</p>
            {error && <p class="error" role="alert">{error}</p>}
            {value.map((e, i) => (
                <div class="schedule-row" key={i} role="group" aria-label={`Hours ${i + 1}`}>
                    <div class="weekdays" role="group" aria-label="Days">
                        {DAYS.map((d) => (
                            <label key={d}><input type="checkbox" checked={e.days.includes(d)} onChange={() => put(i, { days: toggle(e, d) })} />{d}</label>
                        ))}
                    </div>
                    <TextField label="From" value={e.from} onInput={(from) => put(i, { from })} placeholder="08:00" mono />
                    <TextField label="To" value={e.to} onInput={(to) => put(i, { to })} placeholder="18:00" mono />
                    <TextField label="Minimum then" type="number" min={0} value={String(e.min_instances)}
                        onInput={(n) => put(i, { min_instances: Number(n) })} />
                    <Button small kind="quiet" label={`Remove hours ${i + 1}`} onClick={() => onChange(value.filter((_, n) => n !== i))}>Remove</Button>
                </div>
            ))}
            <div><Button small onClick={() => onChange([...value, FRESH])}>Add hours</Button></div>
        </fieldset>
    );
}

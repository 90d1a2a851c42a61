// SPDX-License-Identifier: Apache-2.0
// What a deployment would cost with these settings, as the server calculates it, while one chooses.
import { useEffect, useRef, useState } from 'preact/hooks';
import { post } from '../api';
import { HOURS_PER_MONTH, priceText } from '../format/number';
import type { Estimate } from '../types';
import { Button } from '../ui/button';
import { Money } from '../ui/text';

const PAUSE = 150; // ms without a change before the server is asked

export function CostIndicator({ hardware, min, max, deployment }: {
    hardware: string;
    min: number;
    max: number;
    deployment?: string; // the name of one that has run: its traffic of the last week counts
}) {
    // With what it was made for: the counts beside its figures are never those of another one.
    const [estimate, setEstimate] = useState<{ is: Estimate; min: number; max: number }>();
    const [error, setError] = useState<string>();
    const [tries, setTries] = useState(0);
    const first = useRef(true);
    const asked = hardware !== '' && Number.isInteger(min) && Number.isInteger(max) && min >= 0 && max >= min;

    useEffect(() => {
        if (!asked) return;
        const abort = new AbortController();
        const timer = setTimeout(() => {
            const body = { hardware, min_instances: min, max_instances: max, ...(deployment ? { deployment } : {}) };
            post<Estimate>('/v1/deployments/estimate', body, { signal: abort.signal }).then(
                (value) => {
                    setEstimate({ is: value, min, max });
                    setError(undefined);
                },
                (e: Error) => abort.signal.aborted || setError(e.message),
            );
        }, first.current ? 0 : PAUSE);
        first.current = false;
        return () => {
            clearTimeout(timer);
            abort.abort();
        };
    }, [hardware, min, max, deployment, asked, tries]);

    return (
        <section class="card cost" aria-label="Cost" aria-live="polite">
            <h2>Cost</h2>
            {!asked ? <p class="muted">Choose hardware and instances to see what they cost.</p>
                : error ? <><p class="muted">The cost is not known: {error}</p><div class="actions"><Button small onClick={() => setTries(tries + 1)}>Try again</Button></div></>
                : !estimate ? <p class="muted">Calculating…</p>
                : <Figures of={estimate.is} min={estimate.min} max={estimate.max} />}
        </section>
    );
}

function Figures({ of: e, min, max }: { of: Estimate; min: number; max: number }) {
    return (
        <>
            <table class="cost-table">
                <thead>
                    <tr><td /><th scope="col">per hour</th><th scope="col">per month</th></tr>
                </thead>
                <tbody>
                    <tr>
                        <th scope="row">Minimum <span class="faint">{min} running</span></th>
                        <td><Money value={e.per_hour.minimum} /></td>
                        <td><Money value={e.per_hour.minimum * HOURS_PER_MONTH} /></td>
                    </tr>
                    <tr>
                        <th scope="row">Maximum <span class="faint">{max} running</span></th>
                        <td><Money value={e.per_hour.maximum} /></td>
                        <td><Money value={e.per_hour.maximum * HOURS_PER_MONTH} /></td>
                    </tr>
                </tbody>
            </table>
            {e.last_week && (
                <p>
                    With the traffic of the last week: <strong><Money value={e.last_week.cost} per="week" /></strong>, that is
                    about <Money value={(e.last_week.cost / 7) * (HOURS_PER_MONTH / 24)} per="month" />.
                </p>
            )}
            <p class="muted">
                {priceText(e.price)} for each second of each instance, set-up and idle time too.
                {min === 0 ? ' At a minimum of 0 nothing runs, and nothing costs, while there are no requests.' : ''}
            </p>
        </>
    );
}

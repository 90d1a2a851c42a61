// SPDX-License-Identifier: Apache-2.0
// The choice of hardware, with what it costs and whether the machine has room for it now.
import { bytesText, moneyText, plural, priceText } from '../format/number';
import { useQuery, type Query } from '../query';
import type { Capacity, CapacityHardware } from '../types';
import { Button } from '../ui/button';
import { Select } from '../ui/field';

export function useCapacity(): Query<Capacity> {
    return useQuery<Capacity>('/v1/capacity', { live: 'instance', gather: 2000 });
}

export function HardwareSelect({ value, onChange, error, label = 'Hardware' }: {
    value: string;
    onChange: (sku: string) => void;
    error?: string | undefined;
    label?: string;
}) {
    const capacity = useCapacity();
    const all = capacity.data?.hardware ?? [];
    const chosen = all.find((h) => h.sku === value);
    const choices = all.map((h) => ({
        value: h.sku,
        label: `${h.name} · ${moneyText(h.price_per_hour)} / hour · ${availableText(h)}`,
    }));

    // What a deployment has now may be gone from the configuration: it is shown all the same.
    if (value && !chosen) choices.unshift({ value, label: value });
    return (
        <div>
            <Select label={label} value={value} onChange={onChange} error={error} required choices={choices}
                {...(value ? {} : { placeholder: capacity.data ? 'Choose hardware' : capacity.error ? 'Not known' : 'Loading…' })}
                help={chosen ? <HardwareFacts of={chosen} /> : capacity.error ? `The hardware could not be loaded: ${capacity.error.message}` : undefined} />
            {capacity.error && <Button small kind="quiet" busy={capacity.loading} onClick={capacity.reload}>Load the hardware again</Button>}
        </div>
    );
}

export function availableText(h: CapacityHardware): string {
    return h.available > 0 ? `${h.available} available` : 'none available';
}

function HardwareFacts({ of: h }: { of: CapacityHardware }) {
    return (
        <>
            <code>{h.sku}</code>: {sizeText(h)}; {priceText(h.price)} / second.{' '}
            {h.available > 0
                ? `${plural(h.available, 'more instance')} could start now.`
                : <strong>No instance could start now; instances would wait for capacity.</strong>}
        </>
    );
}

export function sizeText(h: CapacityHardware): string {
    const gpus = h.gpus > 0 ? `, ${plural(h.gpus, 'GPU')}${h.gpu_memory_bytes ? ` of ${bytesText(h.gpu_memory_bytes)}` : ''}` : '';
    return `${plural(h.cpus, 'CPU')}, ${bytesText(h.memory_bytes)} of memory${gpus}`;
}

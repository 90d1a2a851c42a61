// SPDX-License-Identifier: Apache-2.0
// A small line: what it says in words is its label.

const WIDTH = 96;
const HEIGHT = 24;

export function Sparkline({ values, label, bars }: {
    values: readonly (number | null)[];
    label: string; // "12 requests in the last hour"
    bars?: boolean; // for counts; a line is for what goes on between
}) {
    const top = Math.max(0, ...values.map((v) => v ?? 0));
    const step = WIDTH / Math.max(1, values.length);
    const y = (v: number) => HEIGHT - 1 - (top > 0 ? (v / top) * (HEIGHT - 3) : 0);
    const known = (i: number) => (values[i] ?? null) !== null;
    const drawn = values.flatMap((v, i) => (v === null ? [] : [{
        v,
        x: i * step + (bars ? 0 : step / 2),
        joins: known(i - 1),
        alone: !known(i - 1) && !known(i + 1), // a line of one point is none
    }]));

    return (
        <svg class="sparkline" width={WIDTH} height={HEIGHT} viewBox={`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label={label}>
            <title>{label}</title>
            <line x1="0" x2={WIDTH} y1={HEIGHT - 0.5} y2={HEIGHT - 0.5} class="base" />
            {bars
                ? drawn.map((p) => p.v > 0 && <rect key={p.x} x={p.x} width={Math.max(1, step - 1)} y={y(p.v)} height={HEIGHT - y(p.v)} />)
                : <path d={drawn.map((p) => `${p.joins ? 'L' : 'M'}${p.x.toFixed(1)} ${y(p.v).toFixed(1)}`).join('')} />}
            {!bars && drawn.filter((p) => p.alone).map((p) => <circle key={p.x} cx={p.x} cy={y(p.v)} r="2" />)}
        </svg>
    );
}

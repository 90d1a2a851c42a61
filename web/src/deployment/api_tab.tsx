// SPDX-License-Identifier: Apache-2.0
// How programs run this deployment, and what they may send it.
import { readInput, readOutput, type Field, type JsonObject } from '../form/schema';
import { sampleInput } from '../form/value';
import { Loaded } from '../query';
import { Code, Json } from '../ui/code';
import { Card } from '../ui/page';
import { Table } from '../ui/table';
import type { TabProps } from './page';
import { isStreaming } from './playground';
import { Samples } from './sample_view';

function kindText(f: Field): string {
    if (f.kind === 'list' && f.item) return `list of ${kindText(f.item)}`;
    if (f.kind === 'choice') return 'one of ' + (f.choices ?? []).map((c) => JSON.stringify(c)).join(', ');
    const bounds = [f.min !== undefined ? `≥ ${f.min}` : '', f.max !== undefined ? `≤ ${f.max}` : ''].filter(Boolean).join(', ');
    return bounds ? `${f.kind} ${bounds}` : f.kind;
}

function Inputs({ fields }: { fields: Field[] }) {
    if (fields.length === 0) return <p class="faint">This version takes no input.</p>;
    return (
        <Table caption="Inputs" rows={fields} keyOf={(f) => f.name}
            columns={[
                { title: 'Input', head: true, cell: (f) => <><code>{f.name}</code>{f.required && <span class="badge busy">needed</span>}</> },
                { title: 'Type', cell: kindText },
                { title: 'Default', cell: (f) => f.fallback === undefined || f.fallback === null ? <span class="faint">none</span> : <code class="clip">{JSON.stringify(f.fallback)}</code> },
                { title: 'What it is', wide: true, cell: (f) => f.help || <span class="faint">–</span> },
            ]} />
    );
}

export function ApiTab({ deployment: d, version }: TabProps) {
    return (
        <Loaded query={version} what="the version">
            {(v) => {
                const fields = readInput(v.openapi_schema);
                const output: JsonObject = readOutput(v.openapi_schema);
                return (
                    <div class="stack">
                        <Card title="Run it from a program">
                            <p class="muted">
                                The clients of Replicate work with this server. Put a token of yours into the environment;
                                tokens are made on the <a href="/account">account page</a>.
                            </p>
                            <Code text={'export REPLICATE_API_TOKEN=<your token>'} label="Token" />
                            <Samples deployment={d} input={sampleInput(fields)} streams={isStreaming(output)} />
                        </Card>
                        <Card title="Inputs"><Inputs fields={fields} /></Card>
                        <Card title="Output">
                            {isStreaming(output) && <p class="muted">It comes piece by piece: <code>urls.stream</code> of a prediction has it as it is made.</p>}
                            <div class="output-data"><Json value={output} /></div>
                        </Card>
                    </div>
                );
            }}
        </Loaded>
    );
}

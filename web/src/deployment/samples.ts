// SPDX-License-Identifier: Apache-2.0
// How to run a deployment from a program: curl, JavaScript and Python, with this server's address
// and the deployment's real inputs. Pure.
import type { Json, JsonObject } from '../form/schema';

export interface Target {
    // This server: "https://berth.example.com", without a slash at the end.
    base: string;
    owner: string;
    name: string;
    input: JsonObject;
    // Whether the output comes piece by piece.
    streams: boolean;
}

export interface Sample {
    id: 'curl' | 'javascript' | 'python';
    title: string;
    install?: string;
    code: string;
}

// For a shell's single quotes.
const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;

// Data addresses of whole files would make a sample nobody can read.
function shortened(value: Json): Json {
    if (typeof value === 'string' && value.startsWith('data:') && value.length > 200)
        return `${value.slice(0, 60)}…`;
    if (Array.isArray(value)) return value.map(shortened);
    if (typeof value === 'object' && value !== null)
        return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, shortened(v)]));
    return value;
}

function indented(text: string, by: string): string {
    return text.replaceAll('\n', `\n${by}`);
}

function jsKey(key: string): string {
    return /^[A-Za-z_$][\w$]*$/.test(key) ? key : JSON.stringify(key);
}

export function toJs(value: Json, depth = 0): string {
    const inner = '  '.repeat(depth + 1);
    const outer = '  '.repeat(depth);
    if (Array.isArray(value))
        return value.length ? `[${value.map((v) => toJs(v, depth)).join(', ')}]` : '[]';
    if (typeof value !== 'object' || value === null) return JSON.stringify(value);
    const members = Object.entries(value).map(([k, v]) => `${inner}${jsKey(k)}: ${toJs(v, depth + 1)},\n`);
    return members.length ? `{\n${members.join('')}${outer}}` : '{}';
}

export function toPython(value: Json, depth = 0): string {
    const inner = '    '.repeat(depth + 1);
    const outer = '    '.repeat(depth);
    if (value === null) return 'None';
    if (typeof value === 'boolean') return value ? 'True' : 'False';
    if (Array.isArray(value))
        return value.length ? `[${value.map((v) => toPython(v, depth)).join(', ')}]` : '[]';
    // JSON's texts are Python's, but for halves of surrogate pairs, which no input can have.
    if (typeof value !== 'object') return JSON.stringify(value);
    const members = Object.entries(value).map(
        ([k, v]) => `${inner}${JSON.stringify(k)}: ${toPython(v, depth + 1)},\n`,
    );
    return members.length ? `{\n${members.join('')}${outer}}` : '{}';
}

function curl(t: Target): string {
    const body = JSON.stringify({ input: t.input }, null, 2);
    const lines = [
        `curl -s -X POST ${quoted(`${t.base}/v1/deployments/${t.owner}/${t.name}/predictions`)} \\`,
        '  -H "Authorization: Bearer $REPLICATE_API_TOKEN" \\',
        '  -H "Content-Type: application/json" \\',
        '  -H "Prefer: wait" \\',
        `  -d ${quoted(body)}`,
    ];
    return lines.join('\n');
}

function javascript(t: Target): string {
    return `import Replicate from "replicate";

const replicate = new Replicate({
  auth: process.env.REPLICATE_API_TOKEN,
  baseUrl: ${JSON.stringify(`${t.base}/v1`)},
});

let prediction = await replicate.deployments.predictions.create(
  ${JSON.stringify(t.owner)},
  ${JSON.stringify(t.name)},
  { input: ${toJs(t.input, 1)} },
);
${t.streams ? jsStream : jsWait}`;
}

const jsWait = `prediction = await replicate.wait(prediction);
console.log(prediction.output);`;

const jsStream = `const response = await fetch(prediction.urls.stream, {
  headers: { Accept: "text/event-stream" },
});
for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
  process.stdout.write(chunk); // server-sent events: output, error, done
}`;

function python(t: Target): string {
    return `import replicate

client = replicate.Client(
    base_url=${JSON.stringify(t.base)},
)  # the token is read from REPLICATE_API_TOKEN

deployment = client.deployments.get(${JSON.stringify(`${t.owner}/${t.name}`)})
prediction = deployment.predictions.create(
    input=${indented(toPython(t.input), '    ')},
)
${t.streams ? pythonStream : pythonWait}`;
}

const pythonWait = `prediction.wait()
print(prediction.output)`;

const pythonStream = `for event in prediction.stream():
    print(str(event), end="", flush=True)`;

export function samplesOf(target: Target): Sample[] {
    const t = { ...target, input: shortened(target.input) as JsonObject };
    return [
        { id: 'curl', title: 'curl', code: curl(t) },
        { id: 'javascript', title: 'JavaScript', install: 'npm install replicate', code: javascript(t) },
        { id: 'python', title: 'Python', install: 'pip install replicate', code: python(t) },
    ];
}

// SPDX-License-Identifier: Apache-2.0
// A file: dropped, picked, or by its address. Small ones travel inside of the input as a data
// address; larger ones go to POST /v1/files first, and the input has their address.
import { useEffect, useRef, useState } from 'preact/hooks';
import { send } from '../api';
import { bytesText } from '../format/number';
import { mediaOf } from '../output/kind';
import { Button } from '../ui/button';
import { Field as Labelled } from '../ui/field';
import type { Field } from './schema';
import type { Entry } from './value';

export const MAX_DATA = 256 * 1024; // bytes of a file that is sent as a data address

interface Picked {
    name: string;
    size: number;
    preview: string | null; // an address of the browser's own, for pictures
    address: string; // what the entry became
}

function readData(file: File): Promise<string> {
    return new Promise((done, failed) => {
        const reader = new FileReader();
        reader.onload = () => done(String(reader.result));
        reader.onerror = () => failed(new Error(`${file.name} could not be read.`));
        reader.readAsDataURL(file);
    });
}

async function upload(file: File, signal: AbortSignal): Promise<string> {
    const body = new FormData();
    body.append('content', file, file.name);
    const answer = await send('POST', '/v1/files', body, { signal });
    return ((await answer.json()) as { urls: { get: string } }).urls.get;
}

// A browser that knows no type for a file leaves it out, and such an address is text/plain.
function typed(address: string): string {
    return address.replace(/^data:(?=[;,])/, 'data:application/octet-stream').replace(/^data:$/, 'data:application/octet-stream;base64,');
}

export function FileInput({ field, entry, help, problem, onEntry, onUpload }: {
    field: Field;
    entry: string;
    help: string | undefined;
    problem: string | undefined;
    onEntry: (entry: Entry) => void;
    onUpload: (change: number) => void;
}) {
    const [picked, setPicked] = useState<Picked | null>(null);
    const [busy, setBusy] = useState('');
    const [failed, setFailed] = useState('');
    const [over, setOver] = useState(false);
    const chooser = useRef<HTMLInputElement>(null);
    const running = useRef<AbortController | null>(null);
    const shown = picked && picked.address === entry ? picked : null;

    useEffect(() => () => running.current?.abort(), []);
    useEffect(() => () => { if (picked?.preview) URL.revokeObjectURL(picked.preview); }, [picked]);

    const take = async (file: File | undefined) => {
        if (!file) return;
        const abort = new AbortController();
        running.current?.abort();
        running.current = abort;
        setFailed('');
        setBusy(file.name);
        onUpload(1);
        try {
            const address = file.size <= MAX_DATA ? typed(await readData(file)) : await upload(file, abort.signal);
            if (abort.signal.aborted) return;
            const preview = file.type.startsWith('image/') ? URL.createObjectURL(file) : null;
            setPicked({ name: file.name, size: file.size, preview, address });
            onEntry(address);
        } catch (e) {
            if (!abort.signal.aborted) setFailed(`${file.name} was not taken: ${(e as Error).message}`);
        } finally {
            onUpload(-1);
            if (running.current === abort) setBusy('');
        }
    };
    const drop = (event: DragEvent) => {
        event.preventDefault();
        setOver(false);
        void take(event.dataTransfer?.files[0]);
    };
    const inline = entry.startsWith('data:');
    const picture = shown?.preview ?? (inline && mediaOf(entry) === 'image' ? entry : null);

    return (
        <Labelled label={field.label} help={help} error={problem ?? (failed || undefined)} required={field.required} optional={!field.required}>
            {(control) => (
                <div class={`file-input${over ? ' over' : ''}`} onDragOver={(e) => { e.preventDefault(); setOver(true); }}
                    onDragLeave={() => setOver(false)} onDrop={drop}>
                    {picture && <img src={picture} alt={`Preview of ${shown?.name ?? field.label}`} />}
                    {shown || inline ? (
                        <p class="file-name" id={control.id} tabIndex={-1}>
                            {shown?.name ?? 'A file inside of the input'}
                            <span class="faint"> {bytesText(shown?.size ?? Math.round(entry.length * 0.75))}</span>
                        </p>
                    ) : (
                        <input {...control} type="url" class="mono" value={entry} placeholder="https://…" autoComplete="off"
                            onInput={(e) => onEntry(e.currentTarget.value)} />
                    )}
                    <div class="file-actions">
                        <Button small busy={busy !== ''} onClick={() => chooser.current?.click()} label={`Choose a file for ${field.label}`}>
                            {busy ? `Taking ${busy}…` : 'Choose a file'}
                        </Button>
                        {entry !== '' && <Button small kind="quiet" label={`Clear ${field.label}`} onClick={() => onEntry('')}>Clear</Button>}
                        <span class="faint">or drop one here, or give its address</span>
                    </div>
                    <input ref={chooser} type="file" class="visually-hidden" tabIndex={-1} aria-hidden="true" accept={field.accept}
                        onChange={(e) => { void take(e.currentTarget.files?.[0]); e.currentTarget.value = ''; }} />
                </div>
            )}
        </Labelled>
    );
}

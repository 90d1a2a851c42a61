// SPDX-License-Identifier: Apache-2.0
// The browser's own dialog: it keeps the focus inside, closes with Escape and gives the focus back.
import type { ComponentChildren } from 'preact';
import { useEffect, useId, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { Button } from './button';
import { TextField } from './field';
import { Failure } from './states';

export function Dialog({ title, onClose, children }: {
    title: string;
    onClose: () => void;
    children: ComponentChildren;
}) {
    const element = useRef<HTMLDialogElement>(null);
    const id = useId();

    useLayoutEffect(() => {
        const dialog = element.current;
        const before = document.activeElement as HTMLElement | null;
        dialog?.showModal();
        return () => {
            dialog?.close();
            // The element is taken away with the focus in it: what had opened it gets it back.
            setTimeout(() => {
                if (before?.isConnected && (document.activeElement ?? document.body) === document.body) before.focus();
            });
        };
    }, []);
    return (
        <dialog ref={element} aria-labelledby={id} onCancel={(e) => { e.preventDefault(); onClose(); }}
            onClick={(e) => e.target === element.current && onClose()}>
            <div class="dialog-body">
                <h2 id={id}>{title}</h2>
                {children}
            </div>
        </dialog>
    );
}

// Asks before something that cannot be taken back. `onConfirm` fails with what is then shown; the
// caller closes it.
export function Confirm({ title, action, danger, typed, children, onConfirm, onClose }: {
    title: string;
    action: string; // what the button does: "Delete deployment"
    danger?: boolean;
    typed?: string; // must be typed first
    children?: ComponentChildren;
    onConfirm: () => Promise<void>;
    onClose: () => void;
}) {
    const [text, setText] = useState('');
    const [busy, setBusy] = useState(false);
    const [error, setError] = useState<Error>();
    const here = useRef(true);

    useEffect(() => () => { here.current = false; }, []);
    const submit = async (event: Event) => {
        event.preventDefault();
        if (busy || (typed !== undefined && text !== typed)) return;
        setBusy(true);
        setError(undefined);
        try {
            await onConfirm();
        } catch (e) {
            if (here.current) setError(e as Error);
        }
        if (here.current) setBusy(false);
    };
    return (
        <Dialog title={title} onClose={onClose}>
            <form onSubmit={submit}>
                {children}
                {typed !== undefined &&
                    <TextField label={<>Type <code>{typed}</code> to confirm</>} value={text} onInput={setText} mono autoFocus />}
                {error && <Failure error={error} />}
                <div class="actions end">
                    <Button onClick={onClose}>Cancel</Button>
                    <Button type="submit" kind={danger ? 'danger' : 'primary'} busy={busy}
                        disabled={typed !== undefined && text !== typed}>{action}</Button>
                </div>
            </form>
        </Dialog>
    );
}

// SPDX-License-Identifier: Apache-2.0
// Follows the output of a prediction at its `urls.stream`. The browser's EventSource connects again
// by itself after a cut and says Last-Event-ID, so that no piece comes twice and none is lost.

export interface StreamState {
    pieces: string[];
    // The first number of the ids: one higher for each attempt, whose output begins anew.
    attempt: string;
    done: boolean;
    reason?: string;
    error?: string;
}

export const emptyStream: StreamState = { pieces: [], attempt: '', done: false };

export interface StreamEvent {
    type: 'output' | 'error' | 'done';
    id: string;
    data: string;
}

function member(data: string, name: string): string | undefined {
    try {
        const value = (JSON.parse(data) as Record<string, unknown> | null)?.[name];
        return typeof value === 'string' ? value : undefined;
    } catch {
        return undefined;
    }
}

// Pure: one event more.
export function nextState(s: StreamState, e: StreamEvent): StreamState {
    const attempt = e.id.slice(0, Math.max(e.id.indexOf(':'), 0)) || s.attempt;
    switch (e.type) {
        case 'output':
            // An instance was lost and the prediction runs again: what the lost one said is void.
            if (s.attempt !== '' && attempt !== s.attempt) return { ...s, attempt, pieces: [e.data] };
            return { ...s, attempt, pieces: [...s.pieces, e.data] };
        case 'error':
            return { ...s, error: member(e.data, 'detail') ?? e.data };
        case 'done':
            return { ...s, done: true, reason: member(e.data, 'reason') };
    }
}

// Whole addresses may name the server's public address while the page was opened by another one.
export function pathOf(address: string): string {
    const url = new URL(address, 'http://localhost');
    return url.pathname + url.search;
}

// Calls back at most once a frame, however quickly the pieces come. Returns how to stop.
export function followStream(address: string, changed: (s: StreamState) => void): () => void {
    const source = new EventSource(pathOf(address));
    let state = emptyStream;
    let frame = 0;
    const tell = () => {
        frame = 0;
        changed(state);
    };
    const take = (type: StreamEvent['type']) => (event: Event) => {
        // The browser's own "error" events, of the connection, have no data.
        if (!(event instanceof MessageEvent)) {
            if (source.readyState === EventSource.CLOSED) stop();
            return;
        }
        state = nextState(state, { type, id: event.lastEventId, data: String(event.data) });
        if (state.done) source.close();
        frame ||= requestAnimationFrame(tell);
    };
    const stop = () => {
        source.close();
        cancelAnimationFrame(frame);
    };
    for (const type of ['output', 'error', 'done'] as const) source.addEventListener(type, take(type));
    return stop;
}

// SPDX-License-Identifier: Apache-2.0
// One prediction as it goes: read when events say that it changed, with the text of its stream
// ahead of that where it has one.
import { useEffect, useState } from 'preact/hooks';
import type { Instance, Instances } from '../deployment/types';
import { useQuery, type Query } from '../query';
import type { Prediction, PredictionStatus } from '../types';
import { followStream, type StreamState } from './stream';

const ENDED: readonly PredictionStatus[] = ['succeeded', 'failed', 'canceled', 'aborted'];

export function hasEnded(p: Pick<Prediction, 'status'>): boolean {
    return ENDED.includes(p.status);
}

export interface LivePrediction extends Query<Prediction> {
    // The stream's pieces; undefined where there is none, or the prediction's own output is whole.
    pieces: string[] | undefined;
}

export function usePrediction(id: string | null): LivePrediction {
    const query = useQuery<Prediction>(id === null ? null : `/v1/predictions/${encodeURIComponent(id)}`, {
        live: ['prediction', 'progress', 'predictions', 'reset'],
        about: (e) => e.data.id === undefined || e.data.id === id,
        gather: 400, // ms: what it says comes in many small pieces
    });
    const [stream, setStream] = useState<{ id: string; state: StreamState } | null>(null);
    const address = query.data?.urls.stream;
    const ended = query.data ? hasEnded(query.data) : false;

    useEffect(() => {
        if (!address || ended || id === null) return;
        let begun = false;
        return followStream(address, (state) => {
            setStream({ id, state });
            // The first piece says that it runs, and the end that there is more to know.
            if (state.done || !begun) query.reload();
            begun = true;
        });
    }, [address, ended, id]);
    const mine = stream && stream.id === id && !ended ? stream.state.pieces : undefined;
    return { ...query, pieces: mine };
}

// The instance that ran it, where its deployment ("owner/name") still knows it: its boot is a part of
// the wait.
export function useBoot(deployment: string | null, p: Prediction): Instance | undefined {
    const list = useQuery<Instances>(deployment && p.instance ? `/v1/deployments/${deployment}/instances` : null);
    return list.data && [...list.data.results, ...list.data.ended].find((i) => i.id === p.instance);
}

// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { figuresOf, leadingRelease, sentenceOf, USUAL } from '../src/deployment/canary';
import { changesOf } from '../src/deployment/release_diff';
import { isEmpty, lastText, marksOf, plotsOf, spoken, stacked } from '../src/deployment/series';
import { effectOf, isChanged, patchOf, settingsOf, type Settings } from '../src/deployment/settings_form';
import { countsText, dropsText, kindsText, shadowSentence, USUAL_SHADOW, valueText } from '../src/deployment/shadow';
import type { Decision, Ring, Setting, Step } from '../src/deployment/types';
import { axisOf, layOut, pointText } from '../src/deployment/whatif';
import type { Canary, Deployment, Release } from '../src/types';

const OWNER = { type: 'user', username: 'acme', name: 'Acme', github_url: null } as const;

function release(number: number, version: string, hardware: string, min: number, max: number): Release {
    return {
        number, model: 'acme/app', version, created_at: '2026-11-23T14:00:00.000Z', created_by: OWNER,
        configuration: { hardware, min_instances: min, max_instances: max },
    };
}

function deployment(): Deployment {
    return {
        owner: 'acme', name: 'app', current_release: release(1, 'a'.repeat(64), 'cpu', 0, 2),
        scaling: { target_wait: 30, keep_alive: 'auto', max_queue: 100, max_cost_per_hour: null, schedule: [] },
    };
}

test('a release says what it changed of the one before', () => {
    const before = release(1, 'a'.repeat(64), 'cpu', 0, 2);
    const now = release(2, 'b'.repeat(64), 'cpu', 1, 2);
    assert.deepEqual(changesOf(now, before), [
        { what: 'Version', from: 'aaaaaaaa', to: 'bbbbbbbb' }, { what: 'Minimum', from: '0', to: '1' },
    ]);
    assert.deepEqual(changesOf(now, undefined), []);
    assert.deepEqual(changesOf(before, before), []);
});

test('only what was changed is sent', () => {
    const saved = settingsOf(deployment());
    assert.deepEqual(patchOf(saved, saved), {});
    assert.equal(isChanged(patchOf(saved, saved)), false);
    assert.deepEqual(patchOf({ ...saved, hardware: 'gpu', max: '5' }, saved), { hardware: 'gpu', max_instances: 5 });
    assert.deepEqual(patchOf({ ...saved, target: '2.5', auto: false, keep: '90', most: '1' }, saved), {
        scaling: { target_wait: 2.5, keep_alive: 90, max_cost_per_hour: 1 },
    });
    // What is emptied goes back to the server's default; what is no number is the server's to refuse.
    assert.deepEqual(patchOf({ ...saved, target: '' }, saved), { scaling: { target_wait: null } });
    assert.deepEqual(patchOf({ ...saved, min: 'x' }, saved), { min_instances: 'x' });
    assert.deepEqual(patchOf(saved, { ...saved, auto: false }), { scaling: { keep_alive: 'auto' } });
    // The seconds of a keep-alive that is not used are no change.
    assert.deepEqual(patchOf({ ...saved, keep: '5' }, saved), {});
});

test('what saving does is told before', () => {
    assert.match(effectOf({}), /Nothing/);
    assert.match(effectOf({ version: 'b' }), /new release.*ready/);
    assert.match(effectOf({ max_instances: 3 }), /go over to it at once/);
    assert.match(effectOf({ scaling: { target_wait: 1 } }), /no release/);
});

test('how a new release comes is sent in shares, and only what was changed', () => {
    const none = settingsOf(deployment());
    const canary = (s: Settings, change: object): Settings => ({ ...s, terms: { ...s.terms, canary: { ...s.terms.canary, ...change } } });
    assert.deepEqual([none.way, none.terms.canary.share, none.terms.canary.max_error_rate, none.terms.shadow.relative_tolerance], ['', '10', '5', '0.000001']);
    assert.deepEqual(patchOf({ ...canary(none, { share: '33.3' }), way: 'canary' }, none), {
        rollout: { canary: { share: 0.333, seconds: 600, max_error_rate: 0.05, max_latency_ratio: 2, min_requests: 20 } },
    });
    const saved = settingsOf({ ...deployment(), rollout: { canary: { ...USUAL, share: 0.07 } } });
    assert.deepEqual([saved.way, saved.terms.canary.share], ['canary', '7']);
    assert.deepEqual(patchOf(saved, saved), {});
    assert.deepEqual(patchOf(canary(saved, { seconds: '60', min_requests: '', share: 'x' }), saved), {
        rollout: { canary: { share: 'x', seconds: 60, min_requests: null } },
    });
    assert.deepEqual(patchOf({ ...saved, way: '' }, saved), { rollout: { canary: null } });
    // A shadow takes a canary's place; terms of the one that is not wanted are no change.
    const shadow = { ...saved, way: 'shadow' as const };
    assert.deepEqual(patchOf(shadow, saved), { rollout: { shadow: USUAL_SHADOW } });
    const shadowed = settingsOf({ ...deployment(), rollout: { shadow: { ...USUAL_SHADOW, relative_tolerance: 0.01 } } });
    assert.deepEqual([shadowed.way, shadowed.terms.shadow.relative_tolerance], ['shadow', '0.01']);
    assert.deepEqual(patchOf(canary(shadowed, { share: '1' }), shadowed), {});
    assert.match(effectOf({ version: 'b' }, 'canary'), /begins as a canary/);
    assert.match(effectOf({ hardware: 'b' }, 'shadow'), /begins as a shadow/);
    assert.match(effectOf({ rollout: { canary: null } }), /no release/);
});

test('a shadow says how many answers differ, and in which ways', () => {
    const none = { copied: 0, same: 0, differ: 0, failed: 0, dropped: 0 };
    assert.match(countsText(none), /Nothing/);
    assert.match(countsText({ ...none, copied: 1 }), /being compared/);
    assert.equal(countsText({ ...none, copied: 2, same: 2 }), '2 answers compared: all the same.');
    assert.equal(countsText({ ...none, copied: 9, same: 7, differ: 1 }), '8 answers compared: 7 the same, 1 differs (12.5 %).');
    assert.equal(kindsText({ status: 0, number: 1, text: 2 }), 'another text 2, another number 1');
    assert.equal(dropsText({ busy: 0 }), '');
    assert.match(dropsText({ busy: 3, lost: 1 }), /under way 3, the copy was lost 1/);
    for (const state of ['setting up', 'on', 'over', 'promoted', 'halted', 'past']) assert.match(shadowSentence({ state, release: 2, beside: 1 }, USUAL_SHADOW), /elease 2.*elease 1/);
    const example = { prediction: 'p', at: '', differences: 1, kind: 'text', path: 'output', old: 'cat', new: null, withheld: null, old_seconds: 1, new_seconds: 1 };
    assert.deepEqual([valueText(example, 'old'), valueText(example, 'new')], ['cat', 'nothing']);
    assert.match(valueText({ ...example, old: null, withheld: 'secret' }, 'old'), /secret/);
});

const canary: Canary = {
    state: 'on', release: 2, beside: 1, began_at: '2026-11-23T14:00:00.000Z', until: '2026-11-23T14:10:00.000Z', ended_at: null, why: null,
    new: { requests: 12, ended: 11, errors: 1, median_seconds: 0.9 }, old: { requests: 108, ended: 100, errors: 0, median_seconds: 0.4 },
};

test('a canary says how the new release does beside the old one', () => {
    const [requests, errors, time] = figuresOf(canary, USUAL);
    assert.deepEqual([requests?.fresh, requests?.old, requests?.wrong], ['12, 10 %', '108', false]);
    assert.deepEqual([errors?.fresh, errors?.old, errors?.wrong], ['1 of 11, 9.1 %', '0 of 100, 0 %', true]);
    assert.deepEqual([time?.fresh, time?.old, time?.wrong], ['900 ms, 2.3 times', '400 ms', true]);
    const before = { requests: 0, ended: 0, errors: 0, median_seconds: null };
    assert.deepEqual(figuresOf({ ...canary, new: before, old: before }, USUAL).map((f) => [f.fresh, f.old, f.wrong]),
        [['0', '0', false], ['none ended', 'none ended', false], ['–', '–', false]]);
    assert.match(sentenceOf(canary, USUAL), /^Release 2 has 10 % of the new predictions, release 1 the others/);
    assert.match(sentenceOf({ ...canary, state: 'halted' }, USUAL), /halted; release 1 has all/);
});

test('while a canary goes on, and after its halt, the release before leads', () => {
    const d = { ...deployment(), current_release: release(2, 'b'.repeat(64), 'cpu', 0, 2) };
    assert.equal(leadingRelease(d), 2);
    assert.equal(leadingRelease({ ...d, canary }), 1);
    assert.equal(leadingRelease({ ...d, canary: { ...canary, state: 'halted' } }), 1);
    assert.equal(leadingRelease({ ...d, canary: { ...canary, state: 'promoted' } }), 2);
    const nothing = { ended: 0, errors: 0, median_seconds: null };
    const shadow = {
        state: 'over', release: 2, beside: 1, began_at: null, until: null, ended_at: null, why: null, copied: 0, same: 0, differ: 0, failed: 0, dropped: 0,
        new: nothing, old: nothing,
    } as const;
    assert.equal(leadingRelease({ ...d, shadow }), 1);
    assert.equal(leadingRelease({ ...d, shadow: { ...shadow, state: 'promoted' } }), 2);
});

function step(change: Partial<Step> = {}): Step {
    return {
        start: '2026-11-23T14:00:00.000Z', created: 0, succeeded: 0, failed: 0, canceled: 0, aborted: 0, throughput: 0,
        error_rate: 0, latency: null, wait: null, run: null, queue: { mean: 0, max: 0 },
        instances: { setup: 0, active: 0, idle: 0, draining: 0 }, boots: 0, failed_boots: 0, cold_starts: 0, cost: 0,
        ...change,
    };
}

const spread = { p50: 1, p95: 2, p99: 3, mean: 1.2 };
const ring: Ring = {
    step_seconds: 60,
    steps: [
        step(),
        step({ start: '2026-11-23T14:01:00.000Z', created: 4, succeeded: 3, failed: 1, throughput: 0.0667, error_rate: 0.25,
            latency: spread, wait: spread, queue: { mean: 0.5, max: 2 }, instances: { setup: 0.2, active: 0.5, idle: 0.3, draining: 0 }, cost: 0.5 }),
    ],
};

test('what a deployment did becomes plots: each kind of number has one', () => {
    const plots = Object.fromEntries(plotsOf(ring).map((p) => [p.id, p]));
    assert.deepEqual(Object.keys(plots), ['latency', 'throughput', 'errors', 'wait', 'queue', 'instances', 'cost']);
    assert.deepEqual(plots.latency?.lines.map((l) => l.values), [[null, 1], [null, 2], [null, 3]]);
    // What ended in the present step, which goes on, is not reckoned up to a whole one.
    assert.deepEqual(plots.throughput?.lines[0]?.values, [0, 4]);
    // Without ends there is no rate of errors, which is not the same as none.
    assert.deepEqual(plots.errors?.lines[0]?.values, [null, 0.25]);
    assert.equal(plots.errors?.lines[0]?.whole, '1 of 4, 25 %');
    assert.equal(plots.cost?.lines[0]?.whole, '0.50 in all');
    assert.deepEqual(stacked(plots.instances?.lines ?? []).map((l) => l[1]), [0.5, 0.8, 1, 1]);
    assert.equal(lastText(plots.wait!, plots.wait!.lines[0]!), '1.00 s');
    assert.match(spoken(plots.wait!), /^Wait before the start\. half: last 1\.00 s, at most 1\.00 s; 95 of 100: last 2\.00 s/);
    assert.match(spoken(plotsOf({ ...ring, steps: [step()] })[0]!), /nothing/);
});

test('a time in which nothing happened is told as that', () => {
    assert.equal(isEmpty(ring), false);
    assert.equal(isEmpty({ ...ring, steps: [step(), step()] }), true);
    assert.equal(isEmpty({ ...ring, steps: [step({ instances: { setup: 1, active: 0, idle: 0, draining: 0 } })] }), false);
});

test('decisions within the time shown are marks, oldest first', () => {
    const at = (id: string, time: string): Decision => ({ id, at: time, instances_before: 0, instances_after: 1, cause: 'first', sentence: id });
    const list = [at('c', '2026-11-23T14:01:30.000Z'), at('b', '2026-11-23T14:00:10.000Z'), at('a', '2026-11-23T13:00:00.000Z')];
    assert.deepEqual(marksOf(ring, list).map((d) => d.id), ['b', 'c']);
});

function setting(change: Partial<Setting>): Setting {
    return {
        min_instances: 0, max_instances: 2, target_wait: 30, keep_alive: 'auto', present: false, recommended: false,
        instance_hours: 1, boots: 1, p50: 0, p95: 10, p99: 20, over_target: 0, cost: 1, ...change,
    };
}

test('axes have round numbers and hold the largest value', () => {
    assert.deepEqual(axisOf(9, 5), { most: 10, ticks: [0, 2, 4, 6, 8, 10] });
    assert.deepEqual(axisOf(0.03, 3).ticks, [0, 0.01, 0.02, 0.03]);
    assert.deepEqual(axisOf(0, 5), { most: 1, ticks: [0, 1] });
});

test('settings that came out alike are one point, and what one has speaks for it', () => {
    const { points, x, y } = layOut([
        setting({ p95: 10, cost: 1 }), setting({ p95: 10, cost: 1, present: true, min_instances: 1 }), setting({ p95: 0, cost: 4, recommended: true }),
    ], 500, 200);
    assert.equal(x.most, 10);
    assert.equal(y.most, 4);
    assert.deepEqual(points.map((p) => [p.x, p.y, p.settings.length, p.present, p.recommended]), [[0, 0, 1, false, true], [500, 150, 2, true, false]]);
    assert.equal(pointText(points[1]!), 'what you have: 1–2 instances, wait target 30.0 s, keep-alive auto. 95 of 100 start within 10.0 s; it costs 1.00; 1 more came out alike.');
});

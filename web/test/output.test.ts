// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mediaOf, viewOf } from '../src/output/kind';
import { readLog } from '../src/output/log';
import { emptyStream, nextState, pathOf, type StreamEvent } from '../src/output/stream';
import { phasesOf } from '../src/output/timings';

const FILE = 'http://127.0.0.1:8080/v1/outputs/abc/';

test('an address is a picture, a sound, a film or a file by its ending or its type', () => {
    assert.equal(mediaOf(`${FILE}out.PNG`), 'image');
    assert.equal(mediaOf(`${FILE}a.b.mp3?x=1.png`), 'audio');
    assert.equal(mediaOf('data:video/mp4;base64,AA'), 'video');
    assert.equal(mediaOf(`${FILE}notes.txt`), 'file');
    assert.equal(mediaOf(`${FILE}png`), 'file');
});

test('a stream of texts is one text; lists of files are shown one by one; all else is data', () => {
    const words = { type: 'array', items: { type: 'string' }, 'x-cog-array-display': 'concatenate' };
    assert.deepEqual(viewOf(['a', 'b'], words), { is: 'text', text: 'ab' });
    assert.deepEqual(viewOf(['a', 'b'], { type: 'array', items: { type: 'string' } }), {
        is: 'list', items: [{ is: 'text', text: 'a' }, { is: 'text', text: 'b' }],
    });
    assert.deepEqual(viewOf([`${FILE}a.png`]), {
        is: 'list', items: [{ is: 'media', media: 'image', address: `${FILE}a.png`, name: 'a.png' }],
    });
    assert.deepEqual(viewOf([1, 2]), { is: 'data', value: [1, 2] });
    assert.deepEqual(viewOf(null), { is: 'nothing' });
    assert.deepEqual(viewOf('data:image/jpeg;base64,AA', { format: 'uri' }), {
        is: 'media', media: 'image', address: 'data:image/jpeg;base64,AA', name: 'output.jpg',
    });
    const mixed = { picture: `${FILE}a.png`, score: 1 };
    assert.deepEqual(viewOf(mixed), {
        is: 'list', items: [{ is: 'media', media: 'image', address: `${FILE}a.png`, name: 'a.png' }, { is: 'data', value: mixed }],
    });
});

test('a link in a text is no file, unless the schema says so', () => {
    assert.equal(viewOf('https://example.com/a.png').is, 'text');
    assert.equal(viewOf('https://example.com/a.png', { format: 'uri' }).is, 'media');
    assert.equal(viewOf('not an address', { format: 'uri' }).is, 'text');
    // Where the API tells of a file that was given as an input; the bytes are not there.
    assert.equal(viewOf('http://127.0.0.1:8080/v1/files/01m8').is, 'text');
});

test('a progress bar that was drawn a hundred times is one line', () => {
    const tqdm = Array.from({ length: 101 }, (_, i) => `\rsteps: ${i}%|███   | ${i}/100 [00:01<00:02, 3.6it/s]`).join('');
    const lines = readLog(`loading\n${tqdm}\ndone\n`);
    assert.deepEqual(lines.map((l) => l.text.slice(0, 7)), ['loading', 'steps: ', 'done']);
    assert.deepEqual(lines[1]?.bar, { label: 'steps', percent: 100, detail: '100/100 [00:01<00:02, 3.6it/s]' });
});

test('each state of a bar on its own line is still one bar; a new bar is another', () => {
    const lines = readLog(' 10%|# | 1/10\n 50%|## | 5/10\n100%|###| 10/10\n  0%| | 0/10\nepoch: 5%|# | 1/20\n');
    assert.deepEqual(lines.map((l) => [l.bar?.label, l.bar?.percent]), [['', 100], ['', 0], ['epoch', 5]]);
});

test('other bars are known, text with a percent sign is none, colours are left away', () => {
    assert.equal(readLog('Downloading [=====>    ] 52%')[0]?.bar?.percent, 52);
    assert.deepEqual(readLog('pip ━━━━━━━━ 100% 0:00:00')[0]?.bar, { label: 'pip', percent: 100, detail: '0:00:00' });
    assert.equal(readLog('more than that: ==== 120%')[0]?.bar, undefined);
    assert.equal(readLog(`${' '.repeat(100_000)}5%`)[0]?.bar, undefined);
    assert.equal(readLog('the loss fell by 20% today')[0]?.bar, undefined);
    assert.deepEqual(readLog('\u001b[31mred\u001b[0m\r\nplain\r\n'), [{ text: 'red' }, { text: 'plain' }]);
    assert.deepEqual(readLog(''), []);
});

function play(...events: StreamEvent[]) {
    return events.reduce(nextState, emptyStream);
}

test('pieces of a stream are kept in order until it is done', () => {
    const s = play(
        { type: 'output', id: '1:0', data: 'a' }, { type: 'output', id: '1:1', data: '\nb' },
        { type: 'done', id: '1:2', data: '{}' },
    );
    assert.deepEqual([s.pieces, s.done, s.reason], [['a', '\nb'], true, undefined]);
});

test('a new attempt begins anew', () => {
    const s = play({ type: 'output', id: '1:0', data: 'lost' }, { type: 'output', id: '2:0', data: 'new' });
    assert.deepEqual(s.pieces, ['new']);
});

test('an error and the reason of the end are told', () => {
    const s = play({ type: 'error', id: '1:0', data: '{"detail":"no memory"}' }, { type: 'done', id: '1:1', data: '{"reason":"error"}' });
    assert.deepEqual([s.error, s.reason], ['no memory', 'error']);
    assert.equal(play({ type: 'error', id: '1:0', data: 'broken' }).error, 'broken');
});

test('only the path of a stream is used: the page may have come by another address', () => {
    assert.equal(pathOf('https://berth.example.com/v1/streams/abc?x=1'), '/v1/streams/abc?x=1');
});

const AT = '2026-11-23T14:00:';

test('a prediction waits, then runs', () => {
    const p = { status: 'succeeded', created_at: `${AT}00.000Z`, started_at: `${AT}03.000Z`, completed_at: `${AT}04.000Z` };
    assert.deepEqual(phasesOf(p, 0), [
        { name: 'queue', label: 'Queue', seconds: 3, share: 0.75 }, { name: 'run', label: 'Run', seconds: 1, share: 0.25 },
    ]);
});

test('what it waited for the boot of its instance is shown apart', () => {
    const p = { status: 'succeeded', created_at: `${AT}00.000Z`, started_at: `${AT}08.000Z`, completed_at: `${AT}10.000Z` };
    const phases = phasesOf(p, 0, `${AT}02.000Z`, `${AT}07.000Z`);
    assert.deepEqual(phases.map((x) => [x.name, x.seconds]), [['queue', 3], ['boot', 5], ['run', 2]]);
    // One that was made before the prediction came held it up only from then on.
    assert.deepEqual(phasesOf(p, 0, '2026-11-23T13:59:00.000Z', `${AT}07.000Z`).map((x) => [x.name, x.seconds]), [['queue', 1], ['boot', 7], ['run', 2]]);
});

test('one that goes on is counted up to now', () => {
    const p = { status: 'starting', created_at: `${AT}00.000Z`, started_at: null, completed_at: null };
    assert.deepEqual(phasesOf(p, Date.parse(`${AT}05.000Z`)).map((x) => [x.name, x.seconds]), [['queue', 5]]);
});

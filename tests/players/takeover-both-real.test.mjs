// Two who both really play at a limit of one, and whom nothing in their tokens tells apart, settle at one: whoever came first plays
// on, the other is told why, and stays out.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';

import { startBrowser } from './support/browser.mjs';
import { hasPlayedToItsEnd } from './support/checks.mjs';
import { liveDash, watch } from './support/ffmpeg.mjs';
import { startGateway } from './support/gateway.mjs';
import { House } from './support/processes.mjs';
import { assertIsTermination, assertNothingRefused, SEGMENT, STREAMS, TOKENS, VERIFY } from './support/takeover.mjs';

/** Loads so little ahead that recorded content is asked for as it plays. */
const SHALLOW = { buffer: 4 };
/** What requests may take on a busy machine, in milliseconds. */
const LATENCY = 1_500;

const house = new House();
let gateway;
let open;

before(async () => {
  gateway = await startGateway(house, { limit: 1, streams: STREAMS, dash: await liveDash(house) });
  open = await startBrowser(house);
});
after(() => house.close());

const answered = (log) => log.segments.filter(({ status }) => status < 300);

/** The first plays on, the second was admitted at most for the time of the trial, was told why it ended, and stays out. */
async function assertSettlesAtOne({ subject, first, second }) {
  await second.until('the second is refused', (log) => log.refused.length > 0, 60_000);
  const ended = second.refused[0];
  const began = answered(second)[0];
  if (began) {
    assertIsTermination(ended);
    // It was admitted for a trial. Players that fetch in bursts are told at their next request, and got no media meanwhile.
    const took = answered(second).at(-1).asked - began.asked;
    assert.ok(took <= (VERIFY + SEGMENT) * 1000 + LATENCY, `it got media for ${took} ms:\n${second}`);
  }
  const so_far = answered(first).length;
  await first.until('the first plays on', (log) => answered(log).length >= so_far + 4, 30_000);
  assertNothingRefused(first);
  assert.deepEqual(answered(second.since(ended.asked)), [], 'the second stays out');
  assert.equal((await gateway.account(subject)).holding, 1);
}

/** Two tabs: players, what they play, what tokens say. */
const tabs = [
  ['hls.js', '/live/master.m3u8', 'one token'],
  ['hls.js', '/live/master.m3u8', 'a token for each start'],
  ['shaka', '/live/master.m3u8', 'one token'],
  ['shaka', '/dash/live.mpd', 'a token for each start'],
  ['dash.js', '/dash/live.mpd', 'one token'],
  ['dash.js', '/dash/live.mpd', 'a token for each start'],
];

describe('two who both play at a limit of one', { concurrency: 4 }, () => {
  for (const [nth, [player, asset, tokens]] of tabs.entries()) {
    it(`are two tabs of one browser: one plays on (${player}, ${asset}, ${tokens})`, async () => {
      const { url } = TOKENS[tokens];
      const subject = `tabs-${nth}`;
      const viewer = await gateway.viewer(subject);
      const other = await gateway.viewer(subject, undefined, undefined, 'tv', viewer.token);
      const [tab, second] = [await open(), await open()];
      await tab.play(player, await url(viewer, asset), SHALLOW);
      // Longer than an application takes to ask twice for one start.
      await tab.until('the first plays', ({ advanced }) => advanced > 6);

      await second.play(player, await url(other, asset), SHALLOW);
      await assertSettlesAtOne({ subject, first: viewer.log, second: other.log });
      await tab.close();
      await second.close();
    });
  }

  it('are two tabs with two things recorded', async () => {
    const viewer = await gateway.viewer('recorded');
    const other = await gateway.viewer('recorded', undefined, undefined, 'tv', viewer.token);
    const [tab, second] = [await open(), await open()];
    await tab.play('hls.js', viewer.entry('/vod/master.m3u8'), SHALLOW);
    await tab.until('the first plays', ({ advanced }) => advanced > 1);
    await second.play('hls.js', other.entry('/vod/ts/master.m3u8'), SHALLOW);
    await assertSettlesAtOne({ subject: 'recorded', first: viewer.log, second: other.log });
    await tab.until('the first is seen to its end', hasPlayedToItsEnd);
    await tab.close();
    await second.close();
  });

  it('are two programs with two tokens on one asset behind one address', async () => {
    const [viewer, other] = [await gateway.viewer('programs'), await gateway.viewer('programs')];
    const first = watch(house, viewer.entry('/live/master.m3u8'));
    await first.until(1);
    const second = watch(house, other.entry('/live/master.m3u8'));
    await assertSettlesAtOne({ subject: 'programs', first: viewer.log, second: other.log });
    assert.ok(first.running.runs, first.complaints);
    await Promise.all([first.stop(), second.stop()]);
  });

  it('are two that start in the same second', async () => {
    const viewers = await Promise.all([1, 2].map(() => gateway.viewer('at-once')));
    const players = viewers.map((viewer) => watch(house, viewer.entry('/live/master.m3u8')));
    const logs = viewers.map(({ log }) => log);
    await Promise.any(logs.map((log) => log.until('one is refused', ({ refused }) => refused.length > 0, 60_000)));
    const [second, first] = logs[0].refused.length > 0 ? logs : [logs[1], logs[0]];
    await assertSettlesAtOne({ subject: 'at-once', first, second });
    await Promise.all(players.map((player) => player.stop()));
  });
});

// Three devices of one account that may watch two streams, as people use them.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';

import { startBrowser } from './support/browser.mjs';
import { assertIsRefusal, assertRefused } from './support/checks.mjs';
import { eventually } from './support/eventually.mjs';
import { startGateway } from './support/gateway.mjs';
import { House } from './support/processes.mjs';
import { carriesPlaySession } from './support/watchpoint.mjs';

const LIVE = '/live/master.m3u8';

const house = new House();
let gateway;
let open;

before(async () => {
  gateway = await startGateway(house, { limit: 2, streams: { reserve: '5s', idle: { min: '3s', max: '5s' } } });
  open = await startBrowser(house);
});
after(() => house.close());

/** Two devices of the account play the live channel: one with each player. */
async function twoPlay(subject) {
  return Promise.all([['hls.js', 'tv-1'], ['shaka', 'tv-2']].map(async ([player, device]) => {
    const viewer = await gateway.viewer(subject, device);
    const page = await open();
    await page.play(player, viewer.entry(LIVE));
    await page.until(`${device} plays`, ({ advanced }) => advanced > 0);
    return { page, log: viewer.log };
  }));
}

describe('the third device', { concurrency: 2 }, () => {
  for (const player of ['hls.js', 'shaka']) {
    it(`is refused while two play, and a page on another origin can read why (${player})`, async () => {
      const subject = `refused-${player}`;
      const playing = await twoPlay(subject);
      const third = await gateway.viewer(subject, 'tv-3');
      const page = await open();
      await page.play(player, third.entry(LIVE));

      const { errors } = await page.report();
      const refusal = errors.find(({ status }) => status === 403);
      assert.ok(refusal?.fatal, `the player reports the refusal: ${JSON.stringify(errors)}`);
      assertIsRefusal({ ...refusal, holders: ['tv-1', 'tv-2'] });

      // It took nothing from the two others.
      for (const { page, log } of playing) {
        const { advanced } = await page.report();
        await page.until('the others play on', (report) => report.advanced > advanced + 4);
        assert.deepEqual(log.refused, []);
      }
      assert.deepEqual(third.log.segments, [], 'the refused device got no media');
      for (const viewer of [...playing.map(({ page }) => page), page]) await viewer.close();
    });
  }

  it('is admitted within the idle window after one stops', async () => {
    const subject = 'admitted';
    const [first, second] = await twoPlay(subject);
    await assertRefused(gateway, { subject, device: 'tv-3', asset: LIVE, holders: ['tv-1', 'tv-2'] });
    const third = await gateway.viewer(subject, 'tv-3');
    const page = await open();

    await first.page.close();
    await eventually('the third device is admitted', async () => {
      await page.play('hls.js', third.entry(LIVE));
      return (await page.report()).errors.length === 0;
    }, { within: 15_000, every: 500 });
    await page.until('the third device plays', ({ advanced }) => advanced > 2);

    assert.deepEqual(second.log.refused, [], 'the second device noticed nothing');
    await assertRefused(gateway, { subject, device: 'tv-4', asset: LIVE, holders: ['tv-2', 'tv-3'] });
    await second.page.close();
    await page.close();
  });
});

describe('zapping', () => {
  it('through twenty assets on one device is never refused, although the account has no second slot free', async () => {
    const subject = 'zapping';
    const other = await gateway.viewer(subject, 'tv-2');
    const otherPage = await open();
    await otherPage.play('hls.js', other.entry(LIVE));
    await otherPage.until('the other device plays', ({ advanced }) => advanced > 0);

    const viewer = await gateway.viewer(subject, 'tv-1');
    const page = await open();
    const assets = ['/vod/master.m3u8', LIVE, '/vod/ts/master.m3u8'];
    for (let zap = 0; zap < 20; zap += 1) {
      await page.play('hls.js', viewer.entry(assets[zap % assets.length]));
      const { errors } = await page.report();
      assert.deepEqual(errors.filter(({ status }) => status === 403), [], `zap ${zap}`);
    }
    await page.until('the last one plays', ({ advanced }) => advanced > 4);

    assert.equal(viewer.log.entries.length, 20);
    assert.deepEqual(viewer.log.entries.filter(({ status }) => status !== 200), []);
    assert.ok(viewer.log.segments.length > 0 && viewer.log.segments.every(carriesPlaySession));
    assert.deepEqual(other.log.refused, [], 'the other device noticed nothing');
    await assertRefused(gateway, { subject, device: 'tv-3', asset: LIVE, holders: ['tv-1', 'tv-2'] });
    await page.close();
    await otherPage.close();
  });
});

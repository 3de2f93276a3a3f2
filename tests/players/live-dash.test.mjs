// A live DASH channel that ffmpeg makes, on an origin of its own, played through the gateway.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';

import { startBrowser } from './support/browser.mjs';
import { assertPlayedUnderItsPlaySession, assertRefused } from './support/checks.mjs';
import { DASH_WINDOW, liveDash, watch } from './support/ffmpeg.mjs';
import { startGateway } from './support/gateway.mjs';
import { House } from './support/processes.mjs';

const ASSET = '/dash/live.mpd';
const TWO_WINDOWS = 2 * DASH_WINDOW.segments * DASH_WINDOW.seconds;

const house = new House();
let gateway;
let open;

before(async () => {
  gateway = await startGateway(house, { limit: 1, dash: await liveDash(house) });
  open = await startBrowser(house);
});
after(() => house.close());

describe('live DASH', { concurrency: true }, () => {
  it('is played by ffmpeg for more than two windows, and meanwhile a second device is refused', async () => {
    const viewer = await gateway.viewer('dash-ffmpeg', 'tv-1');
    const player = watch(house, viewer.entry(ASSET), { seconds: TWO_WINDOWS + 2 });
    await player.until(2);
    await assertRefused(gateway, { subject: 'dash-ffmpeg', device: 'tv-2', asset: ASSET, holders: ['tv-1'] });

    assert.equal(await player.ended, 0, player.complaints);
    assert.ok(player.seconds > TWO_WINDOWS, `${player.seconds} s are decoded`);
    assertPlayedUnderItsPlaySession(viewer.log, { atLeast: 2 * DASH_WINDOW.segments });
  });

  it('is played by Shaka for more than two windows, and meanwhile a second device is refused', async () => {
    const viewer = await gateway.viewer('dash-shaka', 'tv-1');
    const page = await open();
    await page.play('shaka', viewer.entry(ASSET));
    await page.until('Shaka starts', ({ advanced }) => advanced > 0);
    await assertRefused(gateway, { subject: 'dash-shaka', device: 'tv-2', asset: ASSET, holders: ['tv-1'] });

    await page.until('two windows are played', ({ advanced }) => advanced > TWO_WINDOWS + 2);
    assertPlayedUnderItsPlaySession(viewer.log, { atLeast: 2 * DASH_WINDOW.segments });
    await page.close();
  });
});

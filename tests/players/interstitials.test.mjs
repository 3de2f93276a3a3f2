// hls.js plays the advertisement that an asset list names: with the play session of the film.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';

import { startBrowser } from './support/browser.mjs';
import { startGateway } from './support/gateway.mjs';
import { startInterstitials } from './support/interstitials.mjs';
import { House } from './support/processes.mjs';
import { carriesPlaySession } from './support/watchpoint.mjs';

const house = new House();
let gateway;
let open;

before(async () => {
  gateway = await startGateway(house, { limit: 1, dash: await startInterstitials(house) });
  open = await startBrowser(house);
});
after(() => house.close());

describe('HLS interstitials', () => {
  it('are played under the play session of the film', async () => {
    const { log, entry } = await gateway.viewer('interstitials', 'tv-1');
    const page = await open();
    await page.play('hls.js', entry('/dash/film/master.m3u8'));
    const asked = (part) => log.answers.filter(({ path, status }) => path.includes(part) && status === 200);
    await log.until('the advertisement is fetched to its end', () => asked('/dash/ad/video-2.m4s').length > 0, 30_000);
    assert.deepEqual(log.answers.slice(1).filter((answer) => !carriesPlaySession(answer)), []);
    assert.deepEqual(log.answers.filter(({ status }) => status >= 400), []);
    assert.equal(asked('/dash/film/list.json').length, 1);
    await page.close();
  });
});

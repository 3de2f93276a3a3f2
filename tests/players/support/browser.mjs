// hls.js, Shaka, dash.js and video.js in headless Chromium, on pages of another origin than the gateway's.

import { readFile } from 'node:fs/promises';
import http from 'node:http';
import { createRequire } from 'node:module';

import { chromium } from 'playwright-core';

import { eventually, GiveUp } from './eventually.mjs';

const require = createRequire(import.meta.url);

/** What the page server has, by path. */
const FILES = {
  '/': [new URL('page/index.html', import.meta.url), 'text/html; charset=utf-8'],
  '/page.js': [new URL('page/page.js', import.meta.url), 'text/javascript'],
  '/hls.js': [require.resolve('hls.js/dist/hls.min.js'), 'text/javascript'],
  '/dash.js': [require.resolve('dashjs'), 'text/javascript'],
  '/video.js': [require.resolve('video.js/dist/video.min.js'), 'text/javascript'],
  '/shaka.js': [require.resolve('shaka-player/dist/shaka-player.compiled.js'), 'text/javascript'],
};

/** Starts Chromium and the page server; returns a function that opens a page with a player on it. */
export async function startBrowser(house) {
  const pages = await house.listen(http.createServer(async (request, response) => {
    const [file, type] = FILES[request.url] ?? [];
    if (!file) response.writeHead(404).end();
    else response.writeHead(200, { 'content-type': type }).end(await readFile(file));
  }));
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM_BIN ?? '/usr/bin/chromium',
    args: [
      '--headless=new', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-sync',
      '--disable-background-networking', '--disable-component-update', '--autoplay-policy=no-user-gesture-required',
    ],
  });
  house.atEnd(() => browser.close());
  return async () => {
    // A context of its own: no cache and no connection is shared with another viewer.
    const context = await browser.newContext({ ignoreHTTPSErrors: true });
    const page = await context.newPage();
    await page.goto(pages);
    return new Player(page, context);
  };
}

/** A page with one player. */
class Player {
  constructor(page, context) {
    this.page = page;
    this.context = context;
  }

  /**
   * Starts `url` in place of what plays now; resolves when its entry manifest was read or refused.
   *
   * @param {'hls.js' | 'shaka' | 'dash.js' | 'video.js'} player
   * @param {string} url
   * @param {{buffer?: number}} [options] `buffer`: seconds that the player loads ahead, if not its default
   */
  async play(player, url, options = {}) {
    return this.page.evaluate((args) => window.play(...args), [player, url, options]);
  }

  /** The viewer presses pause. */
  async pause() {
    return this.page.evaluate(() => window.pause());
  }

  /** The viewer goes on after a pause. */
  async resume() {
    return this.page.evaluate(() => window.resume());
  }

  /** The viewer reloads the page: nothing plays on it until the next `play`. */
  async reload() {
    await this.page.reload();
  }

  /**
   * What the page knows of its player.
   * @returns {Promise<{ended: boolean, time: number, advanced: number, errors: {fatal: boolean, details: string,
   *   status?: number, type?: string, body?: string}[]}>}
   */
  async report() {
    return this.page.evaluate(() => window.report());
  }

  /** Waits until the report satisfies `condition`; a fatal error ends the waiting. */
  async until(what, condition, within = 60_000) {
    let report;
    await eventually(what, async () => {
      report = await this.report();
      if (condition(report)) return true;
      if (report.errors.some(({ fatal }) => fatal)) throw new GiveUp(`${what}: the player gave up: ${JSON.stringify(report)}`);
      return false;
    }, { within }).catch((error) => {
      if (error instanceof GiveUp) throw error;
      throw new Error(`${error.message}: ${JSON.stringify(report)}`);
    });
    return report;
  }

  /** The viewer leaves. */
  async close() {
    await this.context.close();
  }
}

// ffmpeg as a player, and as the maker of live DASH.

import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import http from 'node:http';
import path from 'node:path';
import { pipeline } from 'node:stream';

import { eventually, GiveUp } from './eventually.mjs';

/** ffmpeg decoding what a URL plays, as fast as it would be watched. */
class Watching {
  constructor(running) {
    this.running = running;
    /** Resolves with the exit code. */
    this.ended = running.ended;
  }

  /** Seconds of media decoded so far. */
  get seconds() {
    const last = this.running.stdout.match(/out_time_us=(\d+)/g)?.at(-1);
    return last ? Number(last.split('=')[1]) / 1e6 : 0;
  }

  /** What ffmpeg complained about. */
  get complaints() {
    return this.running.stderr;
  }

  /** Waits until it has decoded this many seconds. */
  async until(seconds) {
    await eventually(`ffmpeg decodes ${seconds} s`, () => {
      if (this.seconds >= seconds) return true;
      if (!this.running.runs) throw new GiveUp(`ffmpeg ended with ${this.running.code} after ${this.seconds} s: ${this.complaints}`);
      return false;
    }, { within: 30_000 + seconds * 2000 });
  }

  stop() {
    return this.running.stop();
  }
}

/**
 * Plays `url` in real time, for at most `seconds` of media if given, under the name of another player if given, with these
 * header fields on every request if given.
 */
export function watch(house, url, { seconds, agent, headers = {} } = {}) {
  const fields = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`).join('');
  const limit = seconds ? ['-t', String(seconds)] : [];
  return new Watching(house.start('ffmpeg', [
    '-hide_banner', '-v', 'error', '-nostdin', '-nostats', '-stats_period', '0.2', '-progress', 'pipe:1',
    ...(agent ? ['-user_agent', agent] : []), ...(fields ? ['-headers', fields] : []), '-re', '-i', url, ...limit, '-f', 'null', '-',
  ]));
}

/** The window that `liveDash` keeps: segments and their length in seconds. */
export const DASH_WINDOW = { segments: 5, seconds: 2 };

/** How many segments a SegmentTimeline lists: each S is one, and as many more as its r says. */
function segmentsOf(timeline) {
  return (timeline.match(/<S [^>]*>/g) ?? []).reduce((sum, entry) => sum + 1 + Number(entry.match(/ r="(\d+)"/)?.[1] ?? 0), 0);
}

/** Starts a live DASH channel of ffmpeg's own making; returns the host:port that serves /dash/live.mpd. */
export async function liveDash(house) {
  const folder = await house.folder();
  const maker = house.start('ffmpeg', [
    '-hide_banner', '-v', 'error', '-nostdin',
    '-re', '-f', 'lavfi', '-i', 'testsrc2=size=160x90:rate=10', '-re', '-f', 'lavfi', '-i', 'sine=sample_rate=48000',
    '-c:v', 'libx264', '-profile:v', 'baseline', '-preset', 'ultrafast', '-tune', 'zerolatency', '-pix_fmt', 'yuv420p',
    '-g', String(10 * DASH_WINDOW.seconds), '-keyint_min', String(10 * DASH_WINDOW.seconds), '-sc_threshold', '0',
    '-b:v', '40k', '-c:a', 'aac', '-ac', '1', '-b:a', '24k',
    '-f', 'dash', '-seg_duration', String(DASH_WINDOW.seconds), '-window_size', String(DASH_WINDOW.segments),
    '-extra_window_size', '5', '-ldash', '0', '-use_template', '1', '-use_timeline', '1',
    '-adaptation_sets', 'id=0,streams=v id=1,streams=a', path.join(folder, 'live.mpd'),
  ]);
  const server = http.createServer(async (request, response) => {
    const name = path.basename(request.url.split('?')[0]);
    const file = path.join(folder, name);
    const size = await stat(file).then((found) => found.size, () => undefined);
    if (!request.url.startsWith('/dash/') || size === undefined) {
      response.writeHead(404, { 'access-control-allow-origin': '*' }).end();
      return;
    }
    response.writeHead(200, {
      'content-type': name.endsWith('.mpd') ? 'application/dash+xml' : 'video/mp4',
      'content-length': size,
      'access-control-allow-origin': '*',
    });
    if (request.method === 'HEAD') response.end();
    // Never more than the announced size: the maker may be writing. A player that goes away is no failure.
    else pipeline(createReadStream(file, { end: Math.max(0, size - 1) }), response, () => {});
  });
  const url = await house.listen(server);
  await eventually('ffmpeg publishes a whole window', async () => {
    if (!maker.runs) throw new GiveUp(`ffmpeg ended with ${maker.code}: ${maker.stderr}`);
    const mpd = await (await fetch(`${url}/dash/live.mpd`)).text();
    const timelines = mpd.match(/<SegmentTimeline>[^]*?<\/SegmentTimeline>/g) ?? [];
    return timelines.length === 2 && timelines.every((timeline) => segmentsOf(timeline) >= DASH_WINDOW.segments);
  }, { within: 60_000 });
  return new URL(url).host;
}

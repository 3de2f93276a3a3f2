// DASH in every way in which an MPD can say where its media is, on an origin of its own.

import { readFile } from 'node:fs/promises';
import http from 'node:http';
import path from 'node:path';

/** Seconds of one segment, of what is on demand, and of the window of a live channel. */
export const SEGMENT = 2;
const ON_DEMAND = 8;
const WINDOW = 10;
const LIVE = 90;

const TRACKS = {
  video: 'mimeType="video/mp4" codecs="avc1.42c00a" width="160" height="90"',
  audio: 'mimeType="audio/mp4" codecs="mp4a.40.2" audioSamplingRate="48000"',
};
const NAMESPACES = 'xmlns="urn:mpeg:dash:schema:mpd:2011" profiles="urn:mpeg:dash:profile:full:2011"';

const both = (write) => Object.keys(TRACKS).map(write).join('');

/** One adaptation set and its representation, with what is given to each. */
const set = (track, { inSet = '', inRepresentation = '' }) =>
  `<AdaptationSet ${TRACKS[track]}>${inSet}<Representation id="${track}" bandwidth="60000">${inRepresentation}</Representation></AdaptationSet>`;

const numbered = (track, { directory = '', from = 1, start = 0 } = {}) =>
  `<SegmentTemplate timescale="1" duration="${SEGMENT}" startNumber="${from}" presentationTimeOffset="${start}"`
  + ` initialization="${directory}${track}-init.mp4" media="${directory}${track}-$Number$.m4s"/>`;

const timed = ({ timescale, segments }, track, first, last) => {
  const listed = segments.slice(first, last);
  return `<SegmentTemplate timescale="${timescale}" initialization="${track}-init.mp4" media="${track}-t$Time$.m4s"><SegmentTimeline>`
    + `${listed.map(({ time, duration }) => `<S t="${time}" d="${duration}"/>`).join('')}</SegmentTimeline></SegmentTemplate>`;
};

const list = ({ timescale, init }, inner, byRange) =>
  `<SegmentList timescale="${timescale}" duration="${SEGMENT * timescale}">${byRange ? `<Initialization range="${init.join('-')}"/>` : ''}${inner}</SegmentList>`;

const period = (inner, attributes = 'start="PT0S"') => `<Period ${attributes}>${inner}</Period>`;

/** How an MPD on demand addresses its media, and below which folder of its own that lies. */
const ON_DEMAND_SCHEMES = {
  number: () => period(both((track) => set(track, { inSet: numbered(track) }))),
  time: (media) => period(both((track) => set(track, { inSet: timed(media[track], track, 0, ON_DEMAND / SEGMENT) }))),
  list: (media) => period(both((track) => set(track, { inRepresentation: list(media[track],
    `<Initialization sourceURL="${track}-init.mp4"/>${media[track].segments.slice(0, 4).map((_, n) => `<SegmentURL media="${track}-${n + 1}.m4s"/>`).join('')}`) }))),
  ranges: (media) => period(both((track) => set(track, { inRepresentation: `<BaseURL>${track}.mp4</BaseURL>${list(media[track],
    media[track].segments.slice(0, 4).map(({ range }) => `<SegmentURL mediaRange="${range.join('-')}"/>`).join(''), true)}` }))),
  single: (media) => period(both((track) => set(track, { inRepresentation:
    `<BaseURL>${track}.mp4</BaseURL><SegmentBase timescale="${media[track].timescale}" indexRange="${media[track].index.join('-')}"><Initialization range="${media[track].init.join('-')}"/></SegmentBase>` }))),
  representation: () => period(both((track) => set(track, { inRepresentation: `<BaseURL>r/</BaseURL>${numbered(track)}` }))),
  nested: () => period(`<BaseURL>p/</BaseURL>${both((track) => set(track, {
    inSet: '<BaseURL>s/</BaseURL>', inRepresentation: `<BaseURL>r/</BaseURL>${numbered(track)}`,
  }))}`),
  periods: () => [0, 1].map((nth) => period(
    `<BaseURL>p${nth}/</BaseURL>${both((track) => set(track, { inSet: numbered(track, { from: 1 + 2 * nth, start: 4 * nth }) }))}`,
    `id="${nth}" start="PT${4 * nth}S" duration="PT4S"`,
  )).join(''),
  rooted: () => period(both((track) => set(track, { inSet: numbered(track, { directory: '/dash/rooted/' }) }))),
  'rooted-base': () => `<BaseURL>/dash/rooted-base/b/</BaseURL>${period(both((track) => set(track, { inRepresentation: `<BaseURL>r/</BaseURL>${numbered(track)}` })))}`,
  'absolute-base': (_, site) => `<BaseURL>${site}/dash/absolute-base/b/</BaseURL>${period(both((track) => set(track, { inRepresentation: `<BaseURL>r/</BaseURL>${numbered(track)}` })))}`,
  'relative-base': () => `<BaseURL>b/</BaseURL>${period(both((track) => set(track, { inSet: numbered(track) })))}`,
  query: () => period(both((track) => set(track, { inSet:
    `<SegmentTemplate timescale="1" duration="${SEGMENT}" startNumber="1" initialization="?file=${track}-init.mp4" media="?file=${track}-$Number$.m4s"/>` }))),
};

/** The same of channels: what is in the window at a time, in segments of the whole. */
const LIVE_SCHEMES = {
  'live-number': () => period(both((track) => set(track, { inSet: numbered(track) })), 'id="0" start="PT0S"'),
  'live-time': (media, first, last) => period(both((track) => set(track, { inSet: timed(media[track], track, first, last) })), 'id="0" start="PT0S"'),
  'live-representation': (media, first, last) => period(both((track) => set(track, {
    inRepresentation: `<BaseURL>r/</BaseURL>${timed(media[track], track, first, last)}`,
  })), 'id="0" start="PT0S"'),
  'live-location': (media, first, last, site, name) => `<Location>${site}${name}?from=location</Location>${LIVE_SCHEMES['live-time'](media, first, last)}`,
};

/** In which folder below its MPD's a scheme has its media. */
const FOLDERS = {
  representation: /^r\/$/, nested: /^p\/s\/r\/$/, periods: /^p[01]\/$/, 'rooted-base': /^b\/r\/$/, 'absolute-base': /^b\/r\/$/, 'relative-base': /^b\/$/, 'live-representation': /^r\/$/,
};

/** What can be played on demand, and what live. */
export const STATIC = Object.keys(ON_DEMAND_SCHEMES);
export const DYNAMIC = Object.keys(LIVE_SCHEMES);

/** Boxes of an ISO file, of one level. */
function* boxes(file) {
  for (let at = 0; at < file.length;) {
    const size = file.readUInt32BE(at);
    yield { type: file.toString('latin1', at + 4, at + 8), at, end: at + size };
    at += size;
  }
}

/** Where a file of one track has its parts, and when they are shown (ISO/IEC 14496-12 §8.16.3). */
function indexed(file) {
  const all = [...boxes(file)];
  const sidx = all.find(({ type }) => type === 'sidx');
  const moov = all.find(({ type }) => type === 'moov');
  const long = file.readUInt8(sidx.at + 8) === 1;
  const timescale = file.readUInt32BE(sidx.at + 16);
  let time = long ? Number(file.readBigUInt64BE(sidx.at + 20)) : file.readUInt32BE(sidx.at + 20);
  let from = sidx.end + (long ? Number(file.readBigUInt64BE(sidx.at + 28)) : file.readUInt32BE(sidx.at + 24));
  const segments = [];
  for (let entry = sidx.at + (long ? 40 : 32); entry < sidx.end; entry += 12) {
    const [size, duration] = [file.readUInt32BE(entry) & 0x7fffffff, file.readUInt32BE(entry + 4)];
    segments.push({ time, duration, range: [from, from + size - 1] });
    time += duration;
    from += size;
  }
  return { file, timescale, init: [0, moov.end - 1], index: [sidx.at, sidx.end - 1], segments };
}

/** Makes so many seconds of media: two tracks, each a file with an index. */
export async function make(house, seconds) {
  const folder = await house.folder();
  const maker = house.start('ffmpeg', [
    '-hide_banner', '-v', 'error', '-nostdin', '-f', 'lavfi', '-i', 'testsrc2=size=160x90:rate=10', '-f', 'lavfi', '-i', 'sine=sample_rate=48000',
    '-t', String(seconds), '-c:v', 'libx264', '-profile:v', 'baseline', '-preset', 'ultrafast', '-tune', 'zerolatency', '-pix_fmt', 'yuv420p',
    '-g', String(10 * SEGMENT), '-keyint_min', String(10 * SEGMENT), '-sc_threshold', '0', '-b:v', '40k', '-c:a', 'aac', '-ac', '1', '-b:a', '24k',
    '-f', 'dash', '-seg_duration', String(SEGMENT), '-single_file', '1', '-single_file_name', '$RepresentationID$.mp4', '-global_sidx', '1',
    '-adaptation_sets', 'id=0,streams=v id=1,streams=a', path.join(folder, 'made.mpd'),
  ]);
  if (await maker.ended !== 0) throw new Error(`ffmpeg made no media: ${maker.stderr}`);
  const [video, audio] = await Promise.all(['0.mp4', '1.mp4'].map((name) => readFile(path.join(folder, name))));
  return { video: indexed(video), audio: indexed(audio) };
}

/** The bytes that a name stands for. */
export function content(media, name) {
  const [, track, what] = name.match(/^(video|audio)(?:-(init|t?\d+))?\.(?:mp4|m4s)$/) ?? [];
  if (!track) return undefined;
  const { file, init, segments } = media[track];
  if (!what) return file;
  const segment = what.startsWith('t') ? segments.find(({ time }) => time === Number(what.slice(1))) : segments[Number(what) - 1];
  const [from, to] = what === 'init' ? init : segment?.range ?? [];
  return to && file.subarray(from, to + 1);
}

/** Starts the origin of `/dash/SCHEME/manifest.mpd` and of `/dash/SCHEME/CHANNEL/manifest.mpd`, whose channels begin when first asked for. */
export async function startAddressing(house) {
  // ffmpeg asks for what follows the last segment that is numbered.
  const [film, channelMedia] = [await make(house, ON_DEMAND + 2 * SEGMENT), await make(house, LIVE)];
  const begun = new Map();
  const server = http.createServer((request, response) => {
    const url = new URL(request.url, 'http://origin');
    const [, scheme, rest] = url.pathname.match(/^\/dash\/([^/]+)\/(.*)$/) ?? [];
    const live = scheme in LIVE_SCHEMES;
    const file = live ? rest.replace(/^[^/]+\//, '') : rest;
    const cors = { 'access-control-allow-origin': '*', 'access-control-expose-headers': 'date' };
    if (file === 'manifest.mpd' && !url.searchParams.has('file')) {
      const site = `http://${request.headers.host}`;
      const text = live ? channelMpd(scheme, site, url.pathname) : onDemandMpd(scheme, site);
      response.writeHead(200, { ...cors, 'content-type': 'application/dash+xml' }).end(text);
      return;
    }
    const [, folder, name] = file?.match(/^(.*?)([^/]*)$/) ?? [];
    const media = live ? channelMedia : film;
    const bytes = scheme === 'query' ? file === 'manifest.mpd' && content(media, url.searchParams.get('file') ?? '')
      : (FOLDERS[scheme] ?? /^$/).test(folder) ? content(media, name) : undefined;
    if (!bytes) {
      response.writeHead(404, cors).end();
      return;
    }
    const [, from, to] = request.headers.range?.match(/^bytes=(\d+)-(\d*)$/) ?? [];
    const part = from === undefined ? bytes : bytes.subarray(Number(from), to ? Number(to) + 1 : bytes.length);
    response.writeHead(from === undefined ? 200 : 206, {
      ...cors, 'content-type': 'video/mp4', 'content-length': part.length, 'accept-ranges': 'bytes',
      ...(from !== undefined && { 'content-range': `bytes ${from}-${Number(from) + part.length - 1}/${bytes.length}` }),
    });
    response.end(request.method === 'HEAD' ? undefined : part);
  });

  function onDemandMpd(scheme, site) {
    return `<?xml version="1.0" encoding="utf-8"?>\n<MPD ${NAMESPACES} type="static" minBufferTime="PT2S" mediaPresentationDuration="PT${ON_DEMAND}S">\n`
      + `${ON_DEMAND_SCHEMES[scheme](film, site)}\n</MPD>\n`;
  }

  function channelMpd(scheme, site, name) {
    if (!begun.has(name)) begun.set(name, Date.now() - 1000 * (WINDOW + SEGMENT));
    const last = Math.floor((Date.now() - begun.get(name)) / 1000 / SEGMENT);
    const iso = (time) => new Date(time).toISOString();
    return `<?xml version="1.0" encoding="utf-8"?>\n<MPD ${NAMESPACES} type="dynamic" minBufferTime="PT2S" minimumUpdatePeriod="PT${SEGMENT}S"`
      + ` timeShiftBufferDepth="PT${WINDOW}S" suggestedPresentationDelay="PT${2 * SEGMENT}S" availabilityStartTime="${iso(begun.get(name))}" publishTime="${iso(Date.now())}">\n`
      + `${LIVE_SCHEMES[scheme](channelMedia, last - WINDOW / SEGMENT, last, site, name)}\n</MPD>\n`;
  }

  return new URL(await house.listen(server)).host;
}

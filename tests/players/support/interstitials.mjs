// A film in HLS with an advertisement in the middle, which an asset list names (draft-pantos-hls-rfc8216bis §D.2).

import http from 'node:http';
import path from 'node:path';

import { content, make, SEGMENT } from './addressing.mjs';

const playlist = (segments, inner = '') => `#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:3\n#EXT-X-PLAYLIST-TYPE:VOD\n`
  + `#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:00.000Z\n${inner}#EXT-X-MAP:URI="video-init.mp4"\n`
  + `${segments.map((nth) => `#EXTINF:${SEGMENT},\nvideo-${nth}.m4s\n`).join('')}#EXT-X-ENDLIST\n`;

const FILES = {
  '/dash/film/master.m3u8': [
    '#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=60000,CODECS="avc1.42c00a",RESOLUTION=160x90\nmain.m3u8\n', 'application/vnd.apple.mpegurl',
  ],
  '/dash/film/main.m3u8': [playlist([1, 2, 3], '#EXT-X-DATERANGE:ID="ad",CLASS="com.apple.hls.interstitial",'
    + 'START-DATE="2026-01-01T00:00:02.000Z",DURATION=4,X-ASSET-LIST="/dash/film/list.json",X-RESUME-OFFSET=0\n'), 'application/vnd.apple.mpegurl'],
  '/dash/film/list.json': [JSON.stringify({ ASSETS: [{ URI: 'http://HOST/dash/ad/main.m3u8', DURATION: 4 }] }), 'application/json'],
  '/dash/ad/main.m3u8': [playlist([1, 2]), 'application/vnd.apple.mpegurl'],
};

/** Starts the origin of `/dash/film/master.m3u8`; returns its host:port. */
export async function startInterstitials(house) {
  const media = await make(house, 6);
  const server = http.createServer((request, response) => {
    const [file] = request.url.split('?');
    const [body, type] = FILES[file] ?? [content(media, path.basename(file)), 'video/mp4'];
    // hls.js takes a path for one of its page's host.
    const written = typeof body === 'string' ? body.replace('HOST', request.headers.host) : body;
    if (body) response.writeHead(200, { 'content-type': type, 'access-control-allow-origin': '*' }).end(written);
    else response.writeHead(404, { 'access-control-allow-origin': '*' }).end();
  });
  return new URL(await house.listen(server)).host;
}

// One video element and the player that feeds it: what an application does with hls.js, Shaka, dash.js or video.js, and no more.

let video = document.querySelector('video');
let player;
let state;

const starts = {
  async 'hls.js'(url, { buffer } = {}) {
    const hls = new Hls(buffer ? { maxBufferLength: buffer, maxMaxBufferLength: buffer } : {});
    const read = new Promise((resolve) => {
      hls.on(Hls.Events.MANIFEST_PARSED, resolve);
      hls.on(Hls.Events.ERROR, (_, error) => {
        const request = error.networkDetails;
        state.errors.push({
          fatal: error.fatal,
          details: error.details,
          status: error.response?.code,
          type: request?.getResponseHeader?.('content-type') ?? undefined,
          body: typeof request?.response === 'string' ? request.response : undefined,
        });
        if (error.fatal) resolve();
      });
    });
    hls.loadSource(url);
    hls.attachMedia(video);
    player = { destroy: () => hls.destroy() };
    await read;
  },

  async shaka(url, { buffer } = {}) {
    shaka.polyfill.installAll();
    const instance = new shaka.Player();
    if (buffer) instance.configure('streaming.bufferingGoal', buffer);
    player = { destroy: () => instance.destroy() };
    const report = (error) => {
      const http = error.code === shaka.util.Error.Code.BAD_HTTP_STATUS;
      const [, status, body, headers] = http ? error.data : [];
      state.errors.push({
        fatal: error.severity === shaka.util.Error.Severity.CRITICAL,
        details: `Shaka ${error.code}`,
        status,
        type: headers?.['content-type'],
        body,
      });
    };
    instance.addEventListener('error', ({ detail }) => report(detail));
    await instance.attach(video);
    await instance.load(url).catch(report);
  },

  async 'dash.js'(url, { buffer } = {}) {
    const instance = dashjs.MediaPlayer().create();
    player = { destroy: () => instance.destroy() };
    const { ERROR, STREAM_INITIALIZED } = dashjs.MediaPlayer.events;
    const read = new Promise((resolve) => {
      instance.on(STREAM_INITIALIZED, resolve);
      instance.on(ERROR, ({ error }) => {
        state.errors.push({ fatal: true, details: `dash.js ${error.code}: ${error.message}`, status: error.data?.response?.status });
        resolve();
      });
    });
    instance.updateSettings({
      streaming: {
        // Its clock is the origin's.
        utcSynchronization: { enabled: false },
        // Far enough behind the live edge of a channel whose segments take two seconds.
        delay: { useSuggestedPresentationDelay: false, liveDelay: 6 },
        ...(buffer && { buffer: { bufferTimeDefault: buffer, bufferTimeAtTopQuality: buffer, bufferTimeAtTopQualityLongForm: buffer } }),
      },
    });
    // Told to play before its stream is initialised, it would never refresh the manifest.
    instance.initialize(video, url, true);
    await read;
  },

  async 'video.js'(url) {
    // It removes its element when it is disposed of.
    const element = video.cloneNode();
    document.body.append(element);
    // It loads nothing of a channel before it plays.
    const instance = videojs(element, { autoplay: true, html5: { vhs: { overrideNative: true } }, errorDisplay: false });
    player = {
      destroy() {
        instance.dispose();
        video = document.querySelector('video');
      },
    };
    const read = new Promise((resolve) => {
      instance.on('loadedmetadata', resolve);
      instance.on('error', () => {
        const { code, message, status } = instance.error();
        state.errors.push({ fatal: true, details: `video.js ${code}: ${message}`, status });
        resolve();
      });
    });
    instance.src({ src: url, type: url.includes('.mpd') ? 'application/dash+xml' : 'application/vnd.apple.mpegurl' });
    await new Promise((ready) => { instance.ready(ready); });
    video = instance.tech({ IWillNotUseThisInPlugins: true }).el();
    listen();
    await read;
  },
};

window.play = async (name, url, options) => {
  await player?.destroy();
  state = { errors: [], ended: false, from: undefined };
  await starts[name](url, options);
  // Refused or replaced by another source before it could start: the report says which.
  video.play().catch(() => {});
};

window.report = () => ({
  errors: state.errors,
  ended: state.ended,
  time: video.currentTime,
  advanced: state.from === undefined ? 0 : video.currentTime - state.from,
  // What a player that stands still waits for.
  paused: video.paused,
  readyState: video.readyState,
  duration: video.duration,
  buffered: Array.from({ length: video.buffered.length }, (_, nth) => [video.buffered.start(nth), video.buffered.end(nth)]),
  requests: performance.getEntriesByType('resource').slice(-4).map(({ name, startTime, duration, responseStatus }) => (
    { path: new URL(name).pathname.slice(-40), at: Math.round(startTime), took: Math.round(duration), status: responseStatus })),
  now: Math.round(performance.now()),
});

window.pause = () => video.pause();

window.resume = () => video.play();

function listen() {
  video.addEventListener('playing', () => { state.from ??= video.currentTime; });
  video.addEventListener('ended', () => { state.ended = true; });
}
listen();

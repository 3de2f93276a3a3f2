// One video element and the player that feeds it: what an application does with hls.js or Shaka, and no more.

const video = document.querySelector('video');
let player;
let state;

const starts = {
  async 'hls.js'(url) {
    const hls = new Hls();
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

  async shaka(url) {
    shaka.polyfill.installAll();
    const instance = new shaka.Player();
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
};

window.play = async (name, url) => {
  await player?.destroy();
  state = { errors: [], ended: false, from: undefined };
  await starts[name](url);
  // Refused or replaced by another source before it could start: the report says which.
  video.play().catch(() => {});
};

window.report = () => ({
  errors: state.errors,
  ended: state.ended,
  time: video.currentTime,
  advanced: state.from === undefined ? 0 : video.currentTime - state.from,
});

video.addEventListener('playing', () => { state.from ??= video.currentTime; });
video.addEventListener('ended', () => { state.ended = true; });

// Players that are programs: ffmpeg, mpv, VLC and GStreamer, each with nothing to show and nothing to hear.

const AGENTS = {
  ffmpeg: (url) => ['ffmpeg', ['-hide_banner', '-v', 'error', '-nostdin', ...(url.startsWith('https:') ? ['-tls_verify', '0'] : []), '-i', url, '-f', 'null', '-']],
  mpv: (url) => ['mpv', ['--no-config', '--vo=null', '--ao=null', '--untimed', '--tls-verify=no', url]],
  // It does not run as root.
  vlc: (url) => ['cvlc', [
    '-I', 'dummy', '--no-dbus', '--no-gnutls-system-trust', '--vout', 'dummy', '--aout', 'dummy', '--play-and-exit', url, 'vlc://quit',
  ], process.getuid() === 0 ? { uid: 65_534, gid: 65_534 } : {}],
  gstreamer: (url) => ['gst-launch-1.0', ['-q', 'playbin', `uri=${url}`, 'video-sink=fakevideosink', 'audio-sink=fakesink']],
};

/** Plays `url` to its end; resolves with the exit code and what the player said. */
export async function playToTheEnd(house, player, url) {
  const [program, args, options = {}] = AGENTS[player](url);
  const home = await house.folder();
  const running = house.start(program, args, { ...options, env: { ...process.env, HOME: home, XDG_CACHE_HOME: home } });
  const deadline = setTimeout(() => running.stop(), 45_000);
  const code = await running.ended;
  clearTimeout(deadline);
  return { code, said: `${running.stdout.slice(-500)}${running.stderr.slice(-1500)}` };
}

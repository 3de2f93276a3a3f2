//! The demo's media, made by `conf/demo/make-media.sh` and embedded in the binary.

/// The content type of an HLS playlist (RFC 8216 §4).
pub(super) const HLS: &str = "application/vnd.apple.mpegurl";

/// One file, named by its path under `conf/demo/media/`.
pub(super) struct File {
    path: &'static str,
    /// Its content.
    pub(super) bytes: &'static [u8],
}

macro_rules! files {
    ($($path:literal),* $(,)?) => {
        &[$(File { path: $path, bytes: include_bytes!(concat!("../../conf/demo/media/", $path)) }),*]
    };
}

/// Every file. The compiler finds deleted ones, a test finds missing ones.
static FILES: &[File] = files![
    "vod/audio.m3u8",
    "vod/high.m3u8",
    "vod/init-0.mp4",
    "vod/init-1.mp4",
    "vod/init-2.mp4",
    "vod/low.m3u8",
    "vod/manifest.mpd",
    "vod/master.m3u8",
    "vod/segment-0-01.m4s",
    "vod/segment-0-02.m4s",
    "vod/segment-0-03.m4s",
    "vod/segment-0-04.m4s",
    "vod/segment-0-05.m4s",
    "vod/segment-0-06.m4s",
    "vod/segment-0-07.m4s",
    "vod/segment-0-08.m4s",
    "vod/segment-0-09.m4s",
    "vod/segment-0-10.m4s",
    "vod/segment-0-11.m4s",
    "vod/segment-0-12.m4s",
    "vod/segment-1-01.m4s",
    "vod/segment-1-02.m4s",
    "vod/segment-1-03.m4s",
    "vod/segment-1-04.m4s",
    "vod/segment-1-05.m4s",
    "vod/segment-1-06.m4s",
    "vod/segment-1-07.m4s",
    "vod/segment-1-08.m4s",
    "vod/segment-1-09.m4s",
    "vod/segment-1-10.m4s",
    "vod/segment-1-11.m4s",
    "vod/segment-1-12.m4s",
    "vod/segment-2-01.m4s",
    "vod/segment-2-02.m4s",
    "vod/segment-2-03.m4s",
    "vod/segment-2-04.m4s",
    "vod/segment-2-05.m4s",
    "vod/segment-2-06.m4s",
    "vod/segment-2-07.m4s",
    "vod/segment-2-08.m4s",
    "vod/segment-2-09.m4s",
    "vod/segment-2-10.m4s",
    "vod/segment-2-11.m4s",
    "vod/segment-2-12.m4s",
    "vod/ts/high-00.ts",
    "vod/ts/high-01.ts",
    "vod/ts/high-02.ts",
    "vod/ts/high-03.ts",
    "vod/ts/high-04.ts",
    "vod/ts/high-05.ts",
    "vod/ts/high-06.ts",
    "vod/ts/high-07.ts",
    "vod/ts/high-08.ts",
    "vod/ts/high-09.ts",
    "vod/ts/high-10.ts",
    "vod/ts/high-11.ts",
    "vod/ts/high.m3u8",
    "vod/ts/low-00.ts",
    "vod/ts/low-01.ts",
    "vod/ts/low-02.ts",
    "vod/ts/low-03.ts",
    "vod/ts/low-04.ts",
    "vod/ts/low-05.ts",
    "vod/ts/low-06.ts",
    "vod/ts/low-07.ts",
    "vod/ts/low-08.ts",
    "vod/ts/low-09.ts",
    "vod/ts/low-10.ts",
    "vod/ts/low-11.ts",
    "vod/ts/low.m3u8",
    "vod/ts/master.m3u8",
];

/// The file at `path` (such as `vod/master.m3u8`), if there is one.
pub(super) fn file(path: &str) -> Option<&'static File> {
    FILES.iter().find(|file| file.path == path)
}

/// The content type for the extension of `path`.
pub(super) fn content_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map_or("", |(_, ending)| ending) {
        "m3u8" => HLS,
        "mpd" => "application/dash+xml",
        "mp4" | "m4s" => "video/mp4",
        "ts" => "video/mp2t",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::*;

    fn on_disk(folder: &Path) -> Vec<PathBuf> {
        std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .flat_map(|path| if path.is_dir() { on_disk(&path) } else { vec![path] })
            .collect()
    }

    #[test]
    fn every_file_of_the_media_folder_is_in_the_binary() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("conf/demo/media");
        let files = on_disk(&folder);
        assert_eq!(files.len(), FILES.len());
        for path in files {
            let name = path.strip_prefix(&folder).unwrap().to_str().unwrap();
            assert!(file(name).is_some(), "{name} is not in FILES");
        }
    }

    #[test]
    fn every_file_has_a_content_type_of_its_own_kind() {
        for file in FILES {
            assert_ne!(content_type(file.path), "application/octet-stream", "{}", file.path);
        }
        assert_eq!(content_type("vod/manifest.mpd"), "application/dash+xml");
        assert_eq!(content_type("README"), "application/octet-stream");
    }

    #[test]
    fn every_reference_of_a_playlist_leads_to_a_file() {
        for playlist in FILES.iter().filter(|file| content_type(file.path) == HLS) {
            let folder = playlist.path.rsplit_once('/').unwrap().0;
            let text = std::str::from_utf8(playlist.bytes).unwrap();
            let uris = text.lines().filter_map(|line| match line.split_once("URI=\"") {
                Some((_, rest)) => rest.split('"').next(),
                None => (!line.is_empty() && !line.starts_with('#')).then_some(line),
            });
            let found = uris.inspect(|uri| assert!(file(&format!("{folder}/{uri}")).is_some(), "{uri}")).count();
            assert!(found >= 2, "{} refers to {found} files", playlist.path);
        }
    }
}

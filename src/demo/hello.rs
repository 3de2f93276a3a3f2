//! What the demo says when it is up.

use std::fmt::Write as _;

/// The text that `streamgate demo` prints: what to paste to watch on each device, what will happen, and where to look.
///
/// `gateway` and `control` are base URLs without a final slash. `tokens` pairs each device's name with its token; all devices
/// belong to one account, which may watch on two of them at once.
pub fn greeting(gateway: &str, control: &str, tokens: &[(String, String)]) -> String {
    let mut text = format!(
        "Streamgate is up on {gateway}, in front of a demo origin.\n\
         One account may watch two streams at once. It has {} devices, each with its own token.\n",
        tokens.len()
    );
    for (device, token) in tokens {
        let url = |path: &str| format!("'{gateway}{path}?token={token}'");
        let (live, vod, ts, dash) =
            (url("/live/master.m3u8"), url("/vod/master.m3u8"), url("/vod/ts/master.m3u8"), url("/vod/manifest.mpd"));
        // Writing to a string cannot fail.
        let _ = write!(
            text,
            "\n{device}\n\
             \x20 live, HLS            ffplay {live}\n\
             \x20                      vlc {live}\n\
             \x20                      curl -i {live}\n\
             \x20 VOD, HLS with fMP4   ffplay {vod}\n\
             \x20 VOD, HLS with TS     ffplay {ts}\n\
             \x20 VOD, DASH            ffplay {dash}\n"
        );
    }
    if let [(first, _), (second, _), (third, _), ..] = tokens {
        let _ = write!(
            text,
            "\nWatch the live channel on {first} and {second}, then ask for it on {third}: 403, and the answer says which two streams\n\
             hold the slots. Stop one of them, and about twenty seconds later {third} is admitted. Another title on a device that\n\
             already plays takes the place of the first one and is never refused.\n"
        );
    }
    let _ = write!(
        text,
        "\nMetrics  curl {control}/metrics\nHealth   curl {control}/healthz {control}/readyz\nStop     Ctrl-C\n"
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text() -> String {
        let token = |device: &str| (device.to_owned(), format!("token-of-{device}"));
        greeting("http://127.0.0.1:8080", "http://127.0.0.1:9090", &[token("tv-1"), token("tv-2"), token("phone-1")])
    }

    #[test]
    fn every_device_gets_lines_to_paste_for_each_kind_of_media() {
        let text = text();
        for device in ["tv-1", "tv-2", "phone-1"] {
            for line in [
                format!("ffplay 'http://127.0.0.1:8080/live/master.m3u8?token=token-of-{device}'"),
                format!("vlc 'http://127.0.0.1:8080/live/master.m3u8?token=token-of-{device}'"),
                format!("curl -i 'http://127.0.0.1:8080/live/master.m3u8?token=token-of-{device}'"),
                format!("ffplay 'http://127.0.0.1:8080/vod/master.m3u8?token=token-of-{device}'"),
                format!("ffplay 'http://127.0.0.1:8080/vod/ts/master.m3u8?token=token-of-{device}'"),
                format!("ffplay 'http://127.0.0.1:8080/vod/manifest.mpd?token=token-of-{device}'"),
            ] {
                assert!(text.lines().any(|printed| printed.ends_with(&line)), "{line}\n{text}");
            }
        }
    }

    #[test]
    fn it_says_what_the_third_device_will_see_and_where_the_metrics_are() {
        let text = text();
        assert!(text.contains("on tv-1 and tv-2, then ask for it on phone-1: 403"));
        assert!(text.contains("curl http://127.0.0.1:9090/metrics"));
    }
}

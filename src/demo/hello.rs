//! The greeting of the demo.

use std::fmt::Write as _;

/// The text that `streamgate demo` prints: commands to watch on each device, what happens, and where to look.
///
/// `gateway` and `control` are base URLs without a final slash. `tokens` pairs each device's name with its token; all
/// devices belong to one account, which may watch on two at once. Tokens are long, so each is put into a shell
/// variable.
pub fn greeting(gateway: &str, control: &str, tokens: &[(String, String)]) -> String {
    let mut text = format!(
        "Streamgate is up on {gateway}, in front of a demo origin.\n\
         One account may watch two streams at once. It has {} devices, each with its own token.\n\
         \n1. Paste this into another terminal (tokens are valid for 12 hours):\n\n",
        tokens.len()
    );
    for (device, token) in tokens {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{}='{token}'", variable(device));
    }
    for (number, (device, _)) in tokens.iter().enumerate() {
        let url = |path: &str| format!("\"{gateway}{path}?token=${}\"", variable(device));
        let (live, vod, ts, dash) =
            (url("/live/master.m3u8"), url("/vod/master.m3u8"), url("/vod/ts/master.m3u8"), url("/vod/manifest.mpd"));
        let _ = write!(
            text,
            "\n{}. Then, to watch on {device}, one of:\n\n\
             ffplay {live}   # live, HLS\n\
             vlc {live}\n\
             curl -i {live}\n\
             ffplay {vod}    # VOD, HLS with fMP4\n\
             ffplay {ts} # VOD, HLS with TS\n\
             ffplay {dash}   # VOD, DASH\n",
            number + 2
        );
    }
    if let [(first, _), (second, _), (third, _), ..] = tokens {
        let _ = write!(
            text,
            "\nWatch the live channel on {first} and {second}, then ask for it on {third}: 403, and the response \
             lists the two streams that\n\
             hold the slots. Stop one of them, and about twenty seconds later {third} is admitted. Another title on a device that\n\
             already plays replaces the first one and is never refused.\n"
        );
    }
    let _ = write!(
        text,
        "\nStreams  curl {control}/api/streams           # the operator API: {control}/api/openapi.json\n\
         Accounts curl {control}/api/accounts/acme/alice\nStatus   curl {control}/api/status\n\
         Metrics  curl {control}/metrics\nHealth   curl {control}/healthz {control}/readyz\nStop     Ctrl-C\n\n"
    );
    text
}

/// The shell variable that holds a device's token.
fn variable(device: &str) -> String {
    device.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect()
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
        for (device, name) in [("tv-1", "TV_1"), ("tv-2", "TV_2"), ("phone-1", "PHONE_1")] {
            for line in [
                format!("{name}='token-of-{device}'"),
                format!("ffplay \"http://127.0.0.1:8080/live/master.m3u8?token=${name}\""),
                format!("vlc \"http://127.0.0.1:8080/live/master.m3u8?token=${name}\""),
                format!("curl -i \"http://127.0.0.1:8080/live/master.m3u8?token=${name}\""),
                format!("ffplay \"http://127.0.0.1:8080/vod/master.m3u8?token=${name}\""),
                format!("ffplay \"http://127.0.0.1:8080/vod/ts/master.m3u8?token=${name}\""),
                format!("ffplay \"http://127.0.0.1:8080/vod/manifest.mpd?token=${name}\""),
            ] {
                assert!(text.lines().any(|printed| printed.starts_with(&line)), "{line}\n{text}");
            }
        }
    }

    #[test]
    fn it_says_what_the_third_device_will_see_and_where_the_metrics_are() {
        let text = text();
        assert!(text.contains("on tv-1 and tv-2, then ask for it on phone-1: 403"));
        assert!(text.contains("curl http://127.0.0.1:9090/metrics"));
        assert!(text.contains("curl http://127.0.0.1:9090/api/streams"));
    }
}

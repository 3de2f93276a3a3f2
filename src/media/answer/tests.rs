use super::*;

#[test]
fn the_content_type_decides_for_paths_that_say_nothing_and_between_manifests() {
    let typed = |guess, content_type| classify_response(guess, Some(content_type));
    assert_eq!(typed(Kind::Unknown, "Application/VND.apple.mpegurl; charset=utf-8"), Kind::Playlist);
    assert_eq!(typed(Kind::Unknown, "application/dash+xml"), Kind::Mpd);
    assert_eq!(typed(Kind::Playlist, "application/dash+xml"), Kind::Mpd);
    assert_eq!(typed(Kind::Mpd, "application/dash-patch+xml"), Kind::MpdPatch);
    assert_eq!(typed(Kind::Playlist, "text/html"), Kind::Playlist);
    assert_eq!(typed(Kind::Segment, "application/x-mpegurl"), Kind::Segment);
    assert_eq!(typed(Kind::Unknown, "text/vtt"), Kind::Subtitle);
    assert_eq!(typed(Kind::Unknown, "image/avif"), Kind::Thumbnail);
    assert_eq!(classify_response(Kind::Mpd, None), Kind::Mpd);
}

#[test]
fn sound_and_pictures_are_media_whatever_they_are_called() {
    for named in [Kind::Unknown, Kind::Other, Kind::Thumbnail, Kind::Subtitle, Kind::Key, Kind::Playlist, Kind::Mpd] {
        for content_type in ["video/mp2t", "VIDEO/MP4; codecs=\"x\"", "audio/aac", "application/mp4", "application/ogg"]
        {
            assert_eq!(classify_response(named, Some(content_type)), Kind::Segment, "{named:?} {content_type}");
        }
    }
}

#[test]
fn pages_and_what_belongs_to_them_are_known_and_types_that_say_nothing_are_not() {
    for harmless in [
        "text/html; charset=utf-8",
        "text/css",
        "text/javascript",
        "application/javascript",
        "application/json",
        "application/problem+json",
        "application/xml",
        "application/atom+xml",
        "font/woff2",
        "application/font-woff",
        "application/wasm",
        "application/pdf",
        "application/manifest+json",
        "application/vnd.apple.steering-list",
        "application/x-protobuf",
        "application/grpc-web+proto",
        "application/x-ndjson",
        "application/jsonl",
        "application/json-seq",
        "application/geo+json-seq",
        "application/jwt",
        "application/dpop+jwt",
        "application/jose",
        "application/jose+json",
        "multipart/mixed; boundary=x",
        "application/msword",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "application/vnd.oasis.opendocument.text",
    ] {
        assert_eq!(classify_response(Kind::Unknown, Some(harmless)), Kind::Other, "{harmless}");
    }
    for nothing in [
        "application/octet-stream",
        "binary/octet-stream",
        "application/binary",
        "application/x-download",
        "application/force-download",
        "application/whatever",
        "",
        "x",
        "é",
    ] {
        assert_eq!(classify_response(Kind::Unknown, Some(nothing)), Kind::Unknown, "{nothing}");
        assert_eq!(classify_response(Kind::Other, Some(nothing)), Kind::Other, "a name has its word: {nothing}");
    }
}

#[test]
fn what_nothing_is_known_of_is_media_unless_it_is_empty_a_key_or_a_licence() {
    assert_eq!(classify_unknown(None, false), Kind::Segment);
    assert_eq!(classify_unknown(Some(65), false), Kind::Segment);
    assert_eq!(classify_unknown(Some(16), false), Kind::Key);
    assert_eq!(classify_unknown(Some(0), false), Kind::Other);
    assert_eq!(classify_unknown(Some(5000), true), Kind::Key);
    for (kind, most) in [(Kind::Init, 512 << 10), (Kind::Key, 128 << 10)] {
        assert!(is_too_large(kind, Some(most + 1)) && !is_too_large(kind, Some(most)) && !is_too_large(kind, None));
    }
    assert!(!is_too_large(Kind::Segment, Some(1 << 30)));
}

#[test]
fn an_answer_says_what_it_is_by_its_type_and_else_by_its_name() {
    assert_eq!(Claim::new(Kind::Unknown, "/a.jpg", Some("image/jpeg")), Claim::Image);
    assert_eq!(Claim::new(Kind::Unknown, "/a.jpg", Some("text/plain")), Claim::Text);
    assert_eq!(Claim::new(Kind::Unknown, "/a.jpg", Some("application/octet-stream")), Claim::Image);
    assert_eq!(Claim::new(Kind::Unknown, "/a.jp%67;v=1", None), Claim::Image);
    assert_eq!(Claim::new(Kind::Unknown, "/a.svg", None), Claim::Text);
    assert_eq!(Claim::new(Kind::Unknown, "/a.woff2", None), Claim::Binary);
    assert_eq!(Claim::new(Kind::Unknown, "/a.css", None), Claim::Text);
    assert_eq!(Claim::new(Kind::Unknown, "/a", Some("image/svg+xml")), Claim::Text);
    assert_eq!(Claim::new(Kind::Unknown, "/a", Some("application/cbor")), Claim::Data);
    assert_eq!(Claim::new(Kind::Unknown, "/a", None), Claim::Text);
}

use super::*;

#[test]
fn extensions_decide_whatever_their_case() {
    let table = [
        (Kind::Playlist, &["m3u8", "M3U8"][..]),
        (Kind::Mpd, &["mpd", "MPD"]),
        (Kind::MpdPatch, &["mpp"]),
        (Kind::Segment, &["ts", "m2t", "mts", "m4s", "m4v", "m4a", "m4f", "mp4", "cmfv", "cmfa", "aac", "ac3", "ec3"]),
        (
            Kind::Segment,
            &["mp3", "webm", "m4i", "TS", "mkv", "MOV", "avi", "flv", "ogv", "flac", "wav", "opus", "ismv", "vob"],
        ),
        (Kind::Subtitle, &["vtt", "webvtt", "ttml", "dfxp", "cmft", "srt", "stpp"]),
        (Kind::Key, &["key"]),
        (Kind::Thumbnail, &["jpg", "jpeg", "png", "webp", "bif", "gif", "svg", "ico", "avif"]),
        (Kind::Other, &["json", "dcsm", "html", "js", "css", "txt", "woff2", "xml"]),
        (Kind::Unknown, &["bin", "", "foo", "php", "mp4x", "dat", "exe"]),
    ];
    for (kind, extensions) in table {
        for extension in extensions {
            assert_eq!(classify(&format!("/live/a.b/name.{extension}"), None), kind, "{extension}");
        }
    }
    for path in ["", "/", "/a.ts/b", "*", "/\u{1F3AC}", "/.", "//;x", "/a.mp4-poster", "/watch"] {
        assert_eq!(classify(path, None), Kind::Unknown, "{path:?}");
    }
}

#[test]
fn names_of_initialisation_segments_parts_keys_and_licences_are_known() {
    for path in
        ["/init.mp4", "/init-stream0.m4s", "/v/video-init.m4s", "/v_init.mp4", "/bunny_dashinit.mp4", "/INIT.MP4"]
    {
        assert_eq!(classify(path, None), Kind::Init, "{path}");
    }
    for path in ["/initial.mp4", "/reinit.mp4", "/é-in.mp4"] {
        assert_eq!(classify(path, None), Kind::Segment, "{path}");
    }
    for path in ["/seg12.part3.m4s", "/seg_Part3.mp4"] {
        assert_eq!(classify(path, None), Kind::Part, "{path}");
    }
    assert_eq!(classify("/party3.ts", None), Kind::Segment);
    assert_eq!(classify("/keys/1.bin", None), Kind::Key);
    assert_eq!(classify("/drm/License", None), Kind::Key);
}

#[test]
fn paths_of_smooth_streaming_are_known() {
    assert_eq!(classify("/x.ism/Manifest", None), Kind::Mpd);
    assert_eq!(classify("/x.ism/manifest(format=mpd-time-csf)", None), Kind::Mpd);
    assert_eq!(classify("/x.ism/manifest(format=m3u8-aapl)", None), Kind::Playlist);
    assert_eq!(classify("/x.ism/QualityLevels(1)/Manifest(video,format=m3u8-aapl)", None), Kind::Playlist);
    assert_eq!(classify("/x.ism/QualityLevels(1)/Fragments(video=2)", None), Kind::Segment);
    assert_eq!(classify("/manifests", None), Kind::Unknown);
}

#[test]
fn cmcd_names_what_the_path_does_not_and_never_contradicts_it() {
    let said = |path, ot: &str| classify(path, Some(&format!("a=b&CMCD=bl%3D100%2Cot%3D{ot}%2Csid%3D%22x%22")));
    assert_eq!(said("/x", "v"), Kind::Segment);
    assert_eq!(said("/x", "av"), Kind::Segment);
    assert_eq!(said("/x", "m"), Kind::Playlist);
    assert_eq!(said("/x", "tt"), Kind::Subtitle);
    assert_eq!(said("/x.part1.mp4", "v"), Kind::Part);
    assert_eq!(said("/x.m3u8", "v"), Kind::Playlist);
    assert_eq!(said("/x.ts", "m"), Kind::Segment);
    assert_eq!(said("/x.jpg", "v"), Kind::Thumbnail);
    assert_eq!(said("/x", "o"), Kind::Unknown);
    assert_eq!(classify("/x", Some("CMCD=sid%3D%22%2Cot%3Dv%2C%22")), Kind::Unknown, "quoted text is no pair");
    assert_eq!(classify("/x", Some("CMCD=%2")), Kind::Unknown);
}

#[test]
fn cmcd_is_not_believed_where_it_makes_a_request_count_for_nothing() {
    for said in ["i", "k", "tt"] {
        let query = format!("CMCD=ot%3D{said}");
        assert_eq!(classify("/x.mp4", Some(&query)), Kind::Segment, "{said}");
    }
    for said in ["i", "k"] {
        assert_eq!(classify("/x", Some(&format!("CMCD=ot%3D{said}"))), Kind::Unknown, "{said}");
    }
}

#[test]
fn a_name_is_read_as_the_origin_will_read_it() {
    assert_eq!(classify("/a.t%73", None), Kind::Segment);
    assert_eq!(classify("/a%2Ets", None), Kind::Segment);
    assert_eq!(classify("/a.m3u8;v=1", None), Kind::Playlist);
    assert_eq!(classify("/a.%ff", None), Kind::Unknown);
}

#[test]
fn what_stands_behind_a_name_does_not_make_it_something_else() {
    let behind = [
        ".", "...", "%2e", "%2E.", "%20", " ", "%09", "/", "//", "%2f", "/.", "/%20", "/;x", ";", ";v=1", ";v=1/",
        "%3Bv=1", "%", "%2", "%zz", "%z", "%%", "%3f", "%3Fx=1", "%23x", ":", "::$DATA", "*", ",", "&x=1", "~",
        "%c2%a0", "%5c", "\u{a0}", "+",
    ];
    for (name, kind) in [
        ("a.ts", Kind::Segment),
        ("a.T%53", Kind::Segment),
        ("a.m%33u8", Kind::Playlist),
        ("a%2em3u8", Kind::Playlist),
        ("a.mpd", Kind::Mpd),
        ("film.MKV", Kind::Segment),
        ("init.mp4", Kind::Init),
        ("a.key", Kind::Key),
        ("a.vtt", Kind::Subtitle),
    ] {
        for behind in behind {
            assert_eq!(classify(&format!("/live/{name}{behind}"), None), kind, "{name}{behind}");
        }
    }
}

#[test]
fn a_name_is_harmless_only_if_nothing_odd_stands_behind_it() {
    for path in ["/a.jpg", "/a.jpg/", "/a.jpg.", "/a.jpg;v=1", "/a.jp%67", "/a.ts.jpg", "/a%2Ejpg%20"] {
        assert_eq!(classify(path, None), Kind::Thumbnail, "{path}");
    }
    for path in ["/a.jpg%zz", "/a.jpg%", "/a.jpg:x", "/a.jpg~", "/a.jpg2", "/jpg", "/a.jp%2567"] {
        assert_eq!(classify(path, None), Kind::Unknown, "{path}");
    }
}

#[test]
fn manifests_are_recognised_by_their_first_bytes() {
    assert_eq!(sniff(b"\xEF\xBB\xBF#EXTM3U\r\n"), Some(Kind::Playlist));
    assert_eq!(sniff(b"#EXTM3U"), Some(Kind::Playlist));
    assert_eq!(sniff(b"#EXTM3U8\n"), None);
    assert_eq!(sniff(b"<?xml version='1.0'?>\n<!-- <Patch> -->\n<!DOCTYPE MPD>\n<MPD xmlns=\"x\">"), Some(Kind::Mpd));
    assert_eq!(sniff(b"<mpd:MPD>"), Some(Kind::Mpd));
    assert_eq!(sniff(b" <Patch mpdId='x'>"), Some(Kind::MpdPatch));
    for other in [&b"<!DOCTYPE html><html>"[..], b"<MPDX>", b"<!-- open", b"", b"<", b"\x1F\x8B\x08", b"<?xml"] {
        assert_eq!(sniff(other), None, "{other:?}");
    }
}

#[test]
fn labels_are_distinct_and_signals_follow_the_kind() {
    let labels: std::collections::BTreeSet<_> = Kind::ALL.into_iter().map(Kind::label).collect();
    assert_eq!(labels.len(), Kind::ALL.len());
    for kind in Kind::ALL {
        assert_eq!(kind.signal() == Signal::Never, !kind.is_media(), "{kind:?}");
        assert!(!kind.is_manifest() || kind.signal() == Signal::Presence, "{kind:?}");
    }
}

#[test]
fn a_list_of_channels_is_told_from_a_playlist_of_hls_by_what_comes_first() {
    let list = "#EXTM3U url-tvg=\"x\"\n#EXTINF:-1 tvg-id=\"n\",News\nhttp://tv.example/news.m3u8\n#EXT-X-ENDLIST\n";
    for (head, end, expected) in [
        (list, false, Some(true)),
        (&list.replace('\n', "\r\n"), false, Some(true)),
        (&list.replace('\n', "\r"), false, Some(true)),
        ("#EXTM3U\n#EXTINF:-1,News\nhttp://tv.example/ne", false, None),
        ("#EXTM3U\n#EXTINF:-1,News\nhttp://tv.example/ne", true, Some(true)),
        ("#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\na.ts\n", false, Some(false)),
        ("#EXTM3U\n#EXTINF:2,\na.ts\n", false, Some(false)),
        ("#EXTM3U\n#EXTINF:0.5,\na.ts\n", false, Some(false)),
        ("#EXTM3U\n#EXTINF:-1,\n#EXT-X-BYTERANGE:1@0\na.ts\n", false, Some(false)),
        ("#EXTM3U\n#EXTINF:0,News\nhttp://tv.example/n\n", false, Some(true)),
        ("#EXTM3U\nhttp://tv.example/n\n", false, Some(true)),
        ("#EXTM3U\n\n# a comment\n", false, None),
        ("#EXTM3U\n", true, Some(false)),
    ] {
        assert_eq!(is_channel_list(head.as_bytes(), end), expected, "{head:?} {end}");
    }
}

use super::*;

const PREFIX: &str = "/~s/S";

fn write(reference: &str, base: Base<'_>) -> String {
    let target = Target {
        prefix: PREFIX,
        document: "",
        query: None,
        inherited: true,
        authority: "TV.example:80",
        site: "",
        origin: None,
    };
    let judge = Judge::new(&target);
    match judge.judge(reference.as_bytes(), base) {
        Change::Keep => "keep".into(),
        Change::Foreign => "foreign".into(),
        Change::Splice { keep, middle, rest } => {
            let bytes = reference.as_bytes();
            let parts = [&bytes[..keep], PREFIX.as_bytes(), &*middle, &bytes[rest..]];
            String::from_utf8(parts.concat()).expect("text in, text out")
        }
    }
}

fn inherited(reference: &str) -> String {
    write(reference, Base::Inherited(b"/a/b/main.m3u8"))
}

fn bare(reference: &str) -> String {
    write(reference, Base::Bare(b"/a/b/main.m3u8"))
}

#[test]
fn references_that_inherit_the_prefix_are_left_alone() {
    for reference in ["x.ts", "./x.ts", "../x.ts", "../../x.ts", ".//x", "a/../../x", "?y", "", "#f", "  ", "..."] {
        assert_eq!(inherited(reference), "keep", "{reference:?}");
    }
}

#[test]
fn other_schemes_are_left_alone() {
    for reference in ["skd://key", "data:text/plain,x", "urn:mpeg:dash:resolve-to-zero:2013", "http:x", "HTTPS:/x"] {
        assert_eq!(inherited(reference), "keep", "{reference:?}");
        assert_eq!(bare(reference), "keep", "{reference:?}");
    }
}

#[test]
fn rooted_references_and_those_with_our_authority_get_the_prefix_where_the_path_begins() {
    assert_eq!(inherited("/x?y#z"), "/~s/S/x?y#z");
    assert_eq!(inherited(" /x\t"), " /~s/S/x\t");
    assert_eq!(inherited("http://tv.example/x"), "http://tv.example/~s/S/x");
    assert_eq!(inherited("HTTPS://TV.Example:443/x"), "HTTPS://TV.Example:443/~s/S/x");
    assert_eq!(inherited("//tv.example/x"), "//tv.example/~s/S/x");
    assert_eq!(inherited("http://tv.example"), "http://tv.example/~s/S/");
    assert_eq!(inherited("http://tv.example?y"), "http://tv.example/~s/S/?y");
}

#[test]
fn other_hosts_and_what_a_browser_may_take_for_one_never_get_the_prefix() {
    for reference in [
        "http://cdn.example/x",
        "http://tv.example:8080/x",
        "https://tv.example:80/x",
        "http://tv.example@evil.example/x",
        "http://evil.example\\@tv.example/x",
        "http://tv.example.evil.example/x",
        "//cdn.example/x",
        "/\\cdn.example/x",
        "\\\\cdn.example/x",
        "http:///x",
    ] {
        assert_eq!(inherited(reference), "foreign", "{reference:?}");
        assert_eq!(bare(reference), "foreign", "{reference:?}");
    }
    assert_eq!(write("/x", Base::Foreign), "foreign");
    assert_eq!(write("x", Base::Foreign), "keep");
}

#[test]
fn dot_segments_that_climb_out_of_the_prefix_are_resolved_first() {
    assert_eq!(inherited("../../../x"), "/~s/S/x");
    assert_eq!(inherited("../../../x/../y/./z?q=../.."), "/~s/S/y/z?q=../..");
    assert_eq!(inherited("%2e%2E/../.%2e/x"), "/~s/S/x");
    assert_eq!(inherited("../../.."), "/~s/S/");
    assert_eq!(inherited("/../x"), "/~s/S/x");
    assert_eq!(inherited("/a/../x"), "/~s/S/a/../x");
    assert_eq!(inherited("http://tv.example/a/../../x"), "http://tv.example/~s/S/x");
    assert_eq!(inherited("/~s/S/../x"), "/~s/S/x");
}

#[test]
fn a_prefix_that_is_there_stays_the_only_one() {
    for reference in ["/~s/S/x", "/~s/S", "http://tv.example/~s/S/x", "//tv.example/~s/S?x"] {
        assert_eq!(inherited(reference), "keep", "{reference:?}");
    }
    assert_eq!(inherited("/~s/Start"), "/~s/S/~s/Start");
}

#[test]
fn relative_references_of_a_document_without_the_prefix_are_rooted() {
    assert_eq!(bare("x.ts?a=b"), "/~s/S/a/b/x.ts?a=b");
    assert_eq!(bare("../x.ts"), "/~s/S/a/x.ts");
    assert_eq!(bare("../../../../x.ts"), "/~s/S/x.ts");
    assert_eq!(bare("./x.ts"), "/~s/S/a/b/./x.ts");
    assert_eq!(bare("?y"), "/~s/S/a/b/main.m3u8?y");
    assert_eq!(bare("#y"), "keep");
    assert_eq!(bare("$Number%05d$.m4s"), "/~s/S/a/b/$Number%05d$.m4s");
}

#[test]
fn an_empty_authority_or_prefix_makes_nothing_ours() {
    let target =
        Target { prefix: PREFIX, document: "/", query: None, inherited: true, authority: "", site: "", origin: None };
    assert_eq!(Judge::new(&target).judge(b"http:///x", Base::Unknown), Change::Foreign);
    let target = Target { prefix: "", authority: "tv.example", ..target };
    assert_eq!(Judge::new(&target).judge(b"/x", Base::Unknown), Change::Keep);
}

#[test]
fn ipv6_authorities_are_compared_as_a_whole() {
    let target = Target {
        prefix: PREFIX,
        document: "/",
        query: None,
        inherited: true,
        authority: "[::1]:8080",
        site: "",
        origin: None,
    };
    let judge = Judge::new(&target);
    assert!(matches!(judge.judge(b"http://[::1]:8080/x", Base::Unknown), Change::Splice { .. }));
    assert_eq!(judge.judge(b"http://[::1]/x", Base::Unknown), Change::Foreign);
}

#[test]
fn a_glance_agrees_with_the_rules_or_leaves_the_answer_to_them() {
    let target = Target {
        prefix: PREFIX,
        document: "",
        query: None,
        inherited: true,
        authority: "tv.example",
        site: "",
        origin: None,
    };
    let judge = Judge::new(&target);
    for reference in ["x.ts", "./x.ts", "a/./b.ts?c=d", "seg-1.m4s", "seg_1:2.ts", "x.ts ", "."] {
        assert_eq!(judge.glance(reference.as_bytes()), Some(Plain::Relative), "{reference:?}");
        assert_eq!((inherited(reference), bare(reference)), ("keep".into(), format!("/~s/S/a/b/{reference}")));
    }
    for reference in ["/x", "/a/b.ts?c=d"] {
        assert_eq!(judge.glance(reference.as_bytes()), Some(Plain::Rooted), "{reference:?}");
        assert_eq!((inherited(reference), bare(reference)), (format!("/~s/S{reference}"), format!("/~s/S{reference}")));
    }
    for reference in ["", " x", " ", "/", "//tv.example/x", "http://x", "skd:x", "a:b", "?x", "#x", "/~s/S/x"] {
        assert_eq!(judge.glance(reference.as_bytes()), None, "{reference:?}");
    }
}

#[test]
fn a_calm_text_has_nothing_that_a_glance_could_overlook() {
    assert!(is_calm(b"#EXTM3U\n./a.b/c\n"));
    for text in ["../x", "a/..", "%2e%2E/x", "/\\x", "{$x}/y"] {
        assert!(!is_calm(text.as_bytes()), "{text:?}");
    }
}

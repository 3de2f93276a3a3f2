//! MPDs and patch documents for what the corpus lacks.

use std::time::Duration;

use streamgate::media::{Form, Outcome, Target, Unparsable};

use super::dash_oracle;
use super::support::{AUTHORITY, document_url, rewrite, sites, target};

const P: &str = "/~s/S";

fn to(inherited: bool) -> Target<'static> {
    Target { prefix: P, document: "/a/b&c/m.mpd", inherited, ..target(AUTHORITY) }
}

fn written(input: &str, target: &Target<'_>) -> (String, Outcome) {
    let (written, outcome) = rewrite(false, input.as_bytes(), target);
    (String::from_utf8(written).unwrap(), outcome.unwrap())
}

/// What stands inside a static MPD, under the prefix.
fn body(inner: &str) -> (String, Outcome) {
    let (text, outcome) = written(&format!("<MPD>{inner}</MPD>"), &to(true));
    (text.strip_prefix("<MPD>").unwrap().strip_suffix("</MPD>").unwrap().to_owned(), outcome)
}

fn error(input: &[u8]) -> Unparsable {
    let (written, outcome) = rewrite(false, input, &to(true));
    assert_eq!(written, input);
    outcome.unwrap_err()
}

#[test]
fn what_is_no_mpd_or_cannot_be_trusted_is_refused() {
    assert_eq!(error(b"<\0M\0P\0D\0/\0>"), Unparsable::Encoding, "half a character is missing");
    assert_eq!(error(b"\xFF\xFE\0\xD8/\0"), Unparsable::Encoding, "half a pair is missing");
    assert_eq!(error(b"\xFF\xFE\0\0<\0\0\0"), Unparsable::Encoding, "UTF-32");
    assert_eq!(error(b"\x1F\x8B\x08\0\0"), Unparsable::Encoding);
    for other in [&b""[..], b"not found", b"<html></html>", b"<?xml version='1.0'?>", b"#EXTM3U\n"] {
        assert_eq!(error(other), Unparsable::NotAnMpd);
    }
    assert_eq!(error(b"<!DOCTYPE MPD [<!ENTITY x '/y'>]><MPD><BaseURL>&x;</BaseURL></MPD>"), Unparsable::Entities);
    assert_eq!(error(b"<MPD><BaseURL>&x;</BaseURL></MPD>"), Unparsable::Entities);
    assert_eq!(error(b"<MPD><SegmentTemplate media='&x;'/></MPD>"), Unparsable::Entities);
    for ill_formed in [&b"<MPD></Period></MPD>"[..], b"<MPD/><MPD/>", b"<MPD/>x", b"<MPD><BaseURL>/x</MPD>"] {
        assert!(matches!(error(ill_formed), Unparsable::Malformed(_)), "{ill_formed:?}");
    }
}

/// Writes a text in an encoding.
type Encode<'e> = &'e dyn Fn(&str) -> Vec<u8>;

/// The same document before and after, in every encoding that it can be written in.
#[test]
fn the_encoding_of_a_document_does_not_matter_and_stays() {
    let mpd = |declared: &str, base: &str, media: &str| {
        format!(
            "<?xml version='1.0' encoding='{declared}'?>\r\n<MPD><ProgramInformation><Title>Caf\u{e9} \u{e0} c\u{f4}t\u{e9}</Title>\
             </ProgramInformation><BaseURL>{base}</BaseURL><Period><SegmentTemplate media='{media}'/></Period></MPD>\r\n"
        )
    };
    let latin_1 = |text: &str| text.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect::<Vec<u8>>();
    let big = |text: &str| text.encode_utf16().flat_map(u16::to_be_bytes).collect::<Vec<u8>>();
    let little = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    let marked = |text: &str| little(&format!("\u{feff}{text}"));
    let encodings: [(&str, Encode<'_>); 7] = [
        ("utf-8", &|text| text.as_bytes().to_vec()),
        ("ISO-8859-1", &latin_1),
        ("windows-1252", &latin_1),
        ("utf-8 by mistake", &latin_1),
        ("UTF-16BE", &big),
        ("UTF-16LE", &little),
        ("UTF-16", &marked),
    ];
    for (name, encode) in encodings {
        let before = encode(&mpd(name, "/caf\u{e9}/", "/\u{e9}/$Number$.m4s"));
        let after = encode(&mpd(name, "/~s/S/caf\u{e9}/", "/~s/S/\u{e9}/$Number$.m4s"));
        let (written, outcome) = rewrite(false, &before, &to(true));
        assert_eq!(outcome.map(|outcome| outcome.rewritten), Ok(2), "{name}");
        assert_eq!(written, after, "{name}");
        assert_eq!(rewrite(false, &after, &to(true)).0, after, "{name}");
        // What is put together anew keeps its bytes as well.
        let climbs = encode(&mpd(name, "../../../\u{e9}/x/", "m"));
        assert_eq!(rewrite(false, &climbs, &to(true)).0, encode(&mpd(name, "/~s/S/\u{e9}/x/", "m")), "{name}");
        let document = Target { document: "/caf\u{e9}/m.mpd", ..to(false) };
        let bare = rewrite(false, &encode(&mpd(name, "v/", "m")), &document).0;
        assert_eq!(bare, encode(&mpd(name, "/~s/S/caf%C3%A9/v/", "m")), "{name}");
    }
}

#[test]
fn ampersands_that_nobody_escaped_and_entities_that_nobody_declared_cost_no_rewriting() {
    let mpd = |x: &str| {
        format!(
            "<MPD><ProgramInformation moreInformationURL='/a?b&c'><Title>Tom & Jerry && &eacute; &</Title><Source>A&B</Source>\
             </ProgramInformation><BaseURL>{x}/x?a=1&b=2</BaseURL><Period><Label>R&D;</Label><ContentProtection>&x;</ContentProtection>\
             <SegmentTemplate media='{x}/$Number$?a=1&b=2&amp;c=3'/></Period></MPD>"
        )
    };
    assert_eq!(written(&mpd(""), &to(true)).0, mpd("/~s/S"));
    let bare = "<MPD><BaseURL>v?a&b</BaseURL></MPD>";
    assert_eq!(written(bare, &to(false)).0, "<MPD><BaseURL>/~s/S/a/b&amp;c/v?a&b</BaseURL></MPD>");
}

#[test]
fn an_mpd_that_is_cut_anywhere_is_refused_as_a_whole() {
    let whole = "<?xml version='1.0'?><MPD><BaseURL>/x/</BaseURL><Period><!-- c --></Period></MPD>";
    for end in 0..whole.len() {
        error(&whole.as_bytes()[..end]);
    }
    assert_eq!(written(whole, &to(true)).0, whole.replace("/x/", "/~s/S/x/"));
}

#[test]
fn a_document_type_without_entities_and_a_byte_order_mark_pass() {
    let text = "\u{FEFF}<?xml version=\"1.0\"?>\r\n<!DOCTYPE MPD>\r\n<MPD><BaseURL>/x</BaseURL></MPD>\r\n";
    assert_eq!(written(text, &to(true)).0, text.replace(">/x<", ">/~s/S/x<"));
}

#[test]
fn every_place_of_a_reference_is_rewritten_and_keeps_its_quotes() {
    for place in [
        "<BaseURL>@</BaseURL>",
        "<Period><BaseURL serviceLocation='a'>@</BaseURL></Period>",
        "<Location> @\n</Location>",
        "<PatchLocation ttl='60'>@</PatchLocation>",
        "<Period><AdaptationSet><SegmentTemplate media='@' duration='1'/></AdaptationSet></Period>",
        "<SegmentTemplate initialization=\"@\" index='@' bitstreamSwitching = '@'/>",
        "<SegmentList><Initialization range='0-1' sourceURL='@'/><SegmentURL media='@' index='@'/></SegmentList>",
        "<SegmentBase><RepresentationIndex sourceURL='@'/></SegmentBase>",
        "<SegmentList><BitstreamSwitching sourceURL='@'/></SegmentList>",
        "<Period xmlns:xlink='http://www.w3.org/1999/xlink' xlink:href='@' xlink:actuate='onLoad'/>",
        "<ServiceDescription><ContentSteering proxyServerURL='@'>@</ContentSteering></ServiceDescription>",
        "<Period><ImportedMPD>@</ImportedMPD></Period>",
        "<EventStream><Event><ReplacePresentation url='@'/><InsertPresentation uri='@'/></Event></EventStream>",
    ] {
        let rooted = place.replace('@', "/x/$Number%05d$?a=1&amp;b=$$");
        assert_eq!(body(&rooted).0, rooted.replace("/x/", "/~s/S/x/"), "{place}");
        let absolute = place.replace('@', "HTTP://TV.example:80/y");
        assert_eq!(body(&absolute).0, absolute.replace("/y", "/~s/S/y"), "{place}");
        for same in ["x/y", "../x", "https://cdn.example/x", "urn:mpeg:dash:resolve-to-zero:2013", ""] {
            let unchanged = place.replace('@', same);
            assert_eq!(body(&unchanged).0, unchanged, "{place}");
        }
    }
}

#[test]
fn places_that_are_none_of_ours_are_left_alone() {
    for same in [
        "<UTCTiming schemeIdUri='urn:mpeg:dash:utc:http-iso:2014' value='/time'/>",
        "<ContentProtection><Laurl>/licence</Laurl><BaseURL>/x</BaseURL></ContentProtection>",
        "<EventStream><Event><BaseURL>/x</BaseURL></Event></EventStream>",
        "<Period><Title>/x</Title><SegmentTemplate timescale='/x'/></Period>",
        "<AdaptationSet bitstreamSwitching='true'/>",
        "<!-- <BaseURL>/x</BaseURL> -->",
    ] {
        assert_eq!(body(same).0, same);
    }
    let (text, outcome) = body("<BaseURL>/x<!-- c --></BaseURL>");
    assert_eq!((&*text, outcome.undefined), ("<BaseURL>/x<!-- c --></BaseURL>", 1));
}

#[test]
fn entities_and_cdata_keep_their_form() {
    assert_eq!(body("<Location>/x?a=1&amp;b=&#x32;</Location>").0, "<Location>/~s/S/x?a=1&amp;b=&#x32;</Location>");
    assert_eq!(body("<BaseURL>&#47;x</BaseURL>").0, "<BaseURL>/~s/S&#47;x</BaseURL>");
    assert_eq!(body("<BaseURL> <![CDATA[/x?a&b]]> </BaseURL>").0, "<BaseURL> <![CDATA[/~s/S/x?a&b]]> </BaseURL>");
    assert_eq!(
        body("<BaseURL><![CDATA[http://tv.example]]></BaseURL>").0,
        "<BaseURL><![CDATA[http://tv.example/~s/S/]]></BaseURL>"
    );
}

#[test]
fn a_foreign_base_makes_rooted_references_foreign_too() {
    let inner = "<Period><BaseURL>https://cdn.example/</BaseURL><AdaptationSet><SegmentTemplate media='/x'/>\
                 <Representation><BaseURL>/y</BaseURL></Representation></AdaptationSet></Period>\
                 <Period><SegmentTemplate media='/z'/></Period>";
    let (text, outcome) = body(inner);
    assert_eq!(text, inner.replace("/z", "/~s/S/z"));
    assert_eq!((outcome.rewritten, outcome.foreign), (1, 3));
}

#[test]
fn a_template_that_a_foreign_representation_inherits_is_not_given_the_prefix() {
    let inner = "<Period><SegmentTemplate media='/x'/><AdaptationSet><Representation>\
                 <BaseURL>https://cdn.example/</BaseURL></Representation></AdaptationSet></Period>";
    assert_eq!(body(inner).0, inner);
}

#[test]
fn a_base_that_stands_after_what_it_governs_governs_it_all_the_same() {
    let inner = "<Period><SegmentTemplate media='/x'/></Period><BaseURL>https://cdn.example/</BaseURL>";
    assert_eq!(body(inner).0, inner);
}

#[test]
fn dot_segments_are_resolved_from_the_chain_of_bases() {
    let inner = |reference: &str| {
        format!("<BaseURL>d/e/</BaseURL><Period><BaseURL>f/</BaseURL><SegmentTemplate media='{reference}'/></Period>")
    };
    // The document lies in /a/b&c/, so the base is /a/b&c/d/e/f/.
    assert_eq!(body(&inner("../../../../../x")).0, inner("../../../../../x"));
    assert_eq!(body(&inner("../../../../../../x$Time$")).0, inner("/~s/S/x$Time$"));
}

#[test]
fn an_mpd_without_the_prefix_gets_a_base_that_has_it_and_a_location_when_it_is_dynamic() {
    let base = "<BaseURL>/~s/S/a/b&amp;c/</BaseURL>";
    let location = "<Location>/~s/S/a/b&amp;c/m.mpd?v=1&amp;w=2</Location>";
    let information = "<ProgramInformation><Title>x</Title></ProgramInformation>";
    let rest = "<Period><BaseURL>v/</BaseURL><SegmentTemplate media='$Time$.m4s'/></Period></MPD>";

    let (text, outcome) = written(&format!("<MPD type='static'>{rest}"), &to(false));
    assert_eq!(text, format!("<MPD type='static'>{base}{rest}"));
    assert_eq!(outcome.rewritten, 1);

    let input = format!("<MPD type=\"dynamic\">\n{information}\n{rest}");
    let (text, outcome) = written(&input, &to(false));
    assert_eq!(text, format!("<MPD type=\"dynamic\">\n{information}{base}{location}\n{rest}"));
    assert_eq!(text.replace(base, "").replace(location, ""), input);
    assert_eq!(outcome.rewritten, 2);

    let without_query = Target { query: None, ..to(false) };
    let (text, _) = written(&input, &without_query);
    assert!(text.contains("<Location>/~s/S/a/b&amp;c/m.mpd</Location>"), "{text}");
    assert_eq!(written(&input, &to(true)).0, input, "under the prefix nothing is put in");
    assert_eq!(written("<MPD/>", &to(false)).0, "<MPD/>");
}

#[test]
fn what_is_put_in_has_the_namespace_prefix_of_the_root() {
    let (text, _) = written("<m:MPD xmlns:m='urn:mpeg:dash:schema:mpd:2011'><m:Period/></m:MPD>", &to(false));
    assert_eq!(
        text,
        "<m:MPD xmlns:m='urn:mpeg:dash:schema:mpd:2011'><m:BaseURL>/~s/S/a/b&amp;c/</m:BaseURL><m:Period/></m:MPD>"
    );
    assert_eq!(body("<m:BaseURL>/x</m:BaseURL>").0, "<m:BaseURL>/~s/S/x</m:BaseURL>");
}

#[test]
fn in_an_mpd_without_the_prefix_bases_locations_and_links_are_rooted() {
    let (text, outcome) = written(
        "<MPD type='dynamic'><BaseURL>v/</BaseURL><BaseURL>https://cdn.example/</BaseURL><Location>m2.mpd?x=1</Location>\
         <PatchLocation>p.mpp</PatchLocation><Period xlink:href='r.xml'/><Period><BaseURL>w/</BaseURL></Period></MPD>",
        &to(false),
    );
    assert_eq!(
        text,
        "<MPD type='dynamic'><BaseURL>/~s/S/a/b&amp;c/v/</BaseURL><BaseURL>https://cdn.example/</BaseURL>\
         <Location>/~s/S/a/b&amp;c/m2.mpd?x=1</Location><PatchLocation>/~s/S/a/b&amp;c/p.mpp</PatchLocation>\
         <Period xlink:href='r.xml'/><Period><BaseURL>w/</BaseURL></Period></MPD>"
    );
    assert_eq!((outcome.rewritten, outcome.foreign), (3, 1));
    let (text, _) = written("<MPD><BaseURL>v/</BaseURL><Period xlink:href='r.xml'/></MPD>", &to(false));
    assert_eq!(text, "<MPD><BaseURL>/~s/S/a/b&amp;c/v/</BaseURL><Period xlink:href='/~s/S/a/b&amp;c/r.xml'/></MPD>");
}

#[test]
fn a_dynamic_mpd_with_bases_gets_its_location_behind_them() {
    let (text, _) = written("<MPD type='dynamic'><BaseURL>/v/</BaseURL>\n<Period/></MPD>", &to(false));
    assert_eq!(
        text,
        "<MPD type='dynamic'><BaseURL>/~s/S/v/</BaseURL><Location>/~s/S/a/b&amp;c/m.mpd?v=1&amp;w=2</Location>\n\
         <Period/></MPD>"
    );
}

/// With the viewer's scheme and host, which are not the name that the origin is asked by.
fn on_site(inherited: bool) -> Target<'static> {
    Target { site: "https://Play.example:8443", origin: Some("o.example"), ..to(inherited) }
}

#[test]
fn bases_and_locations_are_written_with_the_viewers_scheme_and_host() {
    let mpd = |base: &str, location: &str, media: &str| {
        format!(
            "<MPD type='dynamic'><BaseURL>{base}</BaseURL><Location>{location}</Location><PatchLocation>{location}</PatchLocation>\
             <Period xlink:href='{media}'><BaseURL>{base}</BaseURL><SegmentTemplate media='{media}'/>\
             <Representation><BaseURL>{base}</BaseURL></Representation></Period></MPD>"
        )
    };
    let seen = "https://Play.example:8443/~s/S";
    for inherited in [true, false] {
        // A reference with another host or port of ours keeps it, and its scheme unless that leads out of TLS.
        for (origin, written) in [
            ("/x/", format!("{seen}/x/")),
            ("http://o.example/x/", format!("{seen}/x/")),
            ("//o.example/x/", format!("{seen}/x/")),
            ("https://play.example:8443/x/", "https://play.example:8443/~s/S/x/".to_owned()),
            ("http://tv.example/x/", format!("{seen}/x/")),
            ("https://cdn.example/x/", "https://cdn.example/x/".to_owned()),
            ("https://play.example/x/", "https://play.example/x/".to_owned()),
        ] {
            let foreign = origin == written;
            let media = if foreign { "/y" } else { "/~s/S/y" };
            let (text, _) = written_on_site(&mpd(origin, origin, "/y"), inherited);
            let expected = mpd(&written, &written, media).replace("xlink:href='/y'", "xlink:href='/~s/S/y'");
            let text = if foreign { text.replace("xlink:href='/y'", "xlink:href='/~s/S/y'") } else { text };
            assert_eq!(text, expected, "{origin}, inherited {inherited}");
        }
    }
    let (text, _) = written_on_site("<MPD type='dynamic'><BaseURL>v/</BaseURL><Period/></MPD>", false);
    let bare = format!("{seen}/a/b&amp;c/");
    assert_eq!(
        text,
        format!(
            "<MPD type='dynamic'><BaseURL>{bare}v/</BaseURL><Location>{bare}m.mpd?v=1&amp;w=2</Location><Period/></MPD>"
        )
    );
    assert_eq!(written_on_site(&text, false).0, text);
}

fn written_on_site(input: &str, inherited: bool) -> (String, Outcome) {
    written(input, &on_site(inherited))
}

#[test]
fn a_query_alone_gets_the_file_name_and_the_base_only_where_levels_differ() {
    let base = |inner: &str| {
        let (text, _) = written(&format!("<MPD>{inner}</MPD>"), &to(false));
        let (base, rest) =
            text.strip_prefix("<MPD><BaseURL>/~s/S/a/b&amp;c/").unwrap().split_once("</BaseURL>").unwrap();
        (base.to_owned(), rest.strip_suffix("</MPD>").unwrap().to_owned())
    };
    for (inner, name, expected) in [
        ("<Period><SegmentTemplate media='$Number$.m4s'/></Period>", "", None),
        ("<Period><Representation><BaseURL>v.mp4</BaseURL></Representation></Period>", "", None),
        (
            "<Period><SegmentTemplate media=' ?n=$Number$'/></Period>",
            "",
            Some("<Period><SegmentTemplate media=' m.mpd?n=$Number$'/></Period>"),
        ),
        (
            "<Period><Representation><BaseURL><![CDATA[?r&1]]></BaseURL></Representation></Period>",
            "",
            Some("<Period><Representation><BaseURL><![CDATA[m.mpd?r&1]]></BaseURL></Representation></Period>"),
        ),
        ("<Period><BaseURL>p/</BaseURL><SegmentTemplate media='?n=$Number$'/></Period>", "", None),
        ("<Period><BaseURL>https://cdn.example/</BaseURL><SegmentTemplate media='?n=1'/></Period>", "", None),
        (
            "<Period><SegmentTemplate media='?n=1'/><Representation><BaseURL>r/</BaseURL></Representation><Representation/></Period>",
            "m.mpd",
            None,
        ),
        (
            "<Period><SegmentTemplate media='?n=1'/><Representation><BaseURL>https://cdn.example/</BaseURL></Representation>\
             <Representation/></Period>",
            "m.mpd",
            None,
        ),
    ] {
        assert_eq!(base(inner), (name.to_owned(), expected.unwrap_or(inner).to_owned()), "{inner}");
    }
    for empty in ["<BaseURL></BaseURL>", "<BaseURL> <![CDATA[]]>\n</BaseURL>"] {
        let (text, _) =
            written(&format!("<MPD>{empty}<Period><SegmentTemplate media='?n=1'/></Period></MPD>"), &to(false));
        let base = "<BaseURL>/~s/S/a/b&amp;c/</BaseURL>";
        assert_eq!(text, format!("<MPD>{base}<Period><SegmentTemplate media='m.mpd?n=1'/></Period></MPD>"));
    }
    let colon = Target { document: "/a/b:c.mpd", ..to(false) };
    let (text, _) = written("<MPD><Period><BaseURL>?r</BaseURL></Period></MPD>", &colon);
    assert_eq!(text, "<MPD><BaseURL>/~s/S/a/</BaseURL><Period><BaseURL>./b:c.mpd?r</BaseURL></Period></MPD>");
}

#[test]
fn references_that_are_only_a_query_lead_to_the_document() {
    let mut seen = 0;
    for inner in [
        "<Period><AdaptationSet><SegmentTemplate media='?n=$Number$' initialization='?init'/></AdaptationSet></Period>",
        "<Period><BaseURL>?p=1</BaseURL><SegmentTemplate media='$Number$.m4s'/></Period>",
        "<Period><AdaptationSet><BaseURL>?s=1</BaseURL></AdaptationSet><AdaptationSet><BaseURL>v/</BaseURL></AdaptationSet></Period>",
        "<Period><Representation><BaseURL>?r=1</BaseURL><SegmentBase/></Representation></Period>",
        "<Period><Representation><BaseURL>?r=1</BaseURL><SegmentTemplate media='?n=1'/></Representation></Period>",
        "<Period><BaseURL>v/</BaseURL><Representation><BaseURL>?r=1</BaseURL></Representation></Period>",
        "<Period><BaseURL>v/</BaseURL></Period><Period><SegmentList><Initialization sourceURL='?i'/><SegmentURL media='?m' index='?x'/></SegmentList></Period>",
        "<Period><AdaptationSet><SegmentTemplate media='?n=1'/><Representation><BaseURL>r/</BaseURL></Representation><Representation/></AdaptationSet></Period>",
        "<BaseURL>?top</BaseURL><Period><SegmentTemplate media='?n=1'/></Period>",
        "<BaseURL>sub/x.mpd</BaseURL><Period><SegmentTemplate media='?n=1'/></Period>",
        "<Location>?l=1</Location><PatchLocation>?p=1</PatchLocation><Period xlink:href='?x=1'/>",
    ] {
        for (kind, site) in ["static", "dynamic"].into_iter().flat_map(|kind| sites(AUTHORITY).map(|site| (kind, site)))
        {
            let before = format!("<MPD xmlns:xlink='http://www.w3.org/1999/xlink' type='{kind}'>{inner}</MPD>");
            let target = Target { inherited: false, site: &site, ..target(AUTHORITY) };
            let (after, _) = written(&before, &target);
            let document = document_url(AUTHORITY);
            seen += dash_oracle::compare(&before, &after, &document, &document, AUTHORITY, &format!("{site} {before}"));
            let again = written(&after, &target);
            assert_eq!((again.0, again.1.rewritten), (after, 0));
        }
    }
    assert_eq!(seen, 4 * 24);
}

#[test]
fn patch_documents_are_rewritten_in_their_payload_and_where_they_set_a_reference() {
    let patch = |media: &str, location: &str| {
        format!(
            "<Patch xmlns='urn:mpeg:dash:schema:mpd-patch:2020'><replace sel=\"/MPD/Location[1]/text()\">{location}</replace>\
             <add sel='/MPD/Period[1]/SegmentTemplate' type='@media'>{media}</add>\
             <replace sel=\"/MPD/Period[@id='1/2']/SegmentTemplate/@media\">{media}</replace>\
             <replace sel='/MPD/@publishTime'>/no/reference</replace>\
             <add sel='/MPD'><Period><SegmentTemplate media='{media}'/></Period></add>\
             <replace sel='/MPD/PatchLocation'><PatchLocation>{location}</PatchLocation></replace></Patch>"
        )
    };
    for inherited in [true, false] {
        let (text, outcome) = written(&patch("/x", "http://tv.example/l"), &to(inherited));
        assert_eq!(text, patch("/~s/S/x", "http://tv.example/~s/S/l"));
        assert_eq!((outcome.rewritten, outcome.facts.form, outcome.facts.live), (5, Form::MpdPatch, true));
        let relative = patch("../../../x", "l?y");
        assert_eq!(written(&relative, &to(inherited)).0, relative);
    }
}

#[test]
fn durations_come_from_the_root_and_from_the_longest_segment_that_is_no_image() {
    let (_, outcome) = written(
        "<MPD type='dynamic' minimumUpdatePeriod='PT2S' maxSegmentDuration='PT4S'><Period>\
         <AdaptationSet mimeType='video/mp4'><SegmentTemplate timescale='1000' duration='2000'/><Representation>\
         <SegmentTemplate><SegmentTimeline><S t='0' d='3840' r='3'/></SegmentTimeline></SegmentTemplate></Representation>\
         </AdaptationSet><AdaptationSet><SegmentTemplate duration='100'/><Representation mimeType='image/jpeg'/>\
         </AdaptationSet></Period></MPD>",
        &to(true),
    );
    let facts = outcome.facts;
    assert_eq!((facts.form, facts.live), (Form::Mpd, true));
    assert_eq!((facts.refresh, facts.target_duration), (Some(Duration::from_secs(2)), Some(Duration::from_secs(4))));
    assert_eq!((facts.longest_segment, facts.duration), (Some(Duration::from_millis(3840)), None));
}

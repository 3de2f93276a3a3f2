//! The manifest rewriters against manifests that other people published, seen from outside.
//!
//! What a reference is, where it leads and what a manifest says is found out by other means here (typed parsers, a walk of
//! its own, the `url` crate), never by the code under test. The corpus lies beside the project or where
//! `STREAMGATE_CORPUS` says; without it these tests say that they were skipped. Forms that it lacks stand in `by_hand`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests say what failed by panicking")]

mod by_hand_dash;
mod by_hand_hls;
mod corpus;
mod dash_oracle;
mod hls_oracle;
mod properties;
mod support;

use std::collections::BTreeSet;

use streamgate::media::{Form, Target, sniff};
use url::Url;

use self::corpus::{Manifest, corpus};
use self::support::{AUTHORITY, PREFIX, document_url, rewrite, seen_by_viewer, sites, target, without_prefix};

/// Our own authority, and every other one that the manifest names: each may be the one that the viewer asked.
fn authorities(manifest: &Manifest) -> BTreeSet<String> {
    let mut authorities = BTreeSet::from([AUTHORITY.to_owned()]);
    let base = document_url(AUTHORITY);
    for url in urls(manifest, &base).into_iter().filter(|url| matches!(url.scheme(), "http" | "https")) {
        authorities.extend(url.host_str().map(|host| match url.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        }));
    }
    authorities
}

/// Every authority under which the viewer may have asked, each without and with the viewer's scheme.
fn viewers(manifest: &Manifest) -> impl Iterator<Item = (String, String)> {
    authorities(manifest).into_iter().flat_map(|authority| sites(&authority).map(|site| (authority.clone(), site)))
}

/// Every reference of a manifest, resolved.
fn urls(manifest: &Manifest, base: &Url) -> Vec<Url> {
    let text = manifest.text();
    if manifest.is_hls() {
        hls_oracle::references(text).into_iter().filter_map(|(_, reference)| base.join(&reference).ok()).collect()
    } else {
        dash_oracle::references(text, base).into_iter().flat_map(|reference| reference.urls).collect()
    }
}

#[test]
fn a_rewriter_without_a_prefix_gives_every_file_back_byte_for_byte() {
    let Some(corpus) = corpus() else { return };
    for manifest in &corpus {
        for inherited in [true, false] {
            let nothing = Target { prefix: "", inherited, ..target(AUTHORITY) };
            let (written, outcome) = rewrite(manifest.is_hls(), &manifest.bytes, &nothing);
            assert!(written == manifest.bytes, "{}", manifest.path);
            if let Ok(outcome) = outcome {
                assert_eq!((outcome.rewritten, outcome.foreign, outcome.undefined), (0, 0, 0), "{}", manifest.path);
            }
        }
    }
}

#[test]
fn valid_files_are_understood_and_those_that_do_not_start_as_playlists_pass() {
    let Some(corpus) = corpus() else { return };
    for manifest in &corpus {
        let (written, outcome) = rewrite(manifest.is_hls(), &manifest.bytes, &target(AUTHORITY));
        if manifest.kind == "invalid" {
            if manifest.has("no_extm3u_first") {
                assert!(outcome.is_err() && written == manifest.bytes, "{}", manifest.path);
            }
            continue;
        }
        let form = outcome.unwrap_or_else(|error| panic!("{}: {error}", manifest.path)).facts.form;
        let expected = match manifest.kind.as_str() {
            "multivariant" => Form::Multivariant,
            "media" => Form::MediaPlaylist,
            "mpd" => Form::Mpd,
            "mpd-patch" => Form::MpdPatch,
            other => panic!("{}: kind {other}", manifest.path),
        };
        assert_eq!(form, expected, "{}", manifest.path);
        assert!(sniff(&manifest.bytes).is_some_and(streamgate::media::Kind::is_manifest), "{}", manifest.path);
    }
}

#[test]
fn taking_the_prefix_out_again_gives_the_original() {
    let Some(corpus) = corpus() else { return };
    let mut changed = 0;
    for manifest in &corpus {
        for (authority, site) in viewers(manifest) {
            let target = Target { site: &site, ..target(&authority) };
            let (written, outcome) = rewrite(manifest.is_hls(), &manifest.bytes, &target);
            let stripped = without_prefix(&written, &manifest.bytes, &site);
            assert!(stripped == manifest.bytes, "{} as {authority}, {site:?}", manifest.path);
            let prefixes = memchr::memmem::find_iter(&written, PREFIX).count();
            let rewritten = outcome.map_or(0, |outcome| outcome.rewritten);
            assert_eq!(prefixes, usize::try_from(rewritten).unwrap(), "{} as {authority}", manifest.path);
            changed += prefixes;
        }
    }
    assert!(changed > 90, "only {changed} references were rewritten");
}

#[test]
fn rewriting_twice_changes_nothing_more() {
    let Some(corpus) = corpus() else { return };
    for manifest in &corpus {
        for (authority, site) in viewers(manifest) {
            for inherited in [true, false] {
                let target = Target { inherited, site: &site, ..target(&authority) };
                let (once, _) = rewrite(manifest.is_hls(), &manifest.bytes, &target);
                let (twice, outcome) = rewrite(manifest.is_hls(), &once, &target);
                assert!(once == twice, "{} as {authority}, inherited {inherited}", manifest.path);
                assert_eq!(outcome.map_or(0, |outcome| outcome.rewritten), 0, "{}", manifest.path);
            }
        }
    }
}

#[test]
fn every_reference_leads_to_the_prefixed_original_and_no_other_host_gets_the_prefix() {
    let Some(corpus) = corpus() else { return };
    let mut seen = 0;
    for manifest in corpus.iter().filter(|manifest| manifest.kind != "invalid") {
        for (authority, site) in viewers(manifest) {
            let origin = document_url(&authority);
            for inherited in [true, false] {
                let target = Target { inherited, site: &site, ..target(&authority) };
                let (written, _) = rewrite(manifest.is_hls(), &manifest.bytes, &target);
                let written = std::str::from_utf8(&written).unwrap();
                let viewer = if inherited { seen_by_viewer(&origin, &authority) } else { origin.clone() };
                let context = format!("{} as {authority}, inherited {inherited}", manifest.path);
                seen += if manifest.is_hls() {
                    hls_oracle::compare(manifest.text(), written, &origin, &viewer, &authority, &context)
                } else if manifest.kind == "mpd-patch" {
                    // What a patch is resolved from is the MPD, which the viewer has under the prefix.
                    let viewer = seen_by_viewer(&origin, &authority);
                    dash_oracle::compare(manifest.text(), written, &origin, &viewer, &authority, &context)
                } else {
                    dash_oracle::compare(manifest.text(), written, &origin, &viewer, &authority, &context)
                };
            }
        }
    }
    assert!(seen > 10_000, "only {seen} references were seen");
}

#[test]
fn typed_parsers_see_the_same_manifest_but_for_its_references() {
    let Some(corpus) = corpus() else { return };
    let mut compared = 0;
    for manifest in corpus.iter().filter(|manifest| manifest.kind != "mpd-patch") {
        let (written, outcome) = rewrite(manifest.is_hls(), &manifest.bytes, &target(AUTHORITY));
        if outcome.is_err() {
            continue;
        }
        let written = std::str::from_utf8(&written).unwrap();
        if manifest.is_hls() {
            assert_eq!(hls_oracle::blanked(manifest.text()), hls_oracle::blanked(written), "{}", manifest.path);
            compared += 1;
        } else if let Ok(before) = dash_mpd_core::parse(manifest.text()) {
            let after = dash_mpd_core::parse(written).unwrap_or_else(|error| panic!("{}: {error}", manifest.path));
            let after = format!("{after:?}").replace(PREFIX, "");
            assert!(format!("{before:?}") == after, "{}", manifest.path);
            compared += 1;
        }
    }
    assert!(compared > 290, "only {compared} manifests were compared");
}

#[test]
fn facts_are_those_that_typed_parsers_find() {
    let Some(corpus) = corpus() else { return };
    let mut compared = 0;
    for manifest in corpus.iter().filter(|manifest| !matches!(&*manifest.kind, "invalid" | "mpd-patch")) {
        let (_, outcome) = rewrite(manifest.is_hls(), &manifest.bytes, &target(AUTHORITY));
        let facts = outcome.unwrap().facts;
        if manifest.is_hls() {
            hls_oracle::check_facts(manifest.text(), &facts, &manifest.path);
        } else if let Ok(mpd) = dash_mpd_core::parse(manifest.text()) {
            dash_oracle::check_facts(&mpd, &facts, &manifest.path);
        } else {
            continue;
        }
        compared += 1;
    }
    assert!(compared > 290, "only {compared} manifests were compared");
}

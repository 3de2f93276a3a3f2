use std::collections::BTreeSet;

use http::header::{HeaderMap, HeaderName, HeaderValue};

use crate::identity::RequestFacts;
use crate::identity::cmcd::{Data, find, is_header, parse, strip_query};

use super::Seed;
use super::ask::escaped;

/// Bytes that are read of a parameter.
const MAX_TEXT: usize = 8 * 1024;

/// A dictionary, or a query.
pub fn cmcd(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let members = parse(text);
    let keys: BTreeSet<&str> = members.iter().map(|(key, _)| *key).collect();
    assert_eq!(keys.len(), members.len(), "a key stands twice");

    let name = HeaderName::from_static("cmcd-request");
    assert!(is_header(&name));
    let header = HeaderValue::from_str(text);
    let headers: HeaderMap = header.iter().map(|value| (name.clone(), value.clone())).collect();
    let none = HeaderMap::new();
    let query = format!("a=1&CMCD={}&b=2", escaped(text));
    for (key, item) in members.iter().filter(|(key, _)| *key != "sid").take(16) {
        let by_header = find(&RequestFacts::new("/", None, &headers), key);
        let by_query = find(&RequestFacts::new("/", Some(&query), &none), key);
        let is_empty_list = matches!(&item.value, Data::List(items) if items.is_empty());
        if header.is_ok() {
            assert_eq!(by_header.is_some(), !is_empty_list, "{key} is lost in the header");
        }
        if header.is_ok() && query.len() <= MAX_TEXT {
            assert_eq!(by_header, by_query, "{key} is another one in the query");
        }
    }
    let sid = find(&RequestFacts::new("/", Some(text), &headers), "sid");
    assert!(
        sid.is_none_or(|sid| (1..=128).contains(&sid.len()) && sid.bytes().all(|byte| matches!(byte, b' '..=b'~')))
    );

    for query in [text, query.as_str()] {
        let rest = strip_query(query);
        assert_eq!(strip_query(&rest), rest, "a second look finds more");
        let others = |query: &str| -> Vec<String> {
            let is_ours = |parameter: &&str| parameter.split('=').next() == Some("CMCD");
            query.split('&').filter(|parameter| !is_ours(parameter)).map(str::to_owned).collect()
        };
        assert_eq!(others(&rest).concat(), others(query).concat(), "something else is gone from {query}");
        assert_eq!(rest.matches('&').count(), others(query).len().saturating_sub(1));
        for key in ["sid", "br", "v"] {
            assert_eq!(find(&RequestFacts::new("/", Some(&rest), &none), key), None, "{key} is left in {rest}");
        }
    }
}

pub fn seeds() -> Vec<Seed> {
    let texts = [
        (
            "one",
            r#"bl=5000,br=200,bs,cid="a \"b\" \\c",com.example-x=1.5,d=325,nor="..%2F3.m4v",ot=m,sf=d,sid="7f3a",su=?0,v=1"#,
        ),
        ("two", r#"br=(2500;v 100),bl=(300 "a";x=1),sid="7f3a-11",v=2,nor=("1.m4s";r="0-99" "2.m4s")"#),
        ("twice", r#"sid="a",br=1,sid="b",br=2"#),
        ("sid-long", r#"v=1,sid="0123456789012345678901234567890123456789012345678901234567890123456789""#),
        ("broken", r#"br=,=1,;,a;b;=c,(d),"e",sid="a,b=1,c"#),
        ("open-list", r"br=(1 2 (3),v=1"),
        ("unicode", "sid=\"\u{e9}\",\u{1f600}=1,br=1"),
        ("query", "a=1&CMCD=br%3D1%2Csid%3D%22x%22&CMCD=bs&b=2&CMCDx=1&xCMCD=2"),
        ("query-plus", "CMCD=cid%3D%22a+b%22,sid%3D%22%2525%22"),
        ("query-broken", "CMCD&CMCD=&CMCD=%&CMCD=%ff"),
    ];
    let mut seeds: Vec<Seed> = texts.map(|(name, text)| (name, text.into())).into();
    seeds.push(("many-lists", "a=(1 2;b=3),".repeat(300).into()));
    seeds
}

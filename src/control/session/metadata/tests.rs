//! Metadata as they come.

use axum::http::Request;

use super::*;

const FORM: &str = "application/x-www-form-urlencoded";

async fn read(query: &str, kind: &str, body: impl Into<Body>) -> Result<Vec<(String, String)>, Malformed> {
    let request = Request::builder().uri(format!("/streams?{query}")).header(CONTENT_TYPE, kind).body(body.into());
    let (head, body) = request.unwrap().into_parts();
    let metadata = Metadata::read(&head, body).await?;
    Ok(metadata.0.into_iter().collect())
}

fn pairs<const N: usize>(pairs: [(&str, &str); N]) -> Vec<(String, String)> {
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec()
}

#[tokio::test]
async fn the_body_wins_over_the_query_and_the_last_value_over_those_before() {
    let read = read("channel=a&genre=news&genre=sport", FORM, "channel=b&channel=c&name=A+B%2BC").await;
    assert_eq!(read, Ok(pairs([("channel", "c"), ("genre", "sport"), ("name", "A B+C")])));
}

#[tokio::test]
async fn json_may_be_an_object_of_texts_or_nothing_at_all() {
    assert_eq!(read("a=1", "application/json", "").await, Ok(pairs([("a", "1")])));
    assert_eq!(read("", "Application/JSON; charset=UTF-8", r#"{"a":"ü","a":"1"}"#).await, Ok(pairs([("a", "1")])));
    for body in ["[]", r#"{"a":1}"#, r#"{"a":{"b":"c"}}"#, r#"{"a":null}"#, "{", "\"a\"", "\u{0}"] {
        assert!(read("", "application/json", body).await.is_err(), "{body}");
    }
}

#[tokio::test]
async fn other_bodies_are_malformed_unless_they_are_empty() {
    for kind in ["text/plain", "multipart/form-data; boundary=x", "", "application/x-www-form-urlencoded2"] {
        assert!(read("", kind, "a=1").await.is_err(), "{kind}");
        assert_eq!(read("a=1", kind, "").await, Ok(pairs([("a", "1")])), "{kind}");
    }
}

#[tokio::test]
async fn what_is_not_utf8_is_malformed_wherever_it_stands() {
    for form in ["a=%ff", "%C3=1", "a=%EF%BF%BD"] {
        assert!(read(form, FORM, "").await.is_err(), "{form}");
        assert!(read("", FORM, form).await.is_err(), "{form}");
    }
    assert!(read("", FORM, b"a=\xff".to_vec()).await.is_err());
    assert!(read("", "application/json", b"{\"a\":\"\xff\"}".to_vec()).await.is_err());
}

#[tokio::test]
async fn there_are_bounds_on_names_values_and_their_number() {
    let form = |count: usize| (0..count).map(|nth| format!("k{nth}=v&")).collect::<Vec<_>>().concat();
    assert_eq!(read("", FORM, form(64)).await.map(|pairs| pairs.len()), Ok(64));
    assert!(read("", FORM, form(65)).await.is_err());
    assert!(read("more=1", FORM, form(64)).await.is_err());
    assert!(read("k1=1", FORM, form(64)).await.is_ok(), "the same name is not one more");
    assert!(read("superseded=1&idp=2", FORM, form(64)).await.is_ok(), "what is not taken does not count");
    for (name, value, fits) in [(64, 512, true), (65, 1, false), (1, 513, false), (0, 1, false)] {
        let form = format!("{}={}", "n".repeat(name), "v".repeat(value));
        assert_eq!(read("", FORM, form).await.is_ok(), fits, "{name} {value}");
    }
}

#[tokio::test]
async fn what_the_gateway_says_itself_is_not_taken_from_anybody() {
    let form = SERVER_OWNED.map(|name| format!("{name}=forged&")).concat();
    assert_eq!(read(&form, FORM, form.clone()).await, Ok(pairs([])));
}

#[tokio::test]
async fn a_body_that_is_too_long_is_never_held() {
    let chunk = bytes::Bytes::from(vec![b'a'; 1 << 20]);
    let (mut sender, body) = http_body_util::channel::Channel::<bytes::Bytes, std::io::Error>::new(1);
    let sending = tokio::spawn(async move {
        for _ in 0..10 {
            if sender.send_data(chunk.clone()).await.is_err() {
                return false;
            }
        }
        true
    });
    assert!(read("", FORM, Body::new(body)).await.is_err());
    assert!(sending.await.unwrap(), "all of it was taken, so that its sender reads the answer");
    let exactly = vec!["a=".to_owned() + &"v".repeat(509); 32].join("&") + "&";
    assert_eq!(exactly.len(), MAX_BODY);
    assert!(read("", FORM, exactly.clone()).await.is_ok());
    assert!(read("", FORM, exactly + "&").await.is_err());
}

#[tokio::test]
async fn a_hundred_thousand_names_are_not_looked_at() {
    let form = (0..100_000).map(|nth| format!("{nth}&")).collect::<Vec<_>>().concat();
    assert!(read("", FORM, form.clone()).await.is_err());
    assert_eq!(Metadata::default().add_form(form.as_bytes()), Err(Malformed("a stream has at most 64 attributes")));
}

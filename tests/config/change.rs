//! Two configurations, told apart.

use streamgate::config::parse;

use crate::support::{PROMISED, SEAL, folder, with};

#[test]
fn two_differ_in_the_sections_whose_words_or_secrets_differ() {
    let folder = folder();
    let read = |text: &str| parse(text, folder.path()).unwrap_or_else(|report| panic!("{report}"));
    let before = read(PROMISED);
    assert_eq!(before.differences(&read(&format!("# A comment.\n{PROMISED}"))), [""; 0]);
    let sections = ["client_address", "policies"];
    let text = format!("{}\nclient_address: {{ trusted: [10.0.0.0/8] }}\n", with("limit: 2", "limit: 3"));
    let after = read(&text);
    assert_eq!(before.differences(&after), sections);
    assert_eq!(after.differences(&before), sections);
    std::fs::write(folder.path().join("keys/session.key"), SEAL.to_lowercase() + "?").unwrap();
    let after = read(PROMISED);
    assert_eq!(before.differences(&after), ["sessions"]);
    assert_eq!(format!("{:?}", after.sections), "Sections { .. }", "no digest, from which a secret could be guessed");
}

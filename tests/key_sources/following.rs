//! One configuration's keys, verdicts and blocks in another's place.

use std::time::Duration;

use streamgate::identity::{Block, Blocked, CallbackSource, TokenError};
use streamgate::model::Account;

use super::blocks::{entry, reason};
use super::callback::{ask, service, yes};
use super::key_urls::{NEVER, OFTEN, set, source, token, verify};
use super::signers::Signer;
use super::support::{House, Manner, Server, soon};

#[tokio::test]
async fn keys_of_the_same_url_are_there_at_once_and_are_not_fetched_again() {
    let (old, new) = (Signer::p256(), Signer::p256());
    let server = Server::start(Manner::ok(set(&old, "a"))).await;
    let (before, after) = (source(&server.url("/jwks"), NEVER), source(&server.url("/jwks"), NEVER));
    let mut house = House::with_keys(vec![before.clone()]);
    house.until("changed").await;
    server.now(Manner::status(500));
    let mut next = house.followed(|settings| settings.key_sources = vec![after.clone()]);
    house.shut_down().await;
    assert_eq!(verify(&after, &token(&old, "a")), Ok(()));
    soon(next.key_sources.fetched(Duration::MAX)).await;
    assert_eq!(server.count(), 1);
    server.now(Manner::ok(set(&new, "b")));
    next.clock.advance(Duration::from_secs(10));
    assert!(soon(next.key_sources.refresh("application tv")).await, "it is fetched as before when a token needs it");
    assert_eq!(verify(&after, &token(&new, "b")), Ok(()));
    next.shut_down().await;
}

#[tokio::test]
async fn a_new_url_can_be_waited_for_and_another_one_is_never_taken_for_it() {
    let (old, new) = (Signer::p256(), Signer::p256());
    let (one, two) = (Server::start(Manner::ok(set(&old, "a"))).await, Server::start(Manner::Hang).await);
    let (before, after) = (source(&one.url("/jwks"), NEVER), source(&two.url("/jwks"), NEVER));
    let mut house = House::with_keys(vec![before]);
    house.until("changed").await;
    let next = house.followed(|settings| settings.key_sources = vec![after.clone()]);
    assert_eq!(verify(&after, &token(&old, "a")), Err(TokenError::UnknownKey));
    two.arrived(1).await;
    two.now(Manner::ok(set(&new, "b")));
    soon(next.key_sources.fetched(Duration::from_hours(1))).await;
    assert_eq!(verify(&after, &token(&new, "b")), Ok(()));
    assert_eq!(one.count(), 1);
}

#[tokio::test]
async fn a_url_that_fails_is_not_waited_for_a_second_time() {
    let server = Server::start(Manner::status(500)).await;
    let (before, after) = (source(&server.url("/jwks"), NEVER), source(&server.url("/jwks"), NEVER));
    let mut house = House::with_keys(vec![before]);
    house.until("failed").await;
    server.now(Manner::Hang);
    let next = house.followed(|settings| settings.key_sources = vec![after]);
    soon(next.key_sources.fetched(Duration::MAX)).await;
}

#[tokio::test]
async fn one_that_has_ended_asks_nobody_by_itself_and_still_serves_whoever_needs_a_key() {
    let (old, new) = (Signer::p256(), Signer::p256());
    let server = Server::start(Manner::ok(set(&old, "a"))).await;
    let source = source(&server.url("/jwks"), OFTEN);
    let mut house = House::with_keys(vec![source.clone()]);
    house.until("changed").await;
    house.shut_down().await;
    let asked = server.count();
    server.now(Manner::ok(set(&new, "b")));
    assert_eq!(verify(&source, &token(&new, "b")), Err(TokenError::UnknownKey));
    house.clock.advance(Duration::from_secs(10));
    assert!(soon(house.key_sources.refresh("application tv")).await);
    assert_eq!(verify(&source, &token(&new, "b")), Ok(()));
    assert_eq!(server.count(), asked + 1);
}

#[tokio::test]
async fn whoever_waits_for_a_key_when_it_ends_does_not_wait_in_vain() {
    let server = Server::start(Manner::Hang).await;
    let source = source(&server.url("/jwks"), NEVER);
    let mut house = House::with_keys(vec![source]);
    server.arrived(1).await;
    let key_sources = house.key_sources.clone();
    let waiting = tokio::spawn(async move { key_sources.refresh("application tv").await });
    house.shut_down().await;
    assert!(!soon(waiting).await.unwrap());
}

#[tokio::test]
async fn what_the_same_service_said_goes_on_and_another_is_asked() {
    let (one, two) = (Server::start(yes("alice")).await, Server::start(yes("bob")).await);
    let before = service(&one);
    let house = House::with_callback(&before);
    assert_eq!(ask(&house, &before, "t").await.as_deref(), Ok("alice"));
    let after = CallbackSource { lifetime: Duration::from_secs(1), ..service(&one) };
    let next = house.followed(|settings| settings.callbacks = vec![after.clone()]);
    assert_eq!(ask(&next, &after, "t").await.as_deref(), Ok("alice"));
    assert_eq!(one.count(), 1);
    assert_eq!(ask(&next, &after, "u").await.as_deref(), Ok("alice"));
    assert_eq!(ask(&house, &before, "u").await.as_deref(), Ok("alice"), "also to those who still ask the first");
    assert_eq!(one.count(), 2);
    let other = service(&two);
    let last = next.followed(|settings| settings.callbacks = vec![other.clone()]);
    assert_eq!(ask(&last, &other, "t").await.as_deref(), Ok("bob"));
}

#[tokio::test]
async fn blocks_stay_while_their_file_is_broken_and_go_with_another_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("blocks.yaml");
    std::fs::write(&file, entry("alice")).unwrap();
    let house = House::run(|settings| settings.blocks_file = Some(file.clone()));
    std::fs::write(&file, "- account: {").unwrap();
    let next = house.followed(|settings| settings.blocks_file = Some(file.clone()));
    assert!(reason(&next, "alice").is_some());
    let last = next.followed(|settings| settings.blocks_file = Some(folder.path().join("other.yaml")));
    assert!(reason(&last, "alice").is_none());
}

#[tokio::test]
async fn a_block_that_an_operator_gives_while_a_configuration_is_made_ready_is_in_the_next_one() {
    let house = House::run(|_| {});
    let next = house.followed(|_| {});
    let blocked = Blocked::Account(Account::new("i", "bob").key());
    // The first one is still in force: it is told.
    house.key_sources.block_also(vec![Block { blocked, until: None, reason: "Not today.".into() }]);
    assert!(reason(&house, "bob").is_some());
    next.key_sources.reread();
    assert!(reason(&next, "bob").is_some(), "the block is lost with the reload");
}

//! Two devices of one account, from the first start to the last stop, with the numbers that each is told.

use super::support::{House, json};

#[tokio::test]
async fn two_devices_of_an_account_know_of_each_other_and_share_three_slots() {
    let house = House::new().await;
    let (account, by_type) =
        ("H-2041", "/v1/twin/acme/accounts/H-2041/activity?metrics=activeStreams&dimensions=deviceType");
    let groups = async || json(&house.ask(by_type).await)["activeStreams"].clone();
    assert_eq!(house.count("demo", account).await, 0);

    // The television starts; the phone asks what plays before it starts itself.
    let television = [("channel", "arena-1"), ("deviceId", "tv-livingroom"), ("deviceType", "tv")];
    let tv = house.start("demo", account, &television).await;
    assert_eq!((tv.is_compliant(), tv.count()), (true, 1));
    assert_eq!(house.count("twin", account).await, 1, "from its start on, not from its first heartbeat");
    let phone = house.start("twin", account, &[("channel", "kids-2"), ("deviceType", "phone")]).await;
    assert_eq!((phone.is_compliant(), phone.count()), (true, 2));
    let bedroom = house.start("demo", account, &[("channel", "arena-1"), ("deviceType", "tv")]).await;
    assert_eq!((bedroom.is_compliant(), bedroom.count()), (true, 3));
    let expected = serde_json::json!([
        { "deviceType": "phone", "streamCount": 1 },
        { "deviceType": "tv", "streamCount": 2 },
    ]);
    assert_eq!(groups().await, expected);

    // A fourth is one too many. Whoever started it decides what that means.
    let fourth = house.start("twin", account, &[("deviceType", "tablet")]).await;
    assert_eq!((fourth.is_compliant(), fourth.count()), (false, 3));
    for stream in [&tv, &phone, &bedroom, &fourth] {
        assert_eq!(house.event(stream, "alive").await, 202);
        assert_eq!(house.is_compliant(stream).await, stream.id() != fourth.id());
    }
    assert_eq!(groups().await, expected);

    // The bedroom falls silent; the others go on.
    super::support::until("the bedroom is silent", async || {
        house.event(&tv, "alive").await;
        house.event(&phone, "alive").await;
        house.count("demo", account).await == 2
    })
    .await;
    let again = house.start("twin", account, &[("deviceType", "tablet")]).await;
    assert_eq!((again.is_compliant(), again.count()), (true, 3));

    for (stream, left) in [(&tv, 2), (&phone, 1), (&again, 0)] {
        assert_eq!(house.event(stream, "stop").await, 202);
        assert_eq!(house.count("demo", account).await, left);
        assert_eq!(house.count("twin", account).await, left);
    }
    assert_eq!(groups().await, serde_json::json!([]));
}

//! Lists of streams and accounts, in pages. Each request inspects a bounded number of accounts.

use std::sync::Arc;

use axum::extract::State as From;
use serde::{Deserialize, Serialize};
use tokio::task::yield_now;
use utoipa::{IntoParams, ToSchema};

use super::dto::{AccountName, Content, State, StreamShown};
use super::guard::Reader;
use super::input::{QueryParams, account};
use super::problem::{Answer, Problem};
use crate::config::Settings;
use crate::control::Control;
use crate::model::{Account, AccountKey, Millis, StreamId};
use crate::streams::Stream;
use crate::streams::account::AccountState;

/// Default page size.
const USUAL: usize = 100;
/// Maximum page size.
const MAX_PAGE: usize = 1000;
/// Accounts that one request inspects before it returns a partial page.
const LOOKS: usize = 20_000;
/// Accounts inspected between two yields to the scheduler.
const AT_ONCE: usize = 256;

/// Filters; all given ones must match.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Filter {
    /// Page size.
    #[param(minimum = 1, maximum = 1000, nullable = false)]
    limit: Option<usize>,
    /// `next` of the previous page.
    #[param(pattern = "^[0-9a-f]{32}([0-9a-f]{48})?$", nullable = false)]
    cursor: Option<String>,
    /// The identity provider of the account.
    #[param(nullable = false)]
    idp: Option<String>,
    /// The account within its identity provider.
    #[param(nullable = false)]
    subject: Option<String>,
    /// The application that started it.
    #[param(nullable = false)]
    application: Option<String>,
    /// The name of the device.
    #[param(nullable = false)]
    device: Option<String>,
    /// The asset.
    #[param(nullable = false)]
    asset: Option<String>,
    /// State of the stream.
    #[param(inline, nullable = false)]
    state: Option<State>,
    /// Type of content, from the manifest.
    #[param(inline, nullable = false)]
    content: Option<Content>,
}

impl Filter {
    fn limit(&self) -> Result<usize, Problem> {
        match self.limit {
            None => Ok(USUAL),
            Some(limit) if (1..=MAX_PAGE).contains(&limit) => Ok(limit),
            Some(_) => Err(Problem::malformed(format!("`limit` must be from 1 to {MAX_PAGE}."))),
        }
    }

    fn cursor(&self) -> Result<Cursor, Problem> {
        let read = self.cursor.as_deref().map(|text| {
            Cursor::read(text)
                .ok_or_else(|| Problem::malformed("`cursor` is not the `next` of a page. Omit it to start over."))
        });
        read.transpose().map(Option::unwrap_or_default)
    }

    fn fits_account(&self, account: &Account) -> bool {
        self.idp.as_deref().is_none_or(|idp| idp == &*account.idp)
            && self.subject.as_deref().is_none_or(|subject| subject == &*account.subject)
    }

    fn asks_of_streams(&self) -> bool {
        let Self { application, device, asset, state, content, .. } = self;
        application.is_some() || device.is_some() || asset.is_some() || state.is_some() || content.is_some()
    }

    fn fits(&self, stream: &Stream, settings: &Settings, now: Millis) -> bool {
        self.application.as_deref().is_none_or(|application| application == stream.application.as_str())
            && self.device.as_deref().is_none_or(|device| stream.device.name() == Some(device))
            && self.asset.as_deref().is_none_or(|asset| asset == &*stream.asset)
            && self.content.is_none_or(|content| Content::from_stream(stream) == Some(content))
            && self.state.is_none_or(|state| State::new(stream, settings, now) == state)
    }
}

/// Where a page ended: after an account, or after one of its streams. Stays valid when accounts and streams come and
/// go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Cursor {
    account: Option<AccountKey>,
    stream: Option<(Millis, StreamId)>,
}

impl Cursor {
    fn read(text: &str) -> Option<Self> {
        let hexadecimal = |text: &str| {
            let fits = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
            fits.then(|| u128::from_str_radix(text, 16).ok()).flatten()
        };
        let account = Some(AccountKey(hexadecimal(text.get(..32)?)?.to_be_bytes()));
        let stream = match text.get(32..)? {
            "" => None,
            rest if rest.len() == 48 => {
                let started = u64::try_from(hexadecimal(rest.get(..16)?)?).ok()?;
                Some((Millis(started), StreamId(hexadecimal(rest.get(16..)?)?.to_be_bytes())))
            }
            _ => return None,
        };
        Some(Self { account, stream })
    }

    fn write(self) -> Option<String> {
        let account = format!("{:032x}", u128::from_be_bytes(self.account?.0));
        Some(match self.stream {
            None => account,
            Some((started, id)) => format!("{account}{:016x}{:032x}", started.0, u128::from_be_bytes(id.0)),
        })
    }
}

/// Streams, by account.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Streams)]
pub(super) struct StreamsShown {
    /// One page.
    streams: Vec<StreamShown>,
    /// `cursor` of the next page; absent on the last page. Earlier pages may also have fewer items than `limit`.
    next: Option<String>,
}

/// An account in a list.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AccountInList)]
pub(super) struct AccountListed {
    account: AccountName,
    /// The account's label in the log.
    label: String,
    /// Streams that hold a slot.
    holding: usize,
    /// All streams.
    streams: usize,
    /// Tombstones.
    terminated: usize,
}

/// Accounts.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Accounts)]
pub(super) struct AccountsShown {
    /// One page.
    accounts: Vec<AccountListed>,
    /// `cursor` of the next page; absent on the last page.
    next: Option<String>,
}

/// Result of visiting an account.
enum Visited {
    /// Nothing matches.
    Unwanted,
    /// Something is on the page.
    Listed,
    /// The page is full and ends there.
    Full(Cursor),
}

/// Visits accounts from the cursor on until `visit` returns `Full`. Also stops after `LOOKS` accounts if something was
/// found, so that no page is empty except the last. Returns where it stopped; `None` at the end.
async fn walk(
    control: &Control,
    filter: &Filter,
    from: Cursor,
    mut visit: impl FnMut(AccountKey, &Account, &AccountState) -> Visited,
) -> Option<Cursor> {
    if let (Some(idp), Some(subject)) = (&filter.idp, &filter.subject) {
        // An invalid account name has no streams.
        let Ok(account) = account(idp, subject) else { return None };
        let key = account.key();
        let is_behind = from.account.is_some_and(|last| last > key || last == key && from.stream.is_none());
        let found = control.admission.table.peek(&key).filter(|_| !is_behind);
        return found.and_then(|(account, record)| match visit(key, &account, &record) {
            Visited::Full(end) => Some(end),
            Visited::Listed | Visited::Unwanted => None,
        });
    }
    let mut is_empty = true;
    if let (Some(key), Some(_)) = (from.account, from.stream)
        && let Some((account, record)) = control.admission.table.peek(&key)
        && filter.fits_account(&account)
    {
        match visit(key, &account, &record) {
            Visited::Full(end) => return Some(end),
            Visited::Listed => is_empty = false,
            Visited::Unwanted => {}
        }
    }
    let mut behind = from.account;
    let mut looks = 0;
    loop {
        let page = control.admission.table.page(behind, AT_ONCE);
        for (key, account, record) in &page {
            if filter.fits_account(account) {
                match visit(*key, account, record) {
                    Visited::Full(end) => return Some(end),
                    Visited::Listed => is_empty = false,
                    Visited::Unwanted => {}
                }
            }
            behind = Some(*key);
        }
        if page.len() < AT_ONCE {
            return None;
        }
        looks += page.len();
        if looks >= LOOKS && !is_empty {
            return Some(Cursor { account: behind, stream: None });
        }
        yield_now().await;
    }
}

/// Lists current and recent streams.
///
/// Ordered by an opaque key of their accounts. A stream that exists throughout is listed exactly once.
#[utoipa::path(get, path = "/api/streams", tag = "streams", operation_id = "streams", params(Filter), responses(
    (status = 200, description = "A page of streams.", body = StreamsShown),
))]
pub(super) async fn streams(
    _: Reader,
    From(control): From<Control>,
    QueryParams(filter): QueryParams<Filter>,
) -> Result<Answer<StreamsShown>, Problem> {
    let (limit, from) = (filter.limit()?, filter.cursor()?);
    let (settings, moment) = (control.settings(), control.admission.clock.moment());
    let mut streams = Vec::new();
    let next = walk(&control, &filter, from, |key, account, record| {
        let place = |stream: &Stream| (stream.started, stream.id);
        let is_behind =
            |stream: &Stream| from.account != Some(key) || from.stream.is_none_or(|last| place(stream) > last);
        let wanted = record.streams().iter().filter(|one| is_behind(one) && filter.fits(one, &settings, moment.now));
        let mut wanted: Vec<&Arc<Stream>> = wanted.collect();
        wanted.sort_by_key(|stream| place(stream));
        for (nth, stream) in wanted.iter().enumerate() {
            streams.push(StreamShown::new(account, stream, &settings, moment));
            if streams.len() == limit {
                let is_last = nth + 1 == wanted.len();
                let stream = (!is_last).then(|| place(stream));
                return Visited::Full(Cursor { account: Some(key), stream });
            }
        }
        if wanted.is_empty() { Visited::Unwanted } else { Visited::Listed }
    });
    let next = next.await.and_then(Cursor::write);
    Ok(Answer(StreamsShown { streams, next }))
}

/// Lists accounts with current or recent streams.
///
/// Stream filters match if any stream of the account matches.
#[utoipa::path(get, path = "/api/accounts", tag = "accounts", operation_id = "accounts", params(Filter), responses(
    (status = 200, description = "A page of accounts.", body = AccountsShown),
))]
pub(super) async fn accounts(
    _: Reader,
    From(control): From<Control>,
    QueryParams(filter): QueryParams<Filter>,
) -> Result<Answer<AccountsShown>, Problem> {
    let (limit, from) = (filter.limit()?, filter.cursor()?);
    let (settings, now) = (control.settings(), control.admission.clock.now());
    let from = Cursor { stream: None, ..from };
    let mut accounts = Vec::new();
    let next = walk(&control, &filter, from, |key, account, record| {
        let fits = |stream: &Arc<Stream>| filter.fits(stream, &settings, now);
        if record.is_empty() || filter.asks_of_streams() && !record.streams().iter().any(fits) {
            return Visited::Unwanted;
        }
        accounts.push(AccountListed {
            account: AccountName::new(account),
            label: settings.keys.account_label(&key),
            holding: record.streams().iter().filter(|stream| stream.holds(&settings.streams, now)).count(),
            streams: record.streams().len(),
            terminated: record.tombstones().len(),
        });
        let end = Cursor { account: Some(key), stream: None };
        if accounts.len() == limit { Visited::Full(end) } else { Visited::Listed }
    });
    let next = next.await.and_then(Cursor::write);
    Ok(Answer(AccountsShown { accounts, next }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_back_what_it_writes_and_nothing_else() {
        let account = Some(AccountKey(*b"0123456789abcdef"));
        for cursor in [
            Cursor { account, stream: None },
            Cursor { account, stream: Some((Millis(u64::MAX), StreamId([0xff; 16]))) },
        ] {
            assert_eq!(cursor.write().as_deref().and_then(Cursor::read), Some(cursor));
        }
        let wrong = ["", "0", "+123456789abcdef0123456789abcdef0", "0123456789ABCDEF0123456789abcdef", "é"];
        assert!(wrong.iter().all(|text| Cursor::read(text).is_none()));
        assert!(Cursor::read(&"0".repeat(79)).is_none());
        assert!(Cursor::read(&"0".repeat(81)).is_none());
    }
}

//! A gateway as far as streams go: what it does for a start, a manifest and a request of a player, in the calls of the real one.

use std::cell::Cell;
use std::sync::Arc;

use streamgate::model::{Account, AccountKey, ApplicationId, Attributes, ClientEvidence, Device, Millis, StreamId};
use streamgate::policy::{Policy, Rule, WhenExceeded};
use streamgate::streams::store::InMemoryStore;
use streamgate::streams::{
    AdmissionOutcome, AdmissionRequest, Cadence, Client, NoopObserver, Refusal, Settings, Signal, Stream, StreamTable,
};
use tokio::runtime::Runtime;

/// Some day.
pub(crate) const DAY: Millis = Millis(1_800_000_000_000);

/// Who asks, as far as requests show it.
#[derive(Clone, Debug)]
pub(crate) struct Sender {
    /// Whose account it is.
    pub(crate) account: usize,
    /// What the token says of the device.
    pub(crate) device: Option<usize>,
    /// The address.
    pub(crate) network: u32,
    /// The user agent.
    pub(crate) agent: u32,
    /// The token: the same number is the same token.
    pub(crate) token: u32,
    /// When the token was issued, in seconds.
    pub(crate) issued: u32,
}

impl Sender {
    fn client(&self) -> Client {
        Client::new(u128::from(self.network), &self.agent.to_be_bytes())
    }

    /// What a request shows that brings a token.
    fn with_token(&self) -> ClientEvidence {
        self.client().evidence(true, true, self.token, self.issued)
    }

    /// What a request shows that brings a play session.
    fn without_token(&self) -> ClientEvidence {
        self.client().evidence(true, true, 0, 0)
    }
}

/// What a play session carries from request to request.
#[derive(Debug)]
pub(crate) struct Play {
    candidate: AdmissionRequest,
    key: AccountKey,
    /// Requests for media that are being answered, and of which stream.
    open: Vec<Arc<Stream>>,
    /// The stream that the player's connection carries.
    carried: Option<Arc<Stream>>,
}

/// Why a request was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// A start or a return: the policies do not admit it.
    Limit,
    /// The stream was terminated.
    Terminated(String),
}

/// A table with one policy.
pub(crate) struct Gateway {
    table: StreamTable,
    settings: Settings,
    policies: Vec<Arc<Policy>>,
    runtime: Runtime,
    minted: Cell<u128>,
}

impl Gateway {
    /// Each account may have `limit` streams.
    pub(crate) fn new(limit: u32, when_exceeded: WhenExceeded, settings: &Settings) -> Self {
        let store = InMemoryStore::new(settings.clone(), Arc::new(NoopObserver));
        Self {
            table: StreamTable::new(Arc::new(store), Arc::new(NoopObserver)),
            settings: settings.clone(),
            policies: vec![Arc::new(Policy::new(
                "household",
                vec![Rule::streams("streams", limit, when_exceeded)],
                &["tv"],
            ))],
            runtime: tokio::runtime::Builder::new_current_thread().build().expect("a runtime"),
            minted: Cell::new(1),
        }
    }

    /// An entry manifest is asked for with a token, and answered.
    pub(crate) fn enter(&self, sender: &Sender, asset: &str, now: Millis) -> Result<Play, Refused> {
        let name = self.minted.replace(self.minted.get() + 1);
        let account = Account::new("acme", format!("subscriber-{}", sender.account));
        let mut candidate = AdmissionRequest {
            stream: StreamId(name.to_be_bytes()),
            account,
            application: ApplicationId("tv".into()),
            device: match sender.device {
                Some(device) => Device::Named(format!("device-{device}").into()),
                None => Device::Hint(u64::from(sender.network) << 32 | u64::from(sender.agent)),
            },
            asset: asset.into(),
            started: now,
            attributes: Attributes::default(),
            client: sender.with_token(),
        };
        let admission = self.runtime.block_on(self.table.start(&candidate, &self.policies, &self.settings, now));
        let stream = told(admission.expect("an embedded table answers"))?;
        // The end of the answer is a sign of life.
        let _ = stream.heartbeat(Signal::Presence, now);
        (candidate.stream, candidate.started) = (stream.id, stream.started);
        let key = candidate.account.key();
        let mut play = Play { candidate, key, open: Vec::new(), carried: None };
        play.is_carried(&stream);
        Ok(play)
    }

    /// A manifest of the play passes.
    pub(crate) fn manifest(&self, play: &Play, cadence: &Cadence, now: Millis) {
        if let Some(stream) = self.table.find(&play.key, play.candidate.stream)
            && stream.learn(cadence, &self.settings)
        {
            self.table.reschedule(&play.key, now);
        }
    }

    /// A request with the play's session. What asks for media is being answered until [`answered`](Self::answered).
    pub(crate) fn ask(
        &self,
        play: &mut Play,
        sender: &Sender,
        signal: Signal,
        media: u32,
        now: Millis,
    ) -> Result<(), Refused> {
        let known = self.table.find(&play.key, play.candidate.stream);
        if let Some(stream) = &known {
            let client = Client::new(u128::from(sender.network), &sender.agent.to_be_bytes());
            let media = || (signal == Signal::Playback).then_some(media);
            // One client uses each play session here: it shares it with nobody.
            let _ = stream.classify_client(client, media, &self.settings, now);
        }
        if let Some(stream) = known.as_ref().filter(|stream| stream.is_contested(signal)) {
            let _ = stream.heartbeat(signal, now);
            let verified = self.table.verify(&play.candidate.account, stream, &self.policies, &self.settings, now);
            if let Some(surplus) = self.runtime.block_on(verified).expect("an embedded table answers") {
                return Err(Refused::Terminated(surplus.cause.label().to_owned()));
            }
        }
        let stream = match known {
            Some(stream) if stream.heartbeat(signal, now) => stream,
            _ => {
                play.candidate.client = sender.without_token();
                let resumed = self.table.resume(&play.candidate, &self.policies, &self.settings, now);
                let stream = told(self.runtime.block_on(resumed).expect("an embedded table answers"))?;
                let _ = stream.heartbeat(signal, now);
                stream
            }
        };
        play.is_carried(&stream);
        if signal == Signal::Playback {
            stream.opened();
            play.open.push(stream);
        }
        Ok(())
    }

    /// A request for media has been answered, or its connection was closed.
    pub(crate) fn answered(&self, play: &mut Play, now: Millis) {
        if !play.open.is_empty() {
            play.open.remove(0).closed(Signal::Playback, now);
        }
    }

    /// What is being sent is given up.
    pub(crate) fn given_up(&self, play: &mut Play, now: Millis) {
        while !play.open.is_empty() {
            self.answered(play, now);
        }
    }

    /// The player closes its connection.
    pub(crate) fn hung_up(play: &mut Play) {
        if let Some(stream) = play.carried.take() {
            stream.disconnected();
        }
    }

    /// A second has passed.
    pub(crate) fn tick(&self, now: Millis) {
        self.table.tick(now);
        self.runtime.block_on(self.table.expire_grace(now));
    }
}

fn told(admission: AdmissionOutcome) -> Result<Arc<Stream>, Refused> {
    match admission {
        AdmissionOutcome::Admitted { stream, .. } => Ok(stream),
        AdmissionOutcome::Refused(Refusal::Policy { .. }) => Err(Refused::Limit),
        AdmissionOutcome::Refused(Refusal::Terminated(cause)) => Err(Refused::Terminated(cause.label().to_owned())),
    }
}

impl Play {
    /// Whether both are of one stream.
    pub(crate) fn is_of_stream_of(&self, other: &Self) -> bool {
        self.candidate.stream == other.candidate.stream
    }

    /// Whether media of it is being sent.
    pub(crate) fn is_loading(&self) -> bool {
        !self.open.is_empty()
    }

    fn is_carried(&mut self, stream: &Arc<Stream>) {
        if self.carried.as_ref().is_some_and(|carried| Arc::ptr_eq(carried, stream)) {
            return;
        }
        stream.connected();
        if let Some(before) = self.carried.replace(stream.clone()) {
            before.disconnected();
        }
    }
}

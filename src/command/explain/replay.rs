//! Runs a scenario on the real stream table, with a simulated clock.

use std::sync::Arc;
use std::time::Duration;

use streamgate::config::{Application, Settings};
use streamgate::model::{Attributes, Millis, StreamId};
use streamgate::streams::account::{AccountState, PolicyContext};
use streamgate::streams::store::{InMemoryStore, Unavailable};
use streamgate::streams::{AdmissionOutcome, AdmissionRequest, Cadence, Cause, Refusal, Signal, Stream, StreamTable};

use super::event_recorder::{Change, Hearing};
use super::scenario::{Player, Script, Step, What};
use super::scenario_schema::{Content, Outcome};
use super::timeline::{After, Answer, Entry, Lesson, Rules, Timeline, Told};

/// How often a player requests media.
const BEAT: Duration = Duration::from_secs(5);
const SECOND: Duration = Duration::from_secs(1);

/// Runs `script`, which starts under `settings`.
///
/// # Errors
/// The store is not available. The in-process store always is.
pub(super) async fn replay(script: &Script, settings: Arc<Settings>) -> Result<Timeline, Unavailable> {
    let hearing = Arc::new(Hearing::default());
    let store = InMemoryStore::new(settings.streams.clone(), hearing.clone());
    let table = StreamTable::new(Arc::new(store), hearing.clone());
    let table = table.configured(settings.streams.clone(), settings.in_force());
    let screens = script.players.iter().map(|player| Screen::from_request(&player.candidate)).collect();
    let mut replay =
        Replay { script, table, hearing, settings, at: Duration::ZERO, screens, entries: Vec::new(), told: 0 };
    let mut after = Vec::new();
    for (nth, step) in script.steps.iter().enumerate() {
        replay.advance(step.at).await?;
        let (outcome, rules) = replay.take(nth, step).await?;
        after.push(replay.look(outcome, rules).await?);
    }
    Ok(Timeline { entries: replay.entries, after, needed: replay.hearing.needed() })
}

/// A simulated player.
struct Screen {
    candidate: AdmissionRequest,
    stream: Option<Arc<Stream>>,
    /// Time of its next media request; `None` while it sends none.
    next: Option<Duration>,
    /// The stream is in its grace.
    terminating: bool,
}

impl Screen {
    fn from_request(candidate: &AdmissionRequest) -> Self {
        Self { candidate: candidate.clone(), stream: None, next: None, terminating: false }
    }
}

struct Replay<'a> {
    script: &'a Script,
    table: StreamTable,
    hearing: Arc<Hearing>,
    settings: Arc<Settings>,
    at: Duration,
    screens: Vec<Screen>,
    entries: Vec<Entry>,
    /// Number of entries at the last look.
    told: usize,
}

impl Replay<'_> {
    fn now(&self) -> Millis {
        self.script.begins + self.at
    }

    fn tell(&mut self, step: Option<usize>, told: Told) {
        self.entries.push(Entry { at: self.at, step, told });
    }

    /// Records changes of streams since the last call, and updates their players.
    fn hear(&mut self, step: Option<usize>) {
        for (stream, change) in self.hearing.take() {
            // Two starts in quick succession may be one stream.
            for screen in self.screens.iter_mut().filter(|screen| screen.candidate.stream == stream) {
                // A player that has moved on or is refused sends no more requests.
                if matches!(change, Change::Superseded | Change::Terminated(_) | Change::Forgotten) {
                    screen.next = None;
                }
                screen.terminating = matches!(change, Change::Leaving(_));
            }
            if let Some(player) = self.screens.iter().position(|screen| screen.candidate.stream == stream) {
                self.tell(step, Told::Changed(player, change));
            }
        }
    }

    /// Advances time to `at`.
    async fn advance(&mut self, at: Duration) -> Result<(), Unavailable> {
        while self.at < at {
            self.at = (self.at + SECOND).min(at);
            for player in 0..self.screens.len() {
                if self.screens.get(player).and_then(|screen| screen.next).is_some_and(|next| next <= self.at) {
                    let answer = self.beat(player).await?;
                    // Uneventful requests are not reported.
                    if !answer.explanations.is_empty() || answer.outcome == Outcome::Refused {
                        self.tell(None, Told::Asked(player, answer));
                    }
                    self.hear(None);
                }
            }
            self.table.tick(self.now());
            self.table.expire_grace(self.now()).await;
            self.hear(None);
            self.stays().await?;
        }
        Ok(())
    }

    /// Reports streams that stay because there is room again at the end of their grace.
    async fn stays(&mut self) -> Result<(), Unavailable> {
        for player in 0..self.screens.len() {
            let Some(screen) = self.screens.get(player).filter(|screen| screen.terminating) else { continue };
            let (account, id) = (screen.candidate.account.clone(), screen.candidate.stream);
            let record = self.table.record(&account, self.now()).await?;
            if !leaves(&record, id) {
                if let Some(screen) = self.screens.get_mut(player) {
                    screen.terminating = false;
                }
                if record.find(id).is_some_and(|stream| stream.is_playing()) {
                    self.tell(None, Told::Changed(player, Change::Stays));
                }
            }
        }
        Ok(())
    }

    /// Runs a step. Returns the outcome and the exceeded rules.
    async fn take(&mut self, nth: usize, step: &Step) -> Result<(Option<Outcome>, Rules), Unavailable> {
        let told = match &step.what {
            What::Start(player) => Told::Started(*player, self.start(*player).await?),
            What::Heartbeat(player) => {
                let answer =
                    if self.stream(*player).is_some() { self.beat(*player).await? } else { Answer::to_nobody() };
                Told::Asked(*player, answer)
            }
            What::Learn { player, content, attributes } => {
                let (lesson, answer) = self.learn(*player, *content, attributes.as_ref()).await?;
                Told::Learned(*player, lesson, answer)
            }
            What::Stop(player) => {
                self.play_on(*player, false);
                Told::Silent(*player)
            }
            What::End(player) => Told::Ended(*player, self.end(*player).await?),
            What::Reload { file, settings } => {
                self.settings = settings.clone();
                let (windows, in_force) = (settings.streams.clone(), settings.in_force());
                Told::Reloaded(file.clone(), self.table.apply_policy_change(windows, in_force, self.now()).await)
            }
            What::Check(words) => Told::Checked(words.clone()),
        };
        let (outcome, rules) = match &told {
            Told::Started(_, answer) | Told::Asked(_, answer) | Told::Learned(_, _, answer) => {
                (Some(answer.outcome), Rules::from_explanations(&answer.explanations))
            }
            Told::Silent(_) => (Some(Outcome::Silent), Rules::default()),
            Told::Ended(_, outcome) => (Some(*outcome), Rules::default()),
            Told::Reloaded(..) | Told::Checked(_) | Told::Changed(..) => (None, Rules::default()),
        };
        self.tell(Some(nth), told);
        self.hear(Some(nth));
        Ok((outcome, rules))
    }

    fn stream(&self, player: usize) -> Option<Arc<Stream>> {
        self.screens.get(player)?.stream.clone()
    }

    fn play_on(&mut self, player: usize, plays: bool) {
        let next = self.at + BEAT;
        if let Some(screen) = self.screens.get_mut(player) {
            screen.next = plays.then_some(next);
        }
    }

    fn application(&self, candidate: &AdmissionRequest) -> Option<Arc<Application>> {
        self.settings.applications.get(&candidate.application).cloned()
    }

    /// Requests an entry manifest and, unless the player idles, media after it.
    async fn start(&mut self, player: usize) -> Result<Answer, Unavailable> {
        let nobody = Answer::to_nobody();
        let now = self.now();
        let Some(Player { content, idle, .. }) = self.script.players.get(player) else { return Ok(nobody) };
        let Some(screen) = self.screens.get_mut(player) else { return Ok(nobody) };
        screen.candidate.started = now;
        let candidate = screen.candidate.clone();
        let Some(application) = self.application(&candidate) else { return Ok(nobody) };
        let (policies, windows) = (&application.policies, &self.settings.streams);
        let record = self.table.record(&candidate.account, now).await?;
        let law = PolicyContext { policies, settings: windows, idp: &candidate.account.idp };
        let explained = record.explain(&record.plan_start(&candidate, &law, now), &law, now);
        let mut answer = Answer { explanations: explained.into_iter().collect(), ..Answer::to_nobody() };
        match self.table.start(&candidate, policies, windows, now).await? {
            AdmissionOutcome::Admitted { stream, created } => {
                answer.outcome = if created { Outcome::Admitted } else { Outcome::Playing };
                if let Some(screen) = self.screens.get_mut(player) {
                    // It may continue the stream of a start just before.
                    (screen.candidate.stream, screen.candidate.started) = (stream.id, stream.started);
                    screen.stream = Some(stream.clone());
                }
                if let Some(content) = content {
                    self.read_manifest(&stream, *content, &candidate);
                }
                if !idle {
                    let more = self.beat(player).await?;
                    answer.explanations.extend(more.explanations);
                    if more.outcome != Outcome::Playing {
                        (answer.outcome, answer.cause) = (more.outcome, more.cause);
                    }
                }
            }
            AdmissionOutcome::Refused(refusal) => answer.refuse(refusal),
        }
        Ok(answer)
    }

    /// Processes a manifest, as the gateway would.
    fn read_manifest(&self, stream: &Stream, content: Content, candidate: &AdmissionRequest) {
        let cadence = Cadence { live: content == Content::Live, ..Cadence::default() };
        if stream.learn(&cadence, &self.settings.streams) {
            self.table.reschedule(&candidate.account.key(), self.now());
        }
    }

    /// Requests media with a play session. If admitted, the player continues.
    async fn beat(&mut self, player: usize) -> Result<Answer, Unavailable> {
        let mut answer = Answer::to_nobody();
        let now = self.now();
        let Some(screen) = self.screens.get(player) else { return Ok(answer) };
        let candidate = screen.candidate.clone();
        let (Some(stream), Some(application)) = (screen.stream.clone(), self.application(&candidate)) else {
            self.play_on(player, false);
            return Ok(answer);
        };
        let (policies, windows) = (&application.policies, &self.settings.streams);
        let account = &candidate.account;
        let law = PolicyContext { policies, settings: windows, idp: &account.idp };
        if stream.needs_reevaluation(Signal::Playback) {
            let _ = stream.heartbeat(Signal::Playback, now);
            let record = self.table.record(account, now).await?;
            answer.explanations.extend(record.explain_judgement(stream.id, None, &law, now));
            self.table.judge(account, stream.id, None, policies, windows, now).await?;
        }
        if stream.is_contested(Signal::Playback) {
            let _ = stream.heartbeat(Signal::Playback, now);
            if let Some(surplus) = self.table.verify(account, &stream, policies, windows, now).await? {
                answer.explanations.push(surplus.refused.explanation);
                answer.refuse(Refusal::Terminated(surplus.cause));
                self.play_on(player, false);
                return Ok(answer);
            }
        }
        if stream.heartbeat(Signal::Playback, now) {
            answer.outcome = Outcome::Playing;
        } else {
            let record = self.table.record(account, now).await?;
            answer.explanations.extend(record.explain(&record.plan_reattach(&candidate, &law, now), &law, now));
            match self.table.resume(&candidate, policies, windows, now).await? {
                AdmissionOutcome::Admitted { stream, created } => {
                    stream.heartbeat(Signal::Playback, now);
                    answer.outcome = match (created, stream.holds(windows, now)) {
                        (true, _) => Outcome::Resumed,
                        (false, true) => Outcome::Playing,
                        (false, false) => Outcome::Passed,
                    };
                    if let Some(screen) = self.screens.get_mut(player) {
                        screen.stream = Some(stream);
                    }
                }
                AdmissionOutcome::Refused(refusal) => answer.refuse(refusal),
            }
        }
        self.settle_on(player, &mut answer).await?;
        Ok(answer)
    }

    /// Updates attributes of a stream, from its manifest or a newer token.
    async fn learn(
        &mut self,
        player: usize,
        content: Option<Content>,
        attributes: Option<&Attributes>,
    ) -> Result<(Lesson, Answer), Unavailable> {
        let now = self.now();
        let mut lesson = Lesson { content, ..Lesson::default() };
        let mut answer = Answer::to_nobody();
        let Some(screen) = self.screens.get(player) else { return Ok((lesson, answer)) };
        let candidate = screen.candidate.clone();
        let (Some(stream), Some(application)) = (screen.stream.clone(), self.application(&candidate)) else {
            return Ok((lesson, answer));
        };
        if let Some(content) = content {
            self.read_manifest(&stream, content, &candidate);
        }
        if let Some(news) = attributes {
            let learned = stream.attribute_update(news, &stream.asset);
            (lesson.frozen, lesson.attributes) = (learned.frozen, learned.attributes);
        }
        if let Some(known) = &lesson.attributes {
            let (account, policies, windows) = (&candidate.account, &application.policies, &self.settings.streams);
            let law = PolicyContext { policies, settings: windows, idp: &account.idp };
            let record = self.table.record(account, now).await?;
            answer.explanations.extend(record.explain_judgement(stream.id, Some(known), &law, now));
            let told = attributes.map(|attributes| (attributes, &*stream.asset));
            self.table.judge(account, stream.id, told, policies, windows, now).await?;
        }
        let more = self.beat(player).await?;
        answer.explanations.extend(more.explanations);
        (answer.outcome, answer.cause) = (more.outcome, more.cause);
        Ok((lesson, answer))
    }

    async fn end(&mut self, player: usize) -> Result<Outcome, Unavailable> {
        let Some(screen) = self.screens.get(player) else { return Ok(Outcome::Gone) };
        let AdmissionRequest { account, stream, .. } = screen.candidate.clone();
        let was_there = self.table.end(&account, stream, &Cause::Stopped, self.now()).await?;
        self.play_on(player, false);
        Ok(if was_there { Outcome::Terminated } else { Outcome::Gone })
    }

    /// Continues a player whose request passed, and records whether it is terminating.
    async fn settle_on(&mut self, player: usize, answer: &mut Answer) -> Result<(), Unavailable> {
        let plays = matches!(answer.outcome, Outcome::Playing | Outcome::Resumed);
        self.play_on(player, plays);
        let Some(screen) = self.screens.get(player).filter(|_| plays) else { return Ok(()) };
        let record = self.table.record(&screen.candidate.account, self.now()).await?;
        if leaves(&record, screen.candidate.stream) {
            answer.outcome = Outcome::Leaving;
        }
        Ok(())
    }

    /// The current state.
    async fn look(&mut self, outcome: Option<Outcome>, rules: Rules) -> Result<After, Unavailable> {
        let mut after = After { outcome, rules, ends: Vec::new(), terminating: Vec::new(), running: Vec::new() };
        let now = self.now();
        for entry in self.entries.get(self.told..).unwrap_or_default() {
            if let Told::Changed(player, Change::Terminated(_)) = &entry.told {
                after.ends.extend(self.script.players.get(*player).map(|player| player.name.clone()));
            }
        }
        self.told = self.entries.len();
        for (screen, player) in self.screens.iter().zip(&self.script.players) {
            let Some(stream) = &screen.stream else { continue };
            let record = self.table.record(&screen.candidate.account, now).await?;
            if record.find(stream.id).is_some_and(|stream| stream.holds(&self.settings.streams, now)) {
                let side = if leaves(&record, stream.id) { &mut after.terminating } else { &mut after.running };
                side.push(player.name.clone());
            }
        }
        Ok(after)
    }
}

fn leaves(record: &AccountState, stream: StreamId) -> bool {
    record.leaving().iter().any(|terminating| terminating.stream == stream)
}

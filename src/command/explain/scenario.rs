//! A parsed scenario with all names resolved.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use chrono::DateTime;
use serde_saphyr::{Location, Spanned, UserMessageFormatter};
use streamgate::config::{self, Application, Settings, unknown_name};
use streamgate::identity::{Identity, MAX_ACCOUNT, MAX_ATTRIBUTE, MAX_DEVICE, PlaySession};
use streamgate::model::{Account, ApplicationId, Attributes, ClientEvidence, Device, Millis, StreamId};
use streamgate::streams::{AdmissionRequest, media_hash};

use super::scenario_schema::{Content, Expectations, Form, Outcome, Pairs, StepForm, Who};

/// Default start time of a scenario.
const BEGINS: &str = "2026-01-01T12:00:00Z";
/// Maximum length of a scenario, as every second of it is simulated.
const LONGEST: Duration = Duration::from_hours(7 * 24);
const ACCOUNT: (&str, &str) = ("example", "viewer");
const ACTIONS: &str = "`start`, `heartbeat`, `stop`, `end`, `learn`, `reload` or `check`";

/// Line and column, both from 1.
pub(super) type Place = (u64, u64);

pub(super) struct Script {
    pub(super) title: Option<String>,
    /// The start time, as written.
    pub(super) clock: String,
    pub(super) begins: Millis,
    pub(super) players: Vec<Player>,
    pub(super) steps: Vec<Step>,
}

/// A player that starts one stream.
pub(super) struct Player {
    pub(super) name: String,
    pub(super) candidate: AdmissionRequest,
    /// Content type in the manifest, right after the start.
    pub(super) content: Option<Content>,
    /// No media follows the start.
    pub(super) idle: bool,
}

pub(super) struct Step {
    pub(super) at: Duration,
    pub(super) what: What,
    pub(super) expected: Expected,
}

/// An action; players by their index in [`Script::players`].
pub(super) enum What {
    Start(usize),
    Heartbeat(usize),
    Stop(usize),
    End(usize),
    Learn { player: usize, content: Option<Content>, attributes: Option<Attributes> },
    Reload { file: String, settings: Arc<Settings> },
    Check(String),
}

/// An expectation and its position.
pub(super) type Claim<T> = Option<(Place, T)>;

#[derive(Default)]
pub(super) struct Expected {
    pub(super) outcome: Claim<Outcome>,
    pub(super) rules: Claim<Vec<String>>,
    pub(super) refuses: Claim<Vec<String>>,
    pub(super) ends: Claim<Vec<String>>,
    pub(super) terminating: Claim<Vec<String>>,
    pub(super) running: Claim<Vec<String>>,
}

/// Reads the scenario in `path`, which starts under `settings`.
///
/// # Errors
/// Every problem, as `FILE:LINE:COLUMN: MESSAGE`, one per line.
pub(super) fn read(path: &Path, settings: Arc<Settings>) -> Result<Script, String> {
    let file = path.display();
    let text = std::fs::read_to_string(path)
        .map_err(|error| format!("`{file}` cannot be read ({error}): write the path of a scenario"))?;
    let options = serde_saphyr::options! { strict_booleans: true, with_snippet: false };
    let form: Form = serde_saphyr::from_str_with_options(&text, options).map_err(|error| {
        let error = error.without_snippet();
        let location = error.location();
        let (line, column) = location.map_or((1, 1), place);
        let text = error.render_with_formatter(&UserMessageFormatter);
        let suffix = location.map(|at| format!(" at line {}, column {}", at.line(), at.column())).unwrap_or_default();
        let text = text.strip_suffix(suffix.as_str()).unwrap_or(&text);
        format!("{file}:{line}:{column}: {text}; docs/policies.md shows how scenarios are written")
    })?;
    let base = path.parent().unwrap_or(Path::new(""));
    let mut reader = Reader { base, settings: vec![settings], problems: Vec::new(), players: Vec::new() };
    let script = reader.script(form);
    if reader.problems.is_empty() {
        return Ok(script);
    }
    reader.problems.sort();
    let lines = reader.problems.iter().map(|((line, column), message)| format!("{file}:{line}:{column}: {message}"));
    Err(lines.collect::<Vec<_>>().join("\n"))
}

fn place(location: Location) -> Place {
    (location.line().max(1), location.column().max(1))
}

struct Reader<'a> {
    base: &'a Path,
    /// Configurations in the order of their reloads; the last one is in force.
    settings: Vec<Arc<Settings>>,
    problems: Vec<(Place, String)>,
    players: Vec<Player>,
}

impl Reader<'_> {
    fn say<T>(&mut self, at: &Spanned<T>, message: impl Into<String>) {
        self.problems.push((place(at.defined), message.into()));
    }

    fn script(&mut self, form: Form) -> Script {
        let clock = form.clock.as_ref().map_or(BEGINS, |clock| &clock.value).to_owned();
        let begins =
            DateTime::parse_from_rfc3339(&clock).ok().and_then(|time| u64::try_from(time.timestamp_millis()).ok());
        if let (None, Some(written)) = (begins, &form.clock) {
            self.say(
                written,
                format!("`{clock}` is not a time: write one such as {BEGINS} or 2026-01-01T20:15:00+01:00"),
            );
        }
        let default = Who {
            idp: form.account.idp.or_else(|| Some(ACCOUNT.0.to_owned())),
            subject: form.account.subject.or_else(|| Some(ACCOUNT.1.to_owned())),
        };
        let mut last = Duration::ZERO;
        let mut steps = Vec::new();
        for step in form.steps {
            let at = self.time(&step.value.at, last);
            last = at;
            let expect = step.value.expect.as_ref().map(|expect| place(expect.defined));
            let (form, place) = (step.value, place(step.defined));
            let Some((what, expect)) = self.what(form, place, &default).map(|(what, form)| (what, (expect, form)))
            else {
                continue;
            };
            let expected = match expect {
                (Some(at), Some(form)) => self.expected(at, form, &what),
                _ => Expected::default(),
            };
            steps.push(Step { at, what, expected });
        }
        let players = std::mem::take(&mut self.players);
        Script { title: form.title, clock, begins: Millis(begins.unwrap_or_default()), players, steps }
    }

    fn time(&mut self, written: &Spanned<String>, last: Duration) -> Duration {
        let text = &written.value;
        let Ok(at) = humantime::parse_duration(text) else {
            self.say(written, format!("`{text}` is not a time since the start: write one such as 90s or 1h 5m"));
            return last;
        };
        if at > LONGEST {
            self.say(written, "a scenario lasts at most a week: write an earlier time");
            return last;
        }
        if at < last {
            let before = humantime::format_duration(last);
            self.say(written, format!("the previous step is at {before}: sort the steps by time"));
        }
        at.max(last)
    }

    fn what(&mut self, mut form: StepForm, place: Place, default: &Who) -> Option<(What, Option<Expectations>)> {
        let expect = form.expect.take().map(|expect| expect.value.0);
        let actions = [&form.start, &form.heartbeat, &form.stop, &form.end, &form.learn, &form.reload, &form.check];
        if let several @ (0 | 2..) = actions.iter().filter(|action| action.is_some()).count() {
            let how = if several == 0 { "the step has no action" } else { "the step has several actions" };
            self.problems.push((place, format!("{how}: write one of {ACTIONS}")));
            return None;
        }
        let starts = form.start.is_some();
        self.only_with(starts, "`start`", "application", form.application.as_ref());
        self.only_with(starts, "`start`", "device", form.device.as_ref());
        self.only_with(starts, "`start`", "client", form.client.as_ref());
        self.only_with(starts, "`start`", "asset", form.asset.as_ref());
        self.only_with(starts, "`start`", "idle", form.idle.as_ref());
        self.only_with(starts, "`start`", "account", form.account.as_ref());
        let learns = starts || form.learn.is_some();
        self.only_with(learns, "`start` and `learn`", "content", form.content.as_ref());
        let first = form.attributes.as_ref().and_then(|Pairs(pairs)| pairs.first()).map(|(name, _)| name);
        self.only_with(learns, "`start` and `learn`", "attributes", first);
        let what = if let Some(name) = form.start.take() {
            What::Start(self.start(&name, form, default)?)
        } else if let Some(name) = &form.heartbeat {
            What::Heartbeat(self.player(name)?)
        } else if let Some(name) = &form.stop {
            What::Stop(self.player(name)?)
        } else if let Some(name) = &form.end {
            What::End(self.player(name)?)
        } else if let Some(name) = &form.learn {
            let player = self.player(name)?;
            if form.content.is_none() && form.attributes.is_none() {
                self.say(name, "`learn` is empty: write `content: live`, `content: vod` or `attributes`");
            }
            let application = self.players.get(player)?.candidate.application.clone();
            let attributes = match (form.attributes, self.application(&application)) {
                (Some(pairs), Some(application)) => Some(self.attributes(pairs, &application)),
                _ => None,
            };
            What::Learn { player, content: form.content.map(|content| content.value), attributes }
        } else if let Some(file) = &form.reload {
            match config::load(&self.base.join(&file.value)) {
                Ok(settings) => {
                    let settings = Arc::new(settings);
                    self.settings.push(settings.clone());
                    What::Reload { file: file.value.clone(), settings }
                }
                Err(report) => {
                    self.say(file, format!("the configuration cannot be loaded: fix these problems\n{report}"));
                    return None;
                }
            }
        } else {
            What::Check(form.check.map(|words| words.value)?)
        };
        Some((what, expect))
    }

    fn only_with<T>(&mut self, does: bool, with: &str, key: &str, written: Option<&Spanned<T>>) {
        if let (false, Some(written)) = (does, written) {
            self.say(written, format!("`{key}` is only allowed with {with}: remove it, or write a separate step"));
        }
    }

    fn start(&mut self, name: &Spanned<String>, form: StepForm, default: &Who) -> Option<usize> {
        if self.players.iter().any(|player| player.name == name.value) {
            self.say(name, format!("`{}` was started before: give each start its own name", name.value));
            return None;
        }
        let application = self.application_of(name, form.application.as_ref())?;
        let Some(identity) = &application.identity else {
            let id = &application.id;
            self.say(
                name,
                format!("application `{id}` does not identify viewers and starts no streams: add an `identity`"),
            );
            return None;
        };
        if let Some(device) = &form.device {
            if identity.mapping().device.is_none() {
                let id = &application.id;
                self.say(
                    device,
                    format!(
                        "application `{id}` does not identify devices: add `device` to its `identity`, or remove it \
                         here"
                    ),
                );
            }
            self.bounded(device, "device", MAX_DEVICE);
        }
        let who = form.account.map(|who| who.value).unwrap_or_default();
        let part =
            |part: Option<String>, default: &Option<String>| part.or_else(|| default.clone()).unwrap_or_default();
        let account = Account::new(part(who.idp, &default.idp), part(who.subject, &default.subject));
        if account.idp.len().max(account.subject.len()) > MAX_ACCOUNT {
            self.say(name, format!("a name of the account is longer than {MAX_ACCOUNT} bytes: shorten it"));
        }
        let attributes = form.attributes.map(|pairs| self.attributes(pairs, &application)).unwrap_or_default();
        let index = self.players.len();
        // A player without a device id is distinguished by its network and user agent.
        let hint = Device::Hint(index as u64 + 1);
        let client = form.client.map_or_else(ClientEvidence::default, |client| {
            let told = media_hash(&[client.value.as_bytes()]) | 1;
            ClientEvidence { network: told, agent: told, ..ClientEvidence::default() }
        });
        let path = form.asset.map_or_else(|| format!("/{}", name.value), |asset| asset.value);
        let candidate = AdmissionRequest {
            stream: StreamId((index as u128 + 1).to_be_bytes()),
            account,
            application: application.id.clone(),
            device: form.device.map_or(hint, |device| Device::Named(device.value.into())),
            asset: PlaySession::asset_name(&path),
            started: Millis(0),
            attributes,
            client,
        };
        let content = form.content.map(|content| content.value);
        let idle = form.idle.is_some_and(|idle| idle.value);
        self.players.push(Player { name: name.value.clone(), candidate, content, idle });
        Some(index)
    }

    fn application_of(&mut self, start: &Spanned<String>, named: Option<&Spanned<String>>) -> Option<Arc<Application>> {
        let settings = self.settings.last()?.clone();
        let ids: Vec<String> = settings.applications.keys().map(ToString::to_string).collect();
        if let Some(named) = named {
            let found = self.application(&ApplicationId(named.value.as_str().into()));
            if found.is_none() {
                self.say(named, unknown_name("application", &named.value, &ids));
            }
            return found;
        }
        // A single application need not be named.
        if ids.len() > 1 {
            self.say(start, format!("`application` is missing: write one of {}", ids.join(", ")));
            return None;
        }
        settings.applications.values().next().cloned()
    }

    fn application(&self, id: &ApplicationId) -> Option<Arc<Application>> {
        self.settings.last()?.applications.get(id).cloned()
    }

    /// Attributes as the application supplies them.
    fn attributes(&mut self, Pairs(pairs): Pairs, application: &Application) -> Attributes {
        let mapping = application.identity.as_ref().map(Identity::mapping);
        let supplied: Vec<String> =
            mapping.into_iter().flat_map(|mapping| &mapping.attributes).map(|(name, _)| name.to_string()).collect();
        for (name, value) in &pairs {
            if application.of_manifest.iter().any(|known| **known == name.value) {
                self.say(
                    name,
                    format!(
                        "the manifest supplies `{}`: write `content: live` or `content: vod` beside `attributes`",
                        name.value
                    ),
                );
            } else if !supplied.contains(&name.value) {
                let what = unknown_name("attribute", &name.value, &supplied);
                self.say(name, format!("{what} (`identity.attributes` of application `{}`)", application.id));
            }
            self.bounded(value, "value", MAX_ATTRIBUTE);
        }
        pairs.into_iter().map(|(name, value)| (Arc::from(name.value), Arc::from(value.value))).collect()
    }

    fn bounded(&mut self, written: &Spanned<String>, what: &str, most: usize) {
        if written.value.len() > most {
            self.say(written, format!("the {what} is longer than {most} bytes: shorten it"));
        }
    }

    fn player(&mut self, name: &Spanned<String>) -> Option<usize> {
        let found = self.players.iter().position(|player| player.name == name.value);
        if found.is_none() {
            let names: Vec<String> = self.players.iter().map(|player| player.name.clone()).collect();
            let what = unknown_name("stream", &name.value, &names);
            self.say(name, format!("{what} (a stream has its name from the `start` before)"));
        }
        found
    }

    fn expected(&mut self, at: Place, form: Expectations, what: &What) -> Expected {
        if matches!(what, What::Reload { .. } | What::Check(_))
            && (form.outcome.is_some() || form.rules.is_some() || form.refuses.is_some())
        {
            let message = "this step has no request: expect only `ends`, `terminating` or `running`";
            self.problems.push((at, message.to_owned()));
        }
        let outcome = form.outcome.map(|outcome| {
            let known = outcome.defined != Location::UNKNOWN;
            (if known { place(outcome.defined) } else { at }, outcome.value)
        });
        Expected {
            outcome,
            rules: self.rules(form.rules),
            refuses: self.rules(form.refuses),
            ends: self.names(form.ends),
            terminating: self.names(form.terminating),
            running: self.names(form.running),
        }
    }

    fn rules(&mut self, written: Option<Spanned<Vec<Spanned<String>>>>) -> Claim<Vec<String>> {
        let written = written?;
        let known: Vec<String> = self.settings.iter().flat_map(|settings| rules_of(settings)).collect();
        for rule in written.value.iter().filter(|rule| !known.contains(&rule.value)) {
            self.say(rule, unknown_name("rule", &rule.value, &known));
        }
        Some((place(written.defined), written.value.into_iter().map(|rule| rule.value).collect()))
    }

    fn names(&mut self, written: Option<Spanned<Vec<Spanned<String>>>>) -> Claim<Vec<String>> {
        let written = written?;
        for name in &written.value {
            self.player(name);
        }
        Some((place(written.defined), written.value.into_iter().map(|name| name.value).collect()))
    }
}

/// Every rule of the applications, as `POLICY/RULE`.
fn rules_of(settings: &Settings) -> Vec<String> {
    let policies = settings.applications.values().flat_map(|application| &application.policies);
    let rules = policies.flat_map(|policy| policy.rules.iter().map(|rule| format!("{}/{}", policy.name, rule.name)));
    let mut rules: Vec<String> = rules.collect();
    rules.sort();
    rules.dedup();
    rules
}

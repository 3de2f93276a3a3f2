//! Policies as their authors meet them: the shipped examples and the documented cases, played by the program itself.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests say what failed by panicking")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

const ENDING: &str = ".scenario.yaml";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The YAML files of a folder; scenarios, or configurations.
fn files(folder: &str, scenarios: bool) -> Vec<PathBuf> {
    let entries = fs::read_dir(root().join(folder)).unwrap().map(|entry| entry.unwrap().path());
    let is_wanted = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_str().unwrap();
        path.extension().is_some_and(|extension| extension == "yaml") && name.ends_with(ENDING) == scenarios
    };
    let mut files: Vec<PathBuf> = entries.filter(is_wanted).collect();
    files.sort();
    files
}

/// The configuration that a scenario stands beside.
fn configuration(scenario: &Path) -> PathBuf {
    let path = scenario.to_str().unwrap();
    PathBuf::from(path.replace(ENDING, ".yaml"))
}

fn streamgate(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_streamgate")).args(arguments).output().unwrap()
}

fn explain(configuration: &Path, scenario: &Path, more: &[&str]) -> Output {
    let (config, scenario) = (configuration.to_str().unwrap(), scenario.to_str().unwrap());
    streamgate(&[&["explain", "--config", config, "--scenario", scenario], more].concat())
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Plays a scenario under the demo's configuration: an account has two streams.
fn play(scenario: &str, more: &[&str]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("try.yaml");
    fs::write(&file, scenario).unwrap();
    let mut output = explain(&root().join("conf/demo/streamgate.yaml"), &file, more);
    output.stderr = text(&output.stderr).replace(file.to_str().unwrap(), "try.yaml").into_bytes();
    output
}

#[test]
fn every_policy_that_is_shipped_is_good_without_a_warning_and_has_a_scenario() {
    let shipped = files("conf/policies", false);
    assert!(shipped.len() >= 10, "{shipped:?}");
    for file in shipped.iter().chain(&files("tests/policies", false)) {
        let output = streamgate(&["check", "--config", file.to_str().unwrap()]);
        let (told, wrong) = (text(&output.stdout), text(&output.stderr));
        // How many files this machine lets a process open is nothing that a policy can say.
        let warnings = wrong.lines().chain(told.lines()).filter(|line| line.contains(": warning: "));
        let warnings: Vec<&str> = warnings.filter(|line| !line.contains("(hard limit)")).collect();
        assert!(output.status.success() && warnings.is_empty(), "{told}\n{wrong}");
    }
    let with_scenario: Vec<PathBuf> = files("conf/policies", true).iter().map(|path| configuration(path)).collect();
    assert_eq!(with_scenario, shipped);
}

#[test]
fn every_scenario_goes_as_its_author_says() {
    let scenarios = [files("conf/policies", true), files("tests/policies", true)].concat();
    assert!(scenarios.len() >= 14, "{scenarios:?}");
    for scenario in scenarios {
        let output = explain(&configuration(&scenario), &scenario, &[]);
        let (told, wrong) = (text(&output.stdout), text(&output.stderr));
        assert_eq!((output.status.code(), &*wrong), (Some(0), ""), "{}:\n{told}", scenario.display());
        let says = fs::read_to_string(&scenario).unwrap();
        assert!(says.contains("expect:"), "{} expects nothing", scenario.display());
        // Everything that is looked at is told.
        for name in says.split("start: ").skip(1).map(|rest| rest.split([',', '\n']).next().unwrap()) {
            assert!(told.contains(&format!(" {name} starts ")), "{}: nothing of {name}:\n{told}", scenario.display());
        }
    }
}

#[test]
fn the_scenario_of_the_page_on_policies_goes_as_it_says() {
    let page = fs::read_to_string(root().join("docs/policies.md")).unwrap();
    let (_, rest) = page.split_once("```yaml\ntitle:").unwrap();
    let (scenario, rest) = rest.split_once("```").unwrap();
    let named = rest.split('`').nth(1).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("page.yaml");
    fs::write(&file, format!("title:{scenario}")).unwrap();
    let output = explain(&root().join(named), &file, &[]);
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    // What the page for beginners shows is what there is to see.
    let scenario = root().join("conf/policies/home-away.scenario.yaml");
    let told = text(&explain(&configuration(&scenario), &scenario, &[]).stdout);
    let page = fs::read_to_string(root().join("docs/getting-started.md")).unwrap();
    let (_, shown) = page.split_once("home-away.scenario.yaml\n\n").unwrap();
    let shown = shown.lines().take_while(|line| !line.is_empty()).map(|line| &line[4..]);
    let shown: String = shown.flat_map(|line| [line, "\n"]).collect();
    assert!(shown.lines().count() > 4 && told.contains(&shown), "{shown}");
}

#[test]
fn a_timeline_says_what_each_rule_saw_and_what_came_of_it() {
    let output = play(
        "title: Two at a time\n\
         clock: 2026-11-22T20:00:00+01:00\n\
         steps:\n\
         - { at: 0s, start: living-room, device: tv-1, asset: /news/master.m3u8, content: live }\n\
         - { at: 10s, start: kitchen, device: tv-2 }\n\
         - { at: 20s, start: phone, device: phone-1 }\n\
         - { at: 30s, stop: living-room }\n\
         - { at: 2m, heartbeat: living-room }\n\
         - { at: 2m 10s, end: kitchen }\n\
         - { at: 2m 20s, heartbeat: kitchen }\n\
         - { at: 2m 30s, start: film, device: tv-1, idle: true }\n",
        &[],
    );
    assert!(output.status.success(), "{}", text(&output.stderr));
    let told = text(&output.stdout);
    let expected = "\
Two at a time
The clock starts at 2026-11-22T20:00:00+01:00.

0s       living-room starts /news/master.m3u8 (on tv, device tv-1, manifest live): admitted
           household/two-streams: 1 of at most 2 streams, within the limit
10s      kitchen starts /kitchen (on tv, device tv-2): admitted
           household/two-streams: 2 of at most 2 streams, within the limit
             counts living-room
20s      phone starts /phone (on tv, device phone-1): refused
           household/two-streams: 3 of at most 2 streams, exceeded: refused
             counts living-room, kitchen
30s      living-room stops sending requests; its slot is released after the idle timeout
1m         living-room is idle: its slot is released
2m       living-room requests media: resumed
           household/two-streams: 2 of at most 2 streams, within the limit
             counts kitchen
2m10s    kitchen is ended
2m10s      kitchen is terminated: it was stopped
2m20s    kitchen requests media: terminated
           it was stopped
2m30s    film starts /film (on tv, device tv-1, no media yet): admitted
           household/two-streams: 1 of at most 2 streams, within the limit
2m30s      living-room is superseded by another stream of its device: its slot is released

The smallest limit that each start or return needed (streamgate_policy_required_limit):
  household/two-streams: of 5, a limit of 1 admits 3, 2 admits 4, 3 admits 5
";
    assert_eq!(told, expected);
}

#[test]
fn what_is_expected_and_does_not_happen_is_told_with_its_place_and_fails() {
    let output = play(
        "steps:\n\
         - { at: 0s, start: one, device: a, expect: refused }\n\
         - { at: 5s, start: two, device: b, expect: { outcome: admitted, running: [two] } }\n\
         - { at: 10s, start: three, device: c, expect: { rules: [], refuses: [], ends: [one] } }\n\
         - { at: 15s, check: all is well, expect: { ends: [], terminating: [two], running: [two, one] } }\n",
        &[],
    );
    assert_eq!(output.status.code(), Some(1));
    let expected = [
        "try.yaml:2:44: step 1 (at 0s): expected the outcome refused, found admitted",
        "try.yaml:3:74: step 2 (at 5s): unexpected running streams: expected two, found one, two",
        "try.yaml:4:56: step 3 (at 10s): unexpected exceeded rules: expected none, found household/two-streams",
        "try.yaml:4:69: step 3 (at 10s): unexpected refusing rules: expected none, found household/two-streams",
        "try.yaml:4:79: step 3 (at 10s): unexpected ended streams: expected one, found none",
        "try.yaml:5:67: step 4 (at 15s): unexpected terminating streams: expected two, found none",
    ];
    assert_eq!(text(&output.stderr).lines().collect::<Vec<_>>(), expected);
    // What happened is told all the same.
    assert!(text(&output.stdout).contains("15s      all is well\n"));
}

#[test]
fn a_broken_scenario_is_told_with_every_place_and_a_remedy() {
    let told = |scenario: &str| {
        let output = play(scenario, &[]);
        assert_eq!(output.status.code(), Some(1), "{scenario}");
        assert!(output.stdout.is_empty(), "{scenario}");
        text(&output.stderr)
    };
    let all = told(
        "clock: yesterday\n\
         steps:\n\
         - { at: 10s, start: x, device: a, attributes: { plan: gold } }\n\
         - { at: 5s, start: x, application: tvv }\n\
         - { at: soon, heartbeat: nobody }\n\
         - { at: 20s }\n\
         - { at: 21s, stop: x, end: x }\n\
         - { at: 22s, stop: x, device: b }\n\
         - { at: 23s, check: now, expect: admitted }\n\
         - { at: 24s, learn: x }\n\
         - { at: 25s, reload: none.yaml }\n\
         - { at: 26s, start: y, application: tvv, expect: { rules: [household/two-stream], running: [nobody] } }\n\
         - { at: 30d, check: late }\n",
    );
    let expected = [
        "1:8: `yesterday` is not a time: write one such as 2026-01-01T12:00:00Z or 2026-01-01T20:15:00+01:00",
        "3:49: there is no attribute `plan` and no other attribute: define it (`identity.attributes` of application \
         `tv`)",
        "4:9: the previous step is at 10s: sort the steps by time",
        "4:20: `x` was started before: give each start its own name",
        "5:9: `soon` is not a time since the start: write one such as 90s or 1h 5m",
        "5:26: there is no stream `nobody`: define it, or write one of `x` (a stream has its name from the `start` before)",
        "6:3: the step has no action: write one of `start`, `heartbeat`, `stop`, `end`, `learn`, `reload` or `check`",
        "7:3: the step has several actions: write one of `start`, `heartbeat`, `stop`, `end`, `learn`, `reload` or \
         `check`",
        "8:31: `device` is only allowed with `start`: remove it, or write a separate step",
        "9:34: this step has no request: expect only `ends`, `terminating` or `running`",
        "10:21: `learn` is empty: write `content: live`, `content: vod` or `attributes`",
        "11:22: the configuration cannot be loaded: fix these problems",
        "12:37: there is no application `tvv`: did you mean `tv`?",
        "13:9: a scenario lasts at most a week: write an earlier time",
    ];
    let places: Vec<&str> = all.lines().filter_map(|line| line.strip_prefix("try.yaml:")).collect();
    assert_eq!(places, expected);
    for (scenario, expected) in [
        (
            "steps: [{ at: 0s, start: x, aplication: tv }]",
            "try.yaml:1:29: unknown field `aplication`, expected one of at, start,",
        ),
        (
            "steps: [{ at: 0s, start: x, expect: admited }]",
            "try.yaml:1:29: unknown variant `admited`, expected one of admitted,",
        ),
        (
            "steps: [{ at: 0s, start: x, content: film }]",
            "try.yaml:1:38: unknown variant `film`, expected one of live, vod;",
        ),
        ("steps: [{ start: x }]", "try.yaml:1:11: missing field `at`;"),
        ("title: nothing", "try.yaml:1:1: missing field `steps`;"),
        ("steps: [", "try.yaml:1:8: unclosed bracket"),
    ] {
        let told = told(scenario);
        assert!(told.starts_with(expected) && told.contains("docs/policies.md"), "{scenario}: {told}");
    }
    let nowhere = explain(&root().join("conf/demo/streamgate.yaml"), Path::new("nowhere.yaml"), &[]);
    assert_eq!(nowhere.status.code(), Some(1));
    assert!(text(&nowhere.stderr).contains("`nowhere.yaml` cannot be read"), "{}", text(&nowhere.stderr));
}

#[test]
fn what_a_rule_cannot_know_of_a_stream_cannot_be_written_of_it() {
    let told = |scenario: &str| {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("try.yaml");
        fs::write(&file, scenario).unwrap();
        text(&explain(&root().join("conf/policies/device-families.yaml"), &file, &[]).stderr)
    };
    let device = told("steps: [{ at: 0s, start: x, device: box }]");
    assert!(device.contains("application `tv` does not identify devices"), "{device}");
    let attribute = told("steps: [{ at: 0s, start: x, attributes: { deviceTyp: tv } }]");
    assert!(attribute.contains("did you mean `deviceType`?"), "{attribute}");
}

#[test]
fn a_timeline_for_programs_is_one_object_a_line_with_all_that_a_decision_rests_on() {
    let scenario = root().join("conf/policies/latest-wins.scenario.yaml");
    let output = explain(&configuration(&scenario), &scenario, &["--json"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let lines: Vec<Value> = text(&output.stdout)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}")))
        .collect();
    let begin = lines.first().unwrap();
    let start = lines.iter().find(|line| line["stream"] == "second" && line["event"] == "start").unwrap();
    assert_eq!((&start["outcome"], &start["step"], &start["seconds"]), (&"admitted".into(), &3.into(), &40.0.into()));
    let explanation = &start["explanations"][0];
    assert_eq!(begin["streams"][explanation["running"][0]["stream"].as_str().unwrap()], "first");
    assert_eq!(explanation["ending"], explanation["policies"][0]["rules"][0]["terminates"]);
    let happened =
        |event: &str, stream: &str| lines.iter().find(|line| line["event"] == event && line["stream"] == stream);
    let terminating = happened("terminating", "first").unwrap();
    assert_eq!(
        (&terminating["cause"], &terminating["rule"], &terminating["by"]),
        (&"evicted".into(), &"newest".into(), &"second".into())
    );
    let terminated = happened("terminated", "first").unwrap();
    assert!(terminated["step"].is_null() && terminated["now"].as_u64() > start["now"].as_u64());
    assert!(happened("stays", "second").is_some() && happened("terminated", "second").is_none());
    assert_eq!(lines.last().unwrap()["rules"]["screens/three"]["4"], 1);
}

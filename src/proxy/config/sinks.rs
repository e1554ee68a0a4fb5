//! `evidence.sinks`: other stores that get a copy of the log, by the table of their kinds.

use std::path::Path;

use crate::base::diagnostic::Diagnostics;
use crate::base::document::{Node, Value};
use crate::base::limits::SINKS_MAX;
use crate::evidence::shipped::Level;
use crate::evidence::sink::settings::{Settings, Shape};
use crate::evidence::sink::table::{Row, TABLE, Wanted, is_name};

use super::read::Section;

/// Keys that every sink has.
const COMMON: [&str; 4] = ["name", "required", "archive", "level"];

/// Reads the list; each entry is a map from a kind to its keys.
pub(super) fn read(evidence: &Section<'_>, base: &Path, out: &mut Diagnostics) -> Vec<Wanted> {
    let kinds: Vec<&str> = TABLE.iter().map(|row| row.kind).collect();
    let mut all: Vec<Wanted> = Vec::new();
    for (at, item) in evidence.list("sinks", SINKS_MAX, out).iter().enumerate() {
        let path = format!("{}[{at}]", evidence.at("sinks"));
        let entry = Section::open(Some(item), path.clone(), &kinds, out);
        let mut found = TABLE.iter().filter_map(|row| Some((row, entry.node(row.kind)?)));
        let (Some((row, node)), None) = (found.next(), found.next()) else {
            if entry.given() && item.entries().len() != 1 {
                out.error("wrong_type", path, item.span, "a sink is a map with one key, its kind")
                    .help(format!("such as file: {{dir: /mnt/archive}}; kinds: {}", kinds.join(", ")));
            }
            continue;
        };
        if row.make.is_none() {
            let why = format!("the evidence sink `{}` is not in this build", row.kind);
            entry.refuse(
                row.kind,
                &why,
                &format!("build with `cargo build --release --features {}` (`full` has all), or remove it", row.feature),
                out,
            );
            continue;
        }
        let Some(wanted) = one(row, node, &entry.at(row.kind), base, out) else { continue };
        if all.iter().any(|known| known.name == wanted.name) {
            out.error("duplicate", entry.at(row.kind), node.span, format!("there are two sinks `{}`", wanted.name))
                .help("give one of them another `name`: it is the name of its cursor and the label of its metrics");
            continue;
        }
        all.push(wanted);
    }
    all
}

fn one(row: &'static Row, node: &Node, path: &str, base: &Path, out: &mut Diagnostics) -> Option<Wanted> {
    let known: Vec<&str> = COMMON.iter().copied().chain(row.keys.iter().map(|key| key.name)).collect();
    let section = Section::open(Some(node), path, &known, out);
    if !section.given() {
        return None;
    }
    let mut settings = Settings::default();
    let mut whole = true;
    for key in row.keys {
        match key.shape {
            Shape::Text => section.text(key.name, out).into_iter().for_each(|text| settings.set(key.name, text)),
            Shape::Path => section.path(key.name, base, out).into_iter().for_each(|path| settings.set_path(key.name, path)),
            Shape::Word(words) => {
                let pairs: Vec<(&str, &'static str)> = words.iter().map(|word| (*word, *word)).collect();
                settings.set(key.name, section.word(key.name, &pairs, words.first().copied().unwrap_or_default(), out));
            }
            Shape::Switch if section.node(key.name).is_some() => {
                settings.set(key.name, switch(&section, key.name, false, out).to_string());
            }
            Shape::Count(most) => {
                if let Some(count) = section.count(key.name, 1..=most, out) {
                    settings.set(key.name, count.to_string());
                }
            }
            Shape::Switch => {}
        }
        if key.needed && section.node(key.name).is_none() {
            whole = false;
            out.error("missing", section.at(key.name), node.span, format!("`{}` is missing", key.name))
                .help(format!("{}: {}", key.name, key.means));
        }
    }
    let mut wanted = Wanted::of(row, settings);
    if let Some(name) = section.text("name", out) {
        name.clone_into(&mut wanted.name);
        if !is_name(name) {
            out.error("bad_name", section.at("name"), node.span, format!("`{name}` cannot be the name of a sink"))
                .help("small letters, digits, dash and underscore, at most 40: it is a file name and a label");
        }
    }
    wanted.required = switch(&section, "required", wanted.required, out);
    wanted.archive = switch(&section, "archive", wanted.archive, out);
    wanted.level = section.word("level", &Level::ALL, wanted.level, out);
    if whole && let Err(why) = wanted.make() {
        out.error("contradiction", path, node.span, format!("the sink `{}` cannot be as it is written here", wanted.name))
            .help(why);
    }
    Some(wanted)
}

fn switch(section: &Section<'_>, key: &str, default: bool, out: &mut Diagnostics) -> bool {
    match section.node(key).map(|node| (&node.value, node)) {
        None => default,
        Some((Value::Bool(on), _)) => *on,
        Some((_, node)) => {
            section.wrong(key, node, "true or false", out);
            default
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy::config::Config;

    /// The sinks of a config with this list, or what is wrong with it.
    fn read(sinks: &str) -> Result<Vec<Wanted>, String> {
        let text = format!(
            "version: 1\nlisten: [{{bind: '127.0.0.1:0', lane: inbound, upstream: 'http://127.0.0.1:1'}}]\n\
             pacts: [p.yaml]\nevidence: {{dir: log, sinks: [{sinks}]}}\n"
        );
        let (config, told) = Config::parse(&text, Path::new("/etc/servanda"));
        let told: Vec<String> = told.iter().map(|one| format!("{one:?}")).collect();
        config.map(|config| config.evidence.sinks).ok_or(told.join("; "))
    }

    #[test]
    fn a_sink_is_what_its_row_and_its_keys_say() {
        let sinks = "{http: {url: 'https://siem.example/e', confirms: true, level: durable, token_file: t, name: siem}}, {file: {dir: a}}";
        let all = read(sinks).unwrap();
        assert_eq!((all[0].name.as_str(), all[0].kind, all[0].level, all[0].archive), ("siem", "http", Level::Durable, false));
        assert_eq!(all[0].settings.path("token_file"), Some(Path::new("/etc/servanda/t")));
        assert!(all[0].settings.switch("confirms", false) && all[0].settings.text("mode") == Some("binary"));
        assert_eq!((all[1].name.as_str(), all[1].level, all[1].archive), ("file", Level::Durable, true));
    }

    #[test]
    fn mistakes_name_the_place_and_the_way_out() {
        for (sinks, says) in [
            ("{http: {}}", "`url` is missing"),
            ("{http: {url: 'ftp://a/b'}}", "https://host/path"),
            ("{http: {url: 'https://a/b', confirms: maybe}}", "true or false"),
            ("{http: {url: 'https://a/b', mode: binray}}", "did you mean `binary`?"),
            ("{http: {url: 'https://a/b', level: durable}}", "write level: accepted"),
            ("{http: {url: 'https://a/b', level: verified}}", "cannot be read back"),
            ("{http: {url: 'https://a/b', archive: true}}", "archive: false"),
            ("{http: {url: 'http://far.example/b', token_env: T}}", "write https://"),
            ("{file: {dir: a}}, {file: {dir: b}}", "there are two sinks `file`"),
            ("{kafka: {}}", "kafka"),
        ] {
            let why = read(sinks).unwrap_err();
            assert!(why.contains("evidence.sinks[") && why.contains(says), "{sinks}: {why}");
        }
    }

    /// A feature that was left out is told for what it is; where it is built, its keys are read.
    #[test]
    fn a_sink_that_is_not_built_says_how_to_build_it() {
        let told = read("{nats: {url: 'nats://a:4222', replicas: 3}}");
        if cfg!(feature = "sink-nats") {
            assert_eq!(told.unwrap()[0].settings.text("replicas"), Some("3"));
            assert!(read("{nats: {url: 'nats://a:4222', replicas: 9}}").is_err());
            assert!(read("{nats: {url: 'nats://a:4222', level: durable}}").unwrap_err().contains("write level: accepted"));
        } else {
            assert!(told.unwrap_err().contains("cargo build --release --features sink-nats"));
        }
        let told = read("{postgres: {url: 'postgres://a@b/c'}}");
        if cfg!(feature = "sink-postgres") {
            assert!(told.unwrap()[0].archive);
        } else {
            assert!(told.unwrap_err().contains("cargo build --release --features sink-postgres"));
        }
    }
}

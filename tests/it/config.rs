//! The config corpus: good files load, bad ones tell every mistake with its place and a way out.

use std::path::{Path, PathBuf};

use servanda::proxy::Config;

fn files(folder: &str) -> Vec<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut files: Vec<PathBuf> = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "yaml"))
        .collect();
    files.sort();
    files
}

#[test]
fn every_example_loads() {
    let examples = files("config");
    assert!(examples.len() >= 3);
    for path in examples {
        let (config, mistakes) = Config::load(&path).unwrap_or_else(|error| panic!("{error}"));
        assert!(mistakes.is_empty(), "{}: {mistakes:?}", path.display());
        assert!(!config.listen.is_empty());
    }
}

/// A bad file says by comments what it must be told: `#! code line:column path`.
#[test]
fn every_mistake_is_told_at_once_with_its_place() {
    let bad = files("tests/config/bad");
    assert!(bad.len() >= 5);
    let mut wrong = String::new();
    for path in bad {
        let text = std::fs::read_to_string(&path).unwrap();
        let (config, mistakes) = Config::parse(&text, Path::new(""));
        let wanted: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("#! ")).collect();
        let told: Vec<String> = mistakes
            .iter()
            .map(|d| format!("{} {}:{} {}", d.code, d.span.line, d.span.column, d.field).trim_end().to_owned())
            .collect();
        if told != wanted {
            wrong += &format!("{}\n{}\n#! {}\n\n", path.display(), mistakes.render("bad", &text), told.join("\n#! "));
        }
        assert!(config.is_none(), "{}", path.display());
        for mistake in mistakes.iter().filter(|d| !matches!(d.code, "syntax" | "duplicate" | "loop" | "wrong_type")) {
            if mistake.help.is_none() {
                wrong += &format!("{}: no way out of: {}\n", path.display(), mistake.message);
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn the_short_form_needs_no_file() {
    use servanda::base::names::{Lane, Mode};
    let config = Config::short("http://127.0.0.1:9000", None, None, None, None).unwrap();
    assert_eq!((config.listen[0].lane, config.route("inbound").mode), (Lane::Inbound, Mode::Observe));
    let config = Config::short("https://api.openai.com", Some(Path::new("a.pact.yaml")), None, None, None).unwrap();
    assert_eq!((config.listen[0].lane, config.route("model").mode), (Lane::Model, Mode::Enforce));
    assert_eq!(config.listen[0].bind.to_string(), "127.0.0.1:8080");
    for bad in ["127.0.0.1:9000", "ftp://x", "http://user:secret@x"] {
        let error = Config::short(bad, None, None, None, None).unwrap_err().to_string();
        assert!(error.contains("the upstream"), "{error}");
    }
    assert!(Config::short("http://x", None, None, Some(Lane::Egress), None).is_err());
}

#[test]
fn routes_are_found_by_listener() {
    use servanda::base::names::Mode;
    let text = "
version: 1
listen:
  - {name: a, bind: 127.0.0.1:1, lane: inbound, upstream: 'http://x'}
  - {name: b, bind: 127.0.0.1:2, lane: model, upstream: 'http://y'}
pacts: [p.yaml]
routes:
  - {mode: flag}
  - {match: {listener: b}, mode: observe}
";
    let (config, mistakes) = Config::parse(text, Path::new("/etc/servanda"));
    let config = config.unwrap_or_else(|| panic!("{}", mistakes.render("x", text)));
    assert_eq!((config.route("a").mode, config.route("b").mode), (Mode::Flag, Mode::Observe));
    assert_eq!(config.pacts, [PathBuf::from("/etc/servanda/p.yaml")]);
    assert_eq!(config.evidence.dir, PathBuf::from("/etc/servanda/servanda-evidence"));
}

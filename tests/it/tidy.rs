//! The house kept in order: floors, circles, globs of the root, module docs, forgotten files.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The floor of each folder. A file imports from lower floors and from its own folder; neighbours on
/// one floor are strangers.
const FLOORS: &[(&str, u8)] = &[
    ("base", 1),
    ("scan", 2),
    ("protocol", 2),
    ("seal", 2),
    ("pact", 3),
    ("evidence", 3),
    ("program", 4),
    ("engine", 5),
    ("guard", 6),
    ("trial", 6),
    ("proxy", 7),
    ("cli", 8),
];

fn floor(folder: &str) -> Option<u8> {
    FLOORS.iter().find(|(name, _)| *name == folder).map(|(_, floor)| *floor)
}

/// Every Rust file below `dir`, sorted.
fn files(dir: &Path) -> Vec<PathBuf> {
    let mut out = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            out.extend(files(&path));
        } else if path.extension().is_some_and(|e| e == "rs") {
            out.push(path);
        }
    }
    out.sort();
    out
}

/// The source without comments and string contents, so that prose names nothing.
fn code_of(text: &str) -> String {
    text.lines().map(|line| line.split("//").next().unwrap_or("")).collect::<Vec<_>>().join("\n")
}

/// What a file names by `crate::…`: the first two segments of each path, groups opened.
fn imports(code: &str) -> Vec<(String, String)> {
    let mut out = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let before = code[..at].chars().next_back();
        if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '$') {
            continue;
        }
        expand(&code[at + "crate::".len()..], &mut Vec::new(), &mut out);
    }
    out
}

/// Reads one path or group and notes (folder, file) pairs.
fn expand(rest: &str, prefix: &mut Vec<String>, out: &mut Vec<(String, String)>) {
    let rest = rest.trim_start();
    if let Some(group) = rest.strip_prefix('{') {
        let mut depth = 1usize;
        let mut start = 0usize;
        for (at, c) in group.char_indices() {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => {}
            }
            if depth == 0 || (depth == 1 && c == ',') {
                let item = group[start..at].trim();
                if !item.is_empty() {
                    expand(item, &mut prefix.clone(), out);
                }
                start = at + 1;
            }
            if depth == 0 {
                return;
            }
        }
        return;
    }
    let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '*')).unwrap_or(rest.len());
    prefix.push(rest[..end].to_owned());
    if prefix.len() < 2
        && let Some(next) = rest[end..].strip_prefix("::")
    {
        return expand(next, prefix, out);
    }
    out.push((prefix[0].clone(), prefix.get(1).cloned().unwrap_or_default()));
}

/// The mistakes of a set of files, given as (path below src, source).
fn mistakes(sources: &[(String, String)]) -> Vec<String> {
    let mut out = Vec::new();
    let mut within: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let known: BTreeSet<&str> = sources.iter().map(|(path, _)| path.as_str()).collect();
    for (path, text) in sources {
        if !text.trim_start().starts_with("//!") {
            out.push(format!("{path}: no module docs"));
        }
        let Some((folder, _)) = path.split_once('/') else { continue };
        let Some(own) = floor(folder) else {
            out.push(format!("{path}: folder `{folder}` has no floor"));
            continue;
        };
        for (target, file) in imports(&code_of(text)) {
            if target == "*" || target == "self" {
                out.push(format!("{path}: glob or self import of the crate root"));
                continue;
            }
            let Some(below) = floor(&target) else { continue };
            if target != folder && below >= own {
                out.push(format!("{path}: imports {target} (floor {below}) from floor {own}"));
            }
            for candidate in [format!("{target}/{file}.rs"), format!("{target}/{file}/mod.rs")] {
                if known.contains(candidate.as_str()) && candidate != *path {
                    within.entry(path.clone()).or_default().insert(candidate);
                }
            }
        }
        // Neighbours named by `super::` in a file of the folder itself.
        for (at, _) in code_of(text).match_indices("super::") {
            let code = code_of(text);
            let rest = &code[at + "super::".len()..];
            let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
            let parent = Path::new(path).parent().unwrap().to_str().unwrap();
            let candidate = format!("{parent}/{}.rs", &rest[..end]);
            if !path.ends_with("mod.rs") && known.contains(candidate.as_str()) && candidate != *path {
                within.entry(path.clone()).or_default().insert(candidate);
            }
        }
    }
    out.extend(circle(&within).map(|path| format!("circle: {}", path.join(" -> "))));
    out
}

/// A circle among the files, if there is one. Faces (`mod.rs`) only declare and are no rooms.
fn circle(arrows: &BTreeMap<String, BTreeSet<String>>) -> Option<Vec<String>> {
    fn walk(at: &str, arrows: &BTreeMap<String, BTreeSet<String>>, trail: &mut Vec<String>, done: &mut BTreeSet<String>) -> bool {
        if let Some(from) = trail.iter().position(|t| t == at) {
            trail.drain(..from);
            trail.push(at.to_owned());
            return true;
        }
        if done.contains(at) {
            return false;
        }
        trail.push(at.to_owned());
        for next in arrows.get(at).into_iter().flatten().filter(|n| !n.ends_with("mod.rs")) {
            if walk(next, arrows, trail, done) {
                return true;
            }
        }
        done.insert(trail.pop().unwrap());
        false
    }
    let mut done = BTreeSet::new();
    arrows.keys().filter(|k| !k.ends_with("mod.rs")).find_map(|start| {
        let mut trail = Vec::new();
        walk(start, arrows, &mut trail, &mut done).then_some(trail)
    })
}

#[test]
fn the_house_stands() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let sources: Vec<(String, String)> = files(&src)
        .into_iter()
        .map(|path| (path.strip_prefix(&src).unwrap().to_str().unwrap().to_owned(), fs::read_to_string(&path).unwrap()))
        .collect();
    assert_eq!(mistakes(&sources), Vec::<String>::new());
}

#[test]
fn every_file_here_is_reached() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it");
    let main = fs::read_to_string(here.join("main.rs")).unwrap();
    for path in files(&here).into_iter().filter(|p| p.parent() == Some(&here)) {
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        assert!(name == "main" || main.contains(&format!("mod {name};")), "tests/it/{name}.rs is not declared in main.rs");
    }
}

#[test]
fn the_keeper_sees_what_it_should() {
    let file = |path: &str, code: &str| (path.to_owned(), format!("//! Docs.\n{code}"));
    let seen = |files: &[(String, String)]| mistakes(files).join("\n");
    assert!(seen(&[file("scan/a.rs", "use crate::pact::model::Pact;")]).contains("imports pact (floor 3) from floor 2"));
    assert!(seen(&[file("scan/a.rs", "fn f() { crate::{base, engine::judge}; }")]).contains("imports engine"));
    assert!(seen(&[file("scan/a.rs", "use crate::protocol::json;")]).contains("imports protocol"));
    assert!(seen(&[file("scan/a.rs", "use crate::*;")]).contains("glob"));
    assert!(seen(&[file("scan/a.rs", "use super::b::B;"), file("scan/b.rs", "use crate::scan::a::A;")]).contains("circle"));
    assert!(seen(&[("scan/a.rs".to_owned(), "fn f() {}".to_owned())]).contains("no module docs"));
    assert_eq!(seen(&[file("engine/a.rs", "use crate::{base::names::Lane, program::ir};\n// use crate::cli::x;")]), "");
}

//! Documents that are made from the code stay what the code says; documents name only files that exist.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// `src/docs/limits.md`, from the one file of limits.
fn limits() -> String {
    let source = fs::read_to_string(root().join("src/base/limits.rs")).unwrap();
    let mut out = String::from(
        "# Limits\n\nMade from `src/base/limits.rs` by a test; `UPDATE_DOCS=1 cargo test --test it docs` writes it anew.\n\n| limit | value | why |\n| --- | --- | --- |\n",
    );
    let mut why = String::new();
    for line in source.lines() {
        if let Some(text) = line.strip_prefix("///") {
            why.push_str(text);
        } else if let Some(rest) = line.strip_prefix("pub const ") {
            let (name, rest) = rest.split_once(':').unwrap();
            let value = rest.split_once('=').unwrap().1.trim().trim_end_matches(';').replace('_', ",");
            writeln!(out, "| `{name}` | {} |{why} |", people(&value)).unwrap();
            why.clear();
        } else {
            why.clear();
        }
    }
    out
}

/// `32 << 20` as `32 MiB`; other values as they are.
fn people(value: &str) -> String {
    match value.split_once(" << ") {
        Some((n, "10")) => format!("{n} KiB"),
        Some((n, "20")) => format!("{n} MiB"),
        Some((n, "30")) => format!("{n} GiB"),
        _ => value.to_owned(),
    }
}

#[test]
fn the_page_of_limits_is_the_file_of_limits() {
    let path = root().join("src/docs/limits.md");
    let wanted = limits();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, &wanted).unwrap();
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    assert!(found == wanted, "src/docs/limits.md is out of date: run `UPDATE_DOCS=1 cargo test --test it docs`");
}

#[test]
fn documents_name_only_files_that_exist() {
    let mut pages = vec![];
    for folder in ["", "src/docs", "benches", "examples/python"] {
        for entry in fs::read_dir(root().join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|e| e == "md") {
                pages.push(path);
            }
        }
    }
    assert!(pages.len() >= 5, "{pages:?}");
    for page in pages {
        let text = fs::read_to_string(&page).unwrap();
        for part in text.split("](").skip(1) {
            let target = part.split([')', '#']).next().unwrap();
            if target.is_empty() || target.contains("://") || target.contains(' ') {
                continue;
            }
            assert!(page.parent().unwrap().join(target).exists(), "{} names {target}, which does not exist", page.display());
        }
    }
}

#[test]
fn the_packs_that_the_guide_shows_keep_their_examples() {
    let page = fs::read_to_string(root().join("invariants/README.md")).unwrap();
    let blocks: Vec<&str> = page.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    let whole = |start: &str| *blocks.iter().find(|block| block.starts_with(start)).unwrap();
    let pack = [whole("pack:"), whole("topics:")].concat();
    let packs = servanda::pact::pack::Packs::load([("guide", pack.as_str())]).unwrap_or_else(|faults| panic!("{faults:?}"));
    assert_eq!(packs.iter().flat_map(|pack| pack.test().unwrap()).collect::<Vec<_>>(), []);
}

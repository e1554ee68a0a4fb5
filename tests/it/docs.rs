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

/// `src/docs/records.md`: what each kind of record may hold, from the types that write them.
fn records() -> String {
    use servanda::evidence::kind::Kind;
    use servanda::evidence::record::keys_of;
    use servanda::evidence::shape::{Key, Shape};

    fn holds(shape: &Shape) -> String {
        match shape {
            Shape::Int => "integer".to_owned(),
            Shape::Bool => "boolean".to_owned(),
            Shape::Text(most) => format!("text of at most {most}"),
            Shape::Word => "word".to_owned(),
            Shape::Digest => "digest".to_owned(),
            Shape::Id => "id".to_owned(),
            Shape::List(_, most) => format!("list of at most {most}"),
            Shape::Object(_) => "object".to_owned(),
        }
    }

    fn rows(out: &mut String, kind: Kind, before: &str, keys: &[Key]) {
        for key in keys {
            let must = if key.required { "yes" } else { "no" };
            row(out, kind, &format!("{before}{}", key.name), &key.shape, must);
        }
    }

    fn row(out: &mut String, kind: Kind, path: &str, shape: &Shape, must: &str) {
        writeln!(out, "| `{kind}` | `{path}` | {} | {must} |", holds(shape)).unwrap();
        match shape {
            Shape::List(item, _) => row(out, kind, &format!("{path}[]"), item, "no"),
            Shape::Object(keys) => rows(out, kind, &format!("{path}."), keys),
            _ => {}
        }
    }

    let mut out = String::from(
        "# Keys of records\n\nMade from the types in `src/evidence` by a test; `UPDATE_DOCS=1 cargo test --test it docs` writes it anew. What the columns mean, [evidence](evidence.md) says.\n\n| kind | key | holds | must be there |\n| --- | --- | --- | --- |\n",
    );
    for kind in Kind::ALL {
        rows(&mut out, *kind, "", keys_of(*kind).unwrap_or_default());
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
fn the_page_of_records_is_what_is_written() {
    let path = root().join("src/docs/records.md");
    let wanted = records();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, &wanted).unwrap();
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    assert!(found == wanted, "src/docs/records.md is out of date: run `UPDATE_DOCS=1 cargo test --test it docs`");
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

/// The blocks of a page in this language, in order.
fn blocks<'p>(page: &'p str, language: &str) -> Vec<&'p str> {
    page.split(&format!("```{language}\n")).skip(1).filter_map(|rest| rest.split("```").next()).collect()
}

#[test]
fn the_examples_of_the_page_on_pacts_are_together_a_whole_pact() {
    let page = fs::read_to_string(root().join("src/docs/pact.md")).unwrap();
    let (mut head, mut predicates, mut rest, mut portfolios) = (String::new(), String::new(), String::new(), 0);
    for block in blocks(&page, "yaml") {
        let first = block.lines().next().unwrap();
        if first.starts_with("format:") {
            head.push_str(block);
        } else if first.starts_with("- ") {
            predicates.extend(block.lines().map(|line| format!("  {line}\n")));
        } else if first.starts_with("agent:") {
            let (portfolio, mistakes) = servanda::pact::read_portfolio(block);
            assert!(portfolio.is_some(), "{}", mistakes.render("portfolio", block));
            portfolios += 1;
        } else if first.starts_with("identities:") {
            // The page cannot print a whole key.
            let text = block.replace("z6Mk…", &servanda::seal::SigningKey::from_seed(&[1; 32]).verifying().multibase());
            let (trust, mistakes) = servanda::pact::read_trust(&text);
            assert!(trust.is_some(), "{}", mistakes.render("trust file", &text));
        } else if let Some(schema) = first.strip_prefix("# yaml-language-server: $schema=") {
            assert!(root().join(schema).exists(), "{schema}");
        } else {
            assert!(["cases:", "evidence:", "penalty:", "renewal:"].contains(&first), "an example that nobody tries: {first}");
            rest.push_str(block);
        }
    }
    assert_eq!(portfolios, 1);
    let text = format!("{head}predicates:\n{predicates}{rest}");
    let (checked, mistakes) = servanda::pact::read(&text, servanda::pact::Packs::shipped());
    let checked = checked.unwrap_or_else(|| panic!("{}", mistakes.render("pact", &text)));
    assert_eq!(checked.lacks(), &[] as &[String], "the page shows every part");
    let program = servanda::program::compile(&[checked.clone()], servanda::pact::Packs::shipped()).unwrap();
    let outcomes = servanda::trial::case::run(&std::sync::Arc::new(program), &checked.pact().cases, 1_790_000_000_000_000);
    assert!(outcomes.passed() && outcomes.cases.len() >= 3, "{:?}", outcomes.cases);
}

/// What the lists of the suite pin: `package version`.
fn pinned() -> Vec<String> {
    let python = fs::read_to_string(root().join("tests/sdk/requirements-all.txt")).unwrap();
    let node = fs::read_to_string(root().join("tests/sdk/node/package.json")).unwrap();
    let node: serde_json::Value = serde_json::from_str(&node).unwrap();
    let node = node["dependencies"].as_object().unwrap().iter();
    let python = python.lines().filter_map(|line| line.split_once("==")).map(|(name, version)| format!("{name} {version}"));
    python.chain(node.map(|(name, version)| format!("{name} {}", version.as_str().unwrap()))).collect()
}

#[test]
fn the_page_of_clients_is_of_the_pinned_ones_and_says_why_where_it_says_nothing() {
    let page = fs::read_to_string(root().join("src/docs/clients.md")).unwrap();
    let pinned = pinned();
    let rows: Vec<Vec<&str>> = page
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"))
        .map(|line| line.split(" | ").collect())
        .collect();
    let [head, _, rows @ ..] = &rows[..] else { panic!("no table") };
    assert!(rows.len() >= 3, "{rows:?}");
    for row in rows {
        let (client, package) = row[0].strip_suffix(')').and_then(|it| it.split_once(" (")).unwrap();
        assert!(pinned.contains(&package.to_owned()), "{client} ran as {package}, which is not pinned: run .ci/sdk");
        assert_eq!(row.len(), head.len(), "{client}");
        for (outcome, cell) in head.iter().zip(row).skip(1).filter(|(_, cell)| **cell == "—") {
            assert!(page.contains(&format!("- {client}, {outcome}: ")), "{client}: {outcome} says {cell} and not why");
        }
    }
}

#[test]
fn the_lists_of_the_suite_name_no_registry() {
    for list in ["tests/sdk/requirements.txt", "tests/sdk/requirements-all.txt", "tests/sdk/node/package-lock.json"] {
        let text = fs::read_to_string(root().join(list)).unwrap();
        assert!(!text.contains("\"resolved\"") && !text.contains("registry.") && !text.contains("--index"), "{list}");
    }
}

//! One exchange in one line, as a person wants to read it.

use super::client::Seen;
use super::scene::Scene;
use crate::base::verdict::Act;
use crate::cli::render::{Paint, Screen, safe, short};

/// Widest text of an answer on a line.
const TEXT_MAX: usize = 64;

/// The line of an exchange. `asked` says whether the agent was asked at all.
pub(super) fn line(screen: &Screen, number: usize, scene: &Scene, seen: &Seen, asked: bool) -> String {
    let act = screen.act(act(seen));
    let number = screen.paint(Paint::Dim, &format!("{number:>2}"));
    format!("{number}  {act}  {:<46}  {}", scene.what, outcome(screen, seen, asked))
}

/// What the sidecar did: its header where there is one, what the client saw for a stream.
pub(super) fn act(seen: &Seen) -> Act {
    seen.act()
}

fn outcome(screen: &Screen, seen: &Seen, asked: bool) -> String {
    let by = match seen.header("x-servanda-predicate") {
        "" => String::new(),
        predicate => format!(" by `{}`", safe(predicate)),
    };
    if seen.status != 200 {
        let never = if asked { "" } else { "; the agent was never asked" };
        return format!("{} {}{by}{never}", seen.status, safe(&seen.code));
    }
    let texts: Vec<String> =
        seen.texts.iter().filter(|t| !t.is_empty()).map(|t| format!("“{}”", short(t.trim_end(), TEXT_MAX))).collect();
    let mut out = texts.join(" and ");
    if !seen.call.is_empty() {
        out = format!("{out} then the call {}", short(&seen.call, TEXT_MAX));
    }
    if seen.finish == "content_filter" {
        let dim = screen.paint(Paint::Dim, &format!("“{}”", short(&seen.refusal, TEXT_MAX)));
        out = format!("{out} then{by} {dim}");
    }
    out
}

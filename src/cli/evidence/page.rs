//! What a verification says, as one page for an auditor: a file that stands alone, without scripts, to be read or printed.
//!
//! Everything that comes from a log is escaped. The page says no more than the report, and it says what the report does not
//! prove. A browser that opens it fetches nothing.

use std::fmt::Display;

use crate::cli::render::safe;
use crate::evidence::report::{Finding, LogReport, Outcome, Report, State};

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;color:#1b1f24;background:#fff;max-width:62rem;margin:2rem auto;padding:0 1rem}\
h1{font-size:1.5rem;margin:0 0 1rem}h2{font-size:1.1rem;margin:2rem 0 .5rem}\
.answer{border-left:.5rem solid;padding:.8rem 1rem;margin:0 0 1rem;background:#f6f8fa}.answer b{font-size:1.4rem}\
.valid{border-color:#1a7f37}.erased{border-color:#6e5494}.incomplete{border-color:#9a6700}.invalid{border-color:#cf222e}\
.overflow{overflow-x:auto}table{border-collapse:collapse;width:100%;margin:.5rem 0}th,td{text-align:left;vertical-align:top;padding:.35rem .6rem;border-bottom:1px solid #d0d7de}\
th{font-weight:600;background:#f6f8fa}td.n{text-align:right;font-variant-numeric:tabular-nums}code{font:13px ui-monospace,monospace;overflow-wrap:anywhere}.code{white-space:nowrap}\
footer{margin:2rem 0;color:#57606a;font-size:.9rem}@media print{body{margin:0;max-width:none}tr,.answer{break-inside:avoid}}";

/// What no verification can show.
const NOT_PROVEN: [&str; 5] = [
    "That all traffic passed the guard: what went around it leaves no record.",
    "That a detector was right: a record says what was found by which detector, not that it was there, nor that nothing else was.",
    "When something happened, to anybody who does not trust the machine's clock. The order of records is proven; their times are the machine's.",
    "That the operator shows the same log to everybody: compare its signed heads with those that others hold.",
    "What a message said: records hold no content, only commitments to it.",
];

/// The page. `source` is what was verified, `at` when.
pub(super) fn page(report: &Report, source: &str, at: &str) -> String {
    let mut out = Page::default();
    out.raw("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n");
    out.raw("<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n");
    out.raw("<title>Evidence: ")
        .text(report.outcome.as_str())
        .raw("</title>\n<style>")
        .raw(STYLE)
        .raw("</style>\n</head>\n<body>\n");
    out.raw("<h1>Verification of evidence</h1>\n");
    out.answer(report);
    out.raw("<table>\n");
    out.row("Verified", source).row("At", at).row("Trust", trust(report)).row("Root key", &report.root);
    out.row("Records", report.records).row("Logs", report.logs.len());
    for (act, count) in &report.acts {
        out.row(&format!("Exchanges: {act}"), count);
    }
    out.raw("</table>\n");
    out.findings("What is wrong between the logs", &report.findings);
    out.raw("<h2>Logs</h2>\n");
    for log in &report.logs {
        out.log(log);
    }
    out.raw("<h2>What this does not prove</h2>\n<ul>\n");
    for line in NOT_PROVEN {
        out.raw("<li>").text(line).raw("</li>\n");
    }
    out.raw("</ul>\n<footer>Made by servanda ").text(env!("CARGO_PKG_VERSION"));
    out.raw(". To repeat it: <code>servanda evidence verify DIR --key '").text(&report.root).raw("'</code>. ");
    out.raw("A second verifier, written from the format's description alone, is <code>tests/interop/verify_log.py</code>.</footer>\n</body>\n</html>\n");
    out.0
}

/// Text that is HTML already.
#[derive(Default)]
struct Page(String);

impl Page {
    fn raw(&mut self, html: &str) -> &mut Self {
        self.0.push_str(html);
        self
    }

    /// Text from anywhere, which can be nothing but text.
    fn text(&mut self, text: impl Display) -> &mut Self {
        for c in safe(&text.to_string()).chars() {
            match c {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                c => self.0.push(c),
            }
        }
        self
    }

    fn row(&mut self, name: &str, value: impl Display) -> &mut Self {
        self.raw("<tr><th scope=\"row\">").text(name).raw("</th><td><code>").text(value).raw("</code></td></tr>\n")
    }

    fn answer(&mut self, report: &Report) {
        let (class, says) = match report.outcome {
            Outcome::Valid => ("valid", "Everything here was recorded so, and nothing between is missing."),
            Outcome::Erased => ("erased", "It holds. The content of the records named was erased, as records of the log say."),
            Outcome::Incomplete => ("incomplete", "What is here holds, but something is missing; it is named below."),
            Outcome::Invalid => ("invalid", "Something was changed, or does not belong here; it is named below."),
        };
        self.raw("<p class=\"answer ")
            .raw(class)
            .raw("\"><b>")
            .text(report.outcome.as_str())
            .raw("</b><br>")
            .text(says)
            .raw("</p>\n");
    }

    fn findings(&mut self, title: &str, findings: &[Finding]) {
        if findings.is_empty() {
            return;
        }
        self.raw("<h2>").text(title).raw("</h2>\n<div class=\"overflow\"><table>\n<tr><th>Answer</th><th>Code</th><th>File</th><th>Record</th><th>What was found</th></tr>\n");
        for finding in findings {
            self.raw("<tr><td>")
                .text(finding.outcome.as_str())
                .raw("</td><td class=\"code\"><code>")
                .text(finding.code)
                .raw("</code></td><td><code>");
            self.text(&finding.file).raw("</code></td><td class=\"n\">");
            self.text(finding.index.map(|index| index.to_string()).unwrap_or_default()).raw("</td><td>");
            self.text(&finding.detail).raw("</td></tr>\n");
        }
        self.raw("</table></div>\n");
    }

    fn log(&mut self, log: &LogReport) {
        let state = match log.state {
            State::Sealed => "sealed: it was closed in order",
            State::Adopted => "adopted: its process died, and the next log took up what was left",
            State::Open => "open: still written, or its process died and none came after it",
        };
        self.raw("<h2>").text(log.outcome.as_str()).raw(" · <code>").text(&log.origin).raw("</code></h2>\n<table>\n");
        self.row("State", state).row("Folder", &log.boot).row("Records", log.records).row("Head signed at", log.signed);
        if let Some((first, last)) = log.time_us {
            let time = |us: i64| jiff::Timestamp::from_microsecond(us).map_or_else(|_| us.to_string(), |t| t.to_string());
            self.row("By its own clock", format!("{} to {}", time(first), time(last)));
        }
        for (map, what) in [(&log.kinds, "Records"), (&log.acts, "Exchanges")] {
            let text: Vec<String> = map.iter().map(|(name, count)| format!("{name} {count}")).collect();
            if !text.is_empty() {
                self.row(&format!("{what} by {}", if what == "Records" { "kind" } else { "act" }), text.join(", "));
            }
        }
        for (count, what) in [
            (log.pruned, "Taken from the front by retention"),
            (log.unjudged, "Exchanges not inspected in full"),
            (log.lost, "Declared as not written"),
            (log.unknown_kind, "Of an unknown kind"),
            (log.open_exchanges, "Exchanges without an end here"),
            (log.uncovered, "Covered by no signed head"),
            (log.torn_bytes, "Bytes of a torn tail"),
        ] {
            if count > 0 {
                self.row(what, count);
            }
        }
        for (runs, what) in [(&log.missing, "Missing"), (&log.erased, "Erased")] {
            for (first, last) in runs {
                self.row(what, format!("records {first} to {last}"));
            }
        }
        self.raw("</table>\n");
        self.findings("Findings", &log.findings);
        if log.findings_more > 0 {
            self.raw("<p>And ").text(log.findings_more).raw(" more.</p>\n");
        }
    }
}

fn trust(report: &Report) -> String {
    if report.is_pinned() {
        format!("{}: the log stands under a key that whoever ran this gave", report.trust)
    } else {
        format!("{}: the key was read from the folder itself, so anybody could have made all of it", report.trust)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_from_a_log_becomes_markup() {
        let attack = "<script>alert(1)</script><img src=x onerror=\"a'b\">&\u{202e}\u{1b}";
        let mut report = Report { outcome: Outcome::Invalid, root: attack.to_owned(), ..Report::default() };
        report.acts.insert(attack.to_owned(), 1);
        let finding =
            Finding { code: "x", outcome: Outcome::Invalid, file: attack.to_owned(), index: Some(3), detail: attack.to_owned() };
        report.findings.push(finding.clone());
        let mut log =
            LogReport { origin: attack.to_owned(), boot: attack.to_owned(), findings: vec![finding], ..LogReport::default() };
        log.kinds.insert(attack.to_owned(), 1);
        log.missing.push((1, 2));
        log.erased.push((4, 4));
        report.logs.push(log);
        let page = page(&report, attack, attack);
        assert_eq!(page.matches("&lt;script&gt;").count(), 12, "{page}");
        assert!(!page.contains("<script") && !page.contains("<img") && !page.contains("onerror=\"a'b\""));
        assert!(!page.contains('\u{202e}') && !page.contains('\u{1b}'));
        assert!(page.contains("records 1 to 2") && page.contains("records 4 to 4"));
        // Every tag that is opened is one of ours, and what must be closed is.
        for tag in ["table", "tr", "td", "th", "code", "p", "h2", "ul", "li", "div"] {
            let opened = page.matches(&format!("<{tag}>")).count() + page.matches(&format!("<{tag} ")).count();
            assert_eq!(opened, page.matches(&format!("</{tag}>")).count(), "{tag}");
        }
    }
}

//! Hosts in text, and the rules over them: places lie in the text, names are ASCII.
#![no_main]

use libfuzzer_sys::fuzz_target;
use servanda::scan::host::{HostRule, Suffixes, find};

fuzz_target!(|input: (&str, &str)| {
    let (rule, text) = input;
    let suffixes = Suffixes::new(["com", "example", "co.uk"]);
    let mut hosts = Vec::new();
    find(text, &suffixes, &mut hosts);
    let rule = HostRule::parse(rule);
    for host in hosts {
        assert!(text.get(host.start..host.end).is_some());
        assert!(host.host.is_ascii() && !host.host.is_empty());
        if let Some(rule) = &rule {
            let _ = rule.matches(&host.host, host.port);
        }
    }
});

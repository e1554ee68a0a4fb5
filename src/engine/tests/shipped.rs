//! The shipped packs and the template: streams equal whole texts.

use proptest::prelude::*;

use super::stream::{every_char, stream, whole};
use super::*;

const TEMPLATE: &str = include_str!("../../../config/templates/customer-support.pact.yaml");

fn template() -> Arc<Program> {
    let (checked, mistakes) = crate::pact::read(TEMPLATE, Packs::shipped());
    let checked = checked.unwrap_or_else(|| panic!("{}", mistakes.render("template", TEMPLATE)));
    let program = compile_one(&checked, false, Packs::shipped());
    Arc::new(program.unwrap_or_else(|m| panic!("{}", m.render("template", TEMPLATE))))
}

#[test]
fn streams_of_the_template_equal_whole_texts() {
    let program = template();
    let piece = prop_oneof![
        Just("4111 1111 1111 1111"),
        Just("4111-1111-1111-1"),
        Just("111"),
        Just("536-22-8731"),
        Just("jane.doe@example.com"),
        Just("jane.d"),
        Just("@"),
        Just("AKIAIOSFODNN7EXAMPLE"),
        Just("-----BEGIN RSA PRIVATE KEY-----"),
        Just("MIIEpAIBAAKCAQEA\n"),
        Just("-----END RSA PRIVATE KEY-----"),
        Just("DE89 3704 0044 0532 0130 00"),
        Just("192.168.0.17"),
        Just("+49 30 1234567"),
        Just("Globex "),
        Just("I am a human"),
        Just(" being"),
        Just("7"),
        Just(" "),
        Just(". "),
        Just("é"),
        Just("https://collect.evil.example.net/x"),
    ];
    let text = prop::collection::vec(piece, 0..10).prop_map(|p| p.concat());
    let config = proptest::test_runner::Config { cases: 400, ..Default::default() };
    proptest!(config, |(text in text, cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6))| {
        let mut cuts: Vec<usize> = cuts.iter().map(|c| c.index(text.len() + 1)).filter(|c| text.is_char_boundary(*c)).collect();
        cuts.sort_unstable();
        let (wanted, _) = whole(&program, &text);
        let once = stream(&program, &text, &[], false);
        prop_assert_eq!(&stream(&program, &text, &cuts, false), &once, "{:?} at {:?}", text, cuts);
        prop_assert_eq!(&stream(&program, &text, &every_char(&text), false), &once, "{:?}", text);
        prop_assert_eq!((once.act, once.blocked), (wanted.act, wanted.blocked));
        if !once.blocked {
            prop_assert_eq!(&once, &wanted);
        }
        let watched = stream(&program, &text, &cuts, true);
        prop_assert_eq!((watched.act, &watched.hits), (wanted.act, &wanted.hits));
    });
}

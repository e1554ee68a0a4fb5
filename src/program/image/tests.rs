//! Images: deterministic, and nothing of a changed one is read.

use proptest::prelude::*;

use super::*;

const PACT: &str = r#"
format: 1
pact: toy
version: "1.2.3"
subject: {agent: "did:web:vendor.example:agents:toy"}
detectors:
  rival: {phrases: ["Globex"]}
predicates:
  - {id: rivals, dimension: safety, severity: minor, at: response, check: {match: [own.rival]}}
renewal: {effective: 2026-01-01, expires: 2027-01-01, counters_on_extension: reset}
"#;

fn program() -> Program {
    Program::compile_text(PACT).unwrap_or_else(|d| panic!("{}", d.render("toy", PACT)))
}

const OTHER: &str = r#"
format: 1
pact: other
version: "2.0.0"
subject: {agent: "did:web:vendor.example:agents:toy"}
detectors:
  rival: {phrases: ["Initech"]}
predicates:
  - {id: rivals, dimension: safety, severity: major, at: response, check: {match: [own.rival]}}
"#;

const PORTFOLIO_TEXT: &str = "agent: did:web:vendor.example:agents:toy
pacts:
  - {pact: toy.yaml, tasks: [play], weight: 0.5}
  - {pact: other.yaml, tasks: [work], weight: 0.5}
";

fn checked(text: &str) -> CheckedPact {
    let (checked, mistakes) = read(text, Packs::shipped());
    checked.unwrap_or_else(|| panic!("{}", mistakes.render("pact", text)))
}

fn linked() -> Program {
    let (toy, other) = (checked(PACT), checked(OTHER));
    let members = [&toy, &other].map(|pact| Member { pact, signed: false, until: None });
    together(read_portfolio(PORTFOLIO_TEXT).0.as_ref(), &members, Packs::shipped()).unwrap()
}

/// One of each kind.
fn images(key: Option<&SigningKey>) -> [Vec<u8>; 2] {
    [write(&program(), None, &[PACT], key).unwrap(), write(&linked(), Some(PORTFOLIO_TEXT), &[PACT, OTHER], key).unwrap()]
}

fn key() -> SigningKey {
    SigningKey::from_seed(&[7; 32])
}

#[test]
fn what_is_written_is_read_and_bytes_are_the_same() {
    for key in [None, Some(&key())] {
        let bytes = write(&program(), None, &[PACT], key).unwrap();
        assert_eq!(bytes, write(&program(), None, &[PACT], key).unwrap());
        let image = Image::read(&bytes).unwrap();
        assert_eq!(image.compiler(), COMPILER);
        assert_eq!(image.pacts()[0].as_ref(), PACT);
        assert_eq!(image.signer().map(VerifyingKey::as_bytes), key.map(|k| k.verifying()).as_ref().map(VerifyingKey::as_bytes));
        let loaded = image.program_unsigned(Packs::shipped()).unwrap();
        assert_eq!(loaded.digest(), program().digest());
        assert_eq!(&*loaded.identity().version, "1.2.3");
    }
}

#[test]
fn a_portfolio_is_linked_again_and_a_pact_by_itself_keeps_its_bytes() {
    let [one, several] = images(None);
    let head = |bytes: &[u8]| (u16::from_le_bytes([bytes[8], bytes[9]]), u16::from_le_bytes([bytes[10], bytes[11]]));
    assert_eq!((head(&one), head(&several)), ((1, 4), (2, 6)), "format and sections");
    assert_eq!(Image::read(&one).unwrap().portfolio(), None);
    assert_eq!(several, images(None)[1]);
    let image = Image::read(&several).unwrap();
    assert_eq!((image.portfolio(), image.pacts().len()), (Some(PORTFOLIO_TEXT), 2));
    let loaded = Arc::new(image.program_unsigned(Packs::shipped()).unwrap());
    assert_eq!(loaded.digest(), linked().digest());
    let governed = |task| loaded.for_task(Some(task)).pacts().count();
    assert_eq!((governed("play"), governed("work"), governed("gossip")), (1, 1, 2));
    assert_eq!(loaded.predicates()[1].id.as_ref(), "other/rivals");
}

#[test]
fn a_portfolio_and_its_pacts_must_fit() {
    let refused = |portfolio: Option<&str>, pacts: &[&str]| {
        let bytes = write(&linked(), portfolio, pacts, None).unwrap();
        Image::read(&bytes).and_then(|image| image.program_unsigned(Packs::shipped())).unwrap_err()
    };
    let text = Some(PORTFOLIO_TEXT);
    assert_eq!(refused(text, &[OTHER, PACT]), ImageError::Program, "in another order");
    assert_eq!(refused(Some(&PORTFOLIO_TEXT.replace("play", "work")), &[PACT, OTHER]), ImageError::Program);
    assert_eq!(refused(text, &[PACT]).code(), "pact");
    assert_eq!(refused(text, &[PACT, PACT]).code(), "pact");
    assert_eq!(refused(Some("agent: toy"), &[PACT, OTHER]).code(), "pact");
    assert_eq!(refused(text, &[]).code(), "damaged");
    assert_eq!(refused(None, &[PACT, OTHER]).code(), "damaged");
    assert_eq!(refused(text, &[PACT; PORTFOLIO_PACTS_MAX + 1]).code(), "damaged");
}

/// An unsigned image with some bytes changed, under a digest that fits them.
fn resealed(mut bytes: Vec<u8>, changes: &[(usize, u8)]) -> Vec<u8> {
    for (at, byte) in changes {
        bytes[*at] = *byte;
    }
    let content = bytes.len() - 36;
    let sum = digest(&bytes[..content]).0;
    bytes[content..content + 32].copy_from_slice(&sum);
    bytes
}

#[test]
fn format_and_sections_must_fit_under_a_digest_that_does() {
    let [one, several] = images(None);
    let told = |bytes, changes: &[(usize, u8)]| Image::read(&resealed(bytes, changes)).map(|_| ()).unwrap_err().to_string();
    // The format stands at 8; the table has entries of 16 bytes from 16 on, each of which begins with its kind.
    let other_format = "the image is damaged: its format is not that of what it holds";
    assert_eq!(told(one.clone(), &[(8, 2)]), other_format);
    assert_eq!(told(several.clone(), &[(8, 1)]), other_format);
    assert_eq!(told(several.clone(), &[(8, 3)]), "image format 3; this build reads 1 and 2");
    assert_eq!(told(several.clone(), &[(16 + 2 * 16, 5)]), "the image is damaged: it has two portfolios");
    assert_eq!(told(several, &[(16 + 2 * 16, 9)]), "the image is damaged: it has a section of an unknown kind");
    assert!(Image::read(&resealed(one, &[])).is_ok());
}

#[test]
fn each_pact_of_a_portfolio_must_be_active_where_it_is_opened() {
    let [_, bytes] = images(None);
    let image = Image::read(&bytes).unwrap();
    let open = |agent, now| {
        let beside = crate::pact::Beside::default();
        let demands = Demands { trust: None, require: &[], agent: Some(agent), now, beside };
        image.open(Packs::shipped(), &demands, &[]).map(|program| *program.digest())
    };
    let (here, now) = ("did:web:vendor.example:agents:toy", 1_790_000_000);
    assert_eq!(open(here, now), Ok(*linked().digest()));
    assert_eq!(open("did:web:other.example", now).unwrap_err().code(), "audience");
    let over = open(here, 1_800_000_000).unwrap_err();
    assert_eq!((over.code(), over.to_string().contains("`toy`")), ("inactive", true), "{over}");
}

#[test]
fn every_flipped_bit_is_refused() {
    for bytes in images(Some(&key())) {
        assert!(Image::read(&bytes).is_ok());
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut bad = bytes.clone();
                bad[at] ^= 1 << bit;
                assert!(Image::read(&bad).is_err(), "bit {bit} of byte {at}");
            }
        }
    }
}

#[test]
fn cuts_and_additions_are_refused() {
    for bytes in [None, Some(&key())].into_iter().flat_map(images) {
        for len in 0..bytes.len() {
            assert!(Image::read(&bytes[..len]).is_err(), "{len}");
        }
        let mut longer = bytes;
        longer.push(0);
        assert!(Image::read(&longer).is_err());
    }
}

#[test]
fn random_bytes_never_panic() {
    proptest!(|(mut bytes in prop::collection::vec(any::<u8>(), 0..600), head in 0usize..40)| {
        prop_assert!(Image::read(&bytes).is_err());
        // Behind a true head, so that the table is reached.
        let good = write(&program(), None, &[PACT], None).unwrap();
        let head = head.min(bytes.len());
        bytes[..head].copy_from_slice(&good[..head]);
        prop_assert!(Image::read(&bytes).is_err());
    });
}

#[test]
fn another_program_pack_agent_or_time_is_refused() {
    let program = program();
    let other = PACT.replace("Globex", "Initech");
    let bytes = write(&program, None, &[&other], None).unwrap();
    assert_eq!(Image::read(&bytes).unwrap().program_unsigned(Packs::shipped()).unwrap_err(), ImageError::Program);
    let with_pack = PACT.replace("detectors:", "packs: {pii: \"1\"}\ndetectors:");
    let used = Program::compile_text(&with_pack).unwrap();
    let bytes = write(&used, None, &[&with_pack], None).unwrap();
    let none = Packs::default();
    assert_eq!(Image::read(&bytes).unwrap().program_unsigned(&none).unwrap_err().code(), "pact");
    let (checked, _) = crate::pact::read(&with_pack, Packs::shipped());
    let image = Image::read(&bytes).unwrap();
    let member = Member { pact: &checked.unwrap(), signed: true, until: None };
    assert_eq!(image.program(&[member], &none).unwrap_err().code(), "pack");
    let from = 1_767_225_600_000_000;
    assert_eq!(admit(&program, "did:web:vendor.example:agents:toy", from), Ok(()));
    assert_eq!(admit(&program, "", from), Ok(()));
    assert_eq!(admit(&program, "did:web:other.example", from).unwrap_err().code(), "audience");
    assert_eq!(admit(&program, "", from - 1).unwrap_err(), ImageError::Term);
    assert_eq!(admit(&program, "", from + 365 * 86_400_000_000).unwrap_err(), ImageError::Term);
}

#[test]
fn an_end_that_was_said_beside_the_pacts_is_no_part_of_what_an_image_agrees_on() {
    let until = crate::pact::term::Date::parse("2026-03-01", "UTC").unwrap();
    let image = Image::read(&images(None)[1]).unwrap();
    let (toy, other) = (checked(PACT), checked(OTHER));
    let members = |until| [(&toy, None), (&other, until)].map(|(pact, until)| Member { pact, signed: true, until });
    let plain = image.program(&members(None), Packs::shipped()).unwrap();
    let ended = image.program(&members(Some(until)), Packs::shipped()).unwrap();
    assert_eq!(plain.digest(), ended.digest());
    // Of each task type the pacts that govern it say when it ends.
    let over = |program: &Program, task: &str| {
        let own = program.tasks().find(|(name, _)| *name == task);
        own.map(|(_, program)| !program.in_force(until.at * 1_000_000))
    };
    assert_eq!((over(&plain, "work"), over(&ended, "work"), over(&ended, "play")), (Some(false), Some(true), Some(false)));
    assert!(plain.in_force(until.at * 1_000_000) && !ended.in_force(until.at * 1_000_000));
}

#[test]
fn a_signer_counts_in_the_role_and_in_time_alone() {
    let trust = |role: &str, time: &str| {
        let key = key().verifying().multibase();
        let text = format!("identities: [{{did: 'did:web:b.example', keys: [{{key: {key}{time}}}], roles: [{role}]}}]\n");
        crate::pact::read_trust(&text).0.unwrap()
    };
    let named = ["did:web:b.example".to_owned()];
    let signed = |key: Option<&SigningKey>| Image::read(&write(&program(), None, &[PACT], key).unwrap()).unwrap();
    let check = |image: &Image, trust| image.check_signer(&trust, &named, 1_790_000_000);
    let own = signed(Some(&key()));
    assert_eq!(check(&own, trust("image", "")), Ok(()));
    assert_eq!(check(&own, trust("image", ", from: 2026-01-01, until: 2027-01-01")), Ok(()));
    for (role, time) in [("judge", ""), ("image", ", until: 2026-01-01"), ("image", ", from: 2027-01-01")] {
        assert_eq!(check(&own, trust(role, time)).unwrap_err().code(), "signer", "{role}{time}");
    }
    assert_eq!(check(&signed(None), trust("image", "")), Err(ImageError::Signer(None)));
    assert!(check(&signed(Some(&SigningKey::from_seed(&[8; 32]))), trust("image", "")).is_err());
    assert!(own.check_signer(&trust("image", ""), &["did:web:c.example".to_owned()], 1_790_000_000).is_err());
}

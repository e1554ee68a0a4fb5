//! Notes, keys, heads, delegations, receipts and proofs: hostile bytes are refused without a panic, what is read
//! has one text, and no edit of a proof proves anything but what the whole one proved.
#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::{arbitrary, fuzz_target};
use servanda::evidence::Log;
use servanda::evidence::note::{self, Checkpoint, Delegation, NOTE_MAX, NoteKey};
use servanda::evidence::prove::{self, Proven};
use servanda::evidence::receipt::{self, Level, Receipt};
use servanda::evidence::record::{Exchange, Intervention};
use servanda::seal::SigningKey;

#[derive(Debug, arbitrary::Arbitrary)]
struct Input<'a> {
    /// Put over a proof from here on, or read by itself.
    at: u16,
    over: bool,
    bytes: &'a [u8],
}

/// One proof of each kind, the key that signed them, and what the first one proves.
struct Made {
    proof: String,
    consistency: String,
    receipt: String,
    said: Receipt,
    root: NoteKey,
    key: NoteKey,
    proven: Proven,
    heads: (Checkpoint, Checkpoint),
}

fn made() -> &'static Made {
    static MADE: OnceLock<Made> = OnceLock::new();
    MADE.get_or_init(|| {
        let dir = std::env::temp_dir().join(format!("servanda-fuzz-proof-{}", std::process::id()));
        let log = Log::open(&dir).expect("a log opens");
        let waited = log.handle().reserve().expect("there is room");
        let receipt = log.handle().receipt(waited.id(), Level::Durable);
        drop(waited);
        let receipt = receipt.wait().expect("it is given");
        for _ in 0..5 {
            let slot = log.handle().reserve().expect("there is room");
            slot.strict(Intervention::default()).wait().expect("it is written");
            slot.write_strict(Exchange::default()).wait().expect("it is written");
        }
        log.close().expect("it is sealed");
        let proof = prove::prove(&dir, "3").expect("it is proven");
        // The first head of a log covers its first record.
        let consistency = prove::prove_consistency(&dir, 1).expect("one head extends the other");
        let root = std::fs::read_to_string(dir.join("root.vkey")).expect("a root");
        let root = NoteKey::parse(root.trim_end()).expect("a key");
        std::fs::remove_dir_all(&dir).expect("it is removed");
        let key = NoteKey::parse(&proof.key).expect("a key");
        let proven = prove::check(&proof.text, &key).expect("the proof holds");
        let heads = prove::check_consistency(&consistency, &key).expect("the proof holds");
        Made { proof: proof.text, consistency, receipt: receipt.text, said: receipt.receipt, root, key, proven, heads }
    })
}

/// The text with some of its bytes replaced.
fn spoiled(text: &str, at: u16, bytes: &[u8]) -> String {
    let mut out = text.as_bytes().to_vec();
    let at = usize::from(at) % out.len();
    let end = (at + bytes.len()).min(out.len());
    out.splice(at..end, bytes.iter().copied());
    String::from_utf8_lossy(&out).into_owned()
}

fuzz_target!(|input: Input<'_>| {
    let made = made();
    if input.over {
        if let Ok(proven) = prove::check(&spoiled(&made.proof, input.at, input.bytes), &made.key) {
            assert_eq!(proven, made.proven);
        }
        if let Ok(heads) = prove::check_consistency(&spoiled(&made.consistency, input.at, input.bytes), &made.key) {
            assert_eq!(heads, made.heads);
        }
        if let Ok(said) = receipt::open(spoiled(&made.receipt, input.at, input.bytes).as_bytes(), &made.root, &[]) {
            assert_eq!(said, made.said);
        }
        return;
    }
    // Nobody who lacks the key gets a note past it.
    assert!(note::open(input.bytes, &[&made.key]).is_err());
    let Ok(text) = std::str::from_utf8(input.bytes) else { return };
    assert!(prove::check(text, &made.key).is_err());
    assert!(prove::check_consistency(text, &made.key).is_err());
    assert!(receipt::open(input.bytes, &made.root, &[]).is_err() && receipt::open(input.bytes, &made.key, &[]).is_err());
    if let Ok(key) = NoteKey::parse(text) {
        assert_eq!(key.to_string(), text);
    }
    if let Ok(head) = Checkpoint::parse(text) {
        assert_eq!(head.text(), text);
    }
    if let Ok(delegation) = Delegation::parse(text) {
        assert_eq!(delegation.text(), text);
    }
    if let Ok(receipt) = Receipt::parse(text) {
        assert_eq!(receipt.text(), text);
    }
    // What is signed opens again, with its own key alone, and byte for byte.
    let secret = SigningKey::from_seed(&[7; 32]);
    let key = NoteKey::new("fuzz.example/log", secret.verifying()).expect("a name");
    let signed = note::sign(text, key.name(), &secret).expect("it is signed");
    let fine = text.ends_with('\n') && text.chars().all(|c| c == '\n' || !c.is_control()) && signed.len() <= NOTE_MAX;
    match note::open(signed.as_bytes(), &[&key]) {
        Ok(read) => assert_eq!(read, text),
        Err(error) => assert!(!fine, "{error}"),
    }
    assert!(note::open(signed.as_bytes(), &[&made.key]).is_err());
});

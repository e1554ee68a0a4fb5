//! Addresses of crypto currencies: the check sums `Base58Check` and `Bech32`.

use sha2::{Digest as _, Sha256};

const BASE58: &[u8] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
const BECH32: &[u8] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";

/// An address in `Base58Check`: a version byte, twenty bytes of hash, four of SHA-256 taken twice.
pub(super) fn base58check(text: &[u8]) -> bool {
    // Twenty-five bytes, the first most significant.
    let mut bytes = [0u8; 25];
    for byte in text {
        let Some(mut carry) = BASE58.iter().position(|b| b == byte) else { return false };
        for slot in bytes.iter_mut().rev() {
            carry += usize::from(*slot) * 58;
            *slot = (carry & 0xFF) as u8;
            carry >>= 8;
        }
        if carry > 0 {
            return false;
        }
    }
    let (payload, sum) = bytes.split_at(21);
    let twice = Sha256::digest(Sha256::digest(payload));
    twice.get(..4) == Some(sum)
}

/// A segregated-witness address (BIP 173, BIP 350): the polynomial over prefix and data.
pub(super) fn bech32(text: &[u8]) -> bool {
    let lower = text.to_ascii_lowercase();
    if text != lower && text.iter().any(u8::is_ascii_lowercase) {
        return false;
    }
    let Some(mark) = lower.iter().rposition(|b| *b == b'1') else { return false };
    let (prefix, data) = lower.split_at(mark);
    let high = prefix.iter().map(|b| u32::from(b >> 5));
    let low = prefix.iter().map(|b| u32::from(b & 31));
    let mut values: Vec<u32> = high.chain([0]).chain(low).collect();
    for byte in data.get(1..).unwrap_or_default() {
        let Some(at) = BECH32.iter().position(|b| b == byte) else { return false };
        values.push(at as u32);
    }
    let sum = values.iter().fold(1u32, |sum, value| {
        let top = sum >> 25;
        let taps = [0x3b6a_57b2u32, 0x2650_8e6d, 0x1ea1_19fa, 0x3d42_33dd, 0x2a14_62b3];
        let shifted = (sum & 0x1ff_ffff) << 5 ^ value;
        taps.iter().enumerate().filter(|(at, _)| top >> at & 1 == 1).fold(shifted, |sum, (_, tap)| sum ^ tap)
    });
    matches!(sum, 1 | 0x2bc8_30a3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_addresses_pass_and_their_neighbours_do_not() {
        assert!(base58check(b"1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2") && base58check(b"1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"));
        assert!(base58check(b"3J98t1WpEZ73CNmQviecrnyiWrnqRhWNLy"));
        assert!(!base58check(b"1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN3") && !base58check(b"1zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz"));
        assert!(bech32(b"bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4") && bech32(b"BC1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KV8F3T4"));
        assert!(bech32(b"bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0"));
        assert!(!bech32(b"bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t5") && !bech32(b"bc1qW508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"));
    }
}

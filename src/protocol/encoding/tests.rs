//! Every coding in every cutting, bombs, broken ends.

use std::io::Write as _;

use proptest::prelude::*;

use super::*;

const ALL: [Coding; 4] = [Coding::Gzip, Coding::Deflate, Coding::Brotli, Coding::Zstd];

fn encode(coding: Coding, bytes: &[u8]) -> Vec<u8> {
    let level = flate2::Compression::default();
    match coding {
        Coding::Gzip => {
            let mut encoder = flate2::GzBuilder::new().filename("a name").comment("c").extra(*b"xx").write(Vec::new(), level);
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        }
        Coding::Deflate => {
            let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), level);
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        }
        Coding::Brotli => {
            let mut out = Vec::new();
            brotli::CompressorWriter::new(&mut out, 4096, 5, 20).write_all(bytes).unwrap();
            out
        }
        Coding::Zstd => zstd::encode_all(bytes, 3).unwrap(),
    }
}

fn raw_deflate(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn in_pieces(coding: Coding, coded: &[u8], size: usize) -> Result<Vec<u8>, ReadError> {
    let mut decoder = Decoder::new(coding, Ceiling::of(32 << 20))?;
    let mut out = Vec::new();
    for piece in coded.chunks(size.max(1)) {
        out.extend_from_slice(&decoder.push(piece)?);
    }
    decoder.finish()?;
    Ok(out)
}

proptest! {
    #[test]
    fn decode_undoes_encode(bytes in prop::collection::vec(prop_oneof![Just(b'a'), any::<u8>()], 0..5000), size in 1usize..700) {
        for coding in ALL {
            let coded = encode(coding, &bytes);
            prop_assert_eq!(&decode(coding, &coded, Ceiling::of(1 << 20)).unwrap(), &bytes);
            prop_assert_eq!(&in_pieces(coding, &coded, size).unwrap(), &bytes);
            prop_assert_eq!(&in_pieces(coding, &coded, 1).unwrap(), &bytes);
        }
        prop_assert_eq!(&in_pieces(Coding::Deflate, &raw_deflate(&bytes), size).unwrap(), &bytes);
    }

    #[test]
    fn noise_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..300), which in 0usize..4) {
        let coded = encode(ALL[which], b"some text that is longer than a few bytes");
        let mut broken = coded.clone();
        for (at, byte) in bytes.iter().enumerate().take(3) {
            let len = broken.len();
            broken[(at * 31 + usize::from(*byte)) % len] ^= byte;
        }
        for noise in [bytes, broken] {
            let whole = decode(ALL[which], &noise, Ceiling::of(1 << 16)).is_ok();
            prop_assert_eq!(whole, in_pieces(ALL[which], &noise, 1).is_ok());
        }
    }
}

#[test]
fn what_a_flush_has_sent_comes_out_at_once() {
    let event = b"data: {\"a\":1}\n\n";
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    let mut zstd = zstd::stream::write::Encoder::new(Vec::new(), 3).unwrap();
    let mut br = brotli::CompressorWriter::new(Vec::new(), 4096, 5, 20);
    let mut decoders: Vec<Decoder> = ALL.iter().map(|c| Decoder::new(*c, Ceiling::of(usize::MAX)).unwrap()).collect();
    let mut sent = [0; 4];
    for _ in 0..5 {
        gzip.write_all(event).unwrap();
        gzip.flush().unwrap();
        zlib.write_all(event).unwrap();
        zlib.flush().unwrap();
        br.write_all(event).unwrap();
        br.flush().unwrap();
        zstd.write_all(event).unwrap();
        zstd.flush().unwrap();
        let all = [gzip.get_ref(), zlib.get_ref(), br.get_ref(), zstd.get_ref()];
        for ((coded, decoder), sent) in all.into_iter().zip(&mut decoders).zip(&mut sent) {
            assert_eq!(decoder.push(&coded[*sent..]).unwrap().as_ref(), event);
            *sent = coded.len();
        }
    }
}

#[test]
fn bombs_are_refused_early() {
    let bomb = vec![0; 64 << 20];
    for coding in ALL {
        let coded = encode(coding, &bomb);
        let error = decode(coding, &coded, Ceiling::of(32 << 20)).unwrap_err();
        assert!(matches!(error.code, Code::RatioTooHigh | Code::BodyTooLarge), "{coding:?}: {error}");
        let mut decoder = Decoder::new(coding, Ceiling::of(usize::MAX)).unwrap();
        let mut most = 0;
        let mut failed = None;
        for piece in coded.chunks(1000) {
            match decoder.push(piece) {
                Ok(out) => most = most.max(out.len()),
                Err(error) => {
                    failed = Some(error.code);
                    break;
                }
            }
        }
        assert_eq!(failed, Some(Code::RatioTooHigh), "{coding:?}");
        assert!(most <= (2 << 20), "{coding:?} gave {most} at once");
    }
}

#[test]
fn ends_must_be_right() {
    for coding in ALL {
        let coded = encode(coding, b"hello hello hello hello");
        for cut in 1..coded.len() {
            assert!(decode(coding, &coded[..cut], Ceiling::of(1000)).is_err(), "{coding:?} cut at {cut}");
        }
        let more = [&coded[..], b"{}"].concat();
        assert!(decode(coding, &more, Ceiling::of(1000)).is_err(), "{coding:?} with more");
        assert_eq!(decode(coding, b"", Ceiling::of(1000)).unwrap(), b"");
    }
    let two = [encode(Coding::Gzip, b"one "), encode(Coding::Gzip, b"two")].concat();
    assert_eq!(decode(Coding::Gzip, &two, Ceiling::of(1000)).unwrap(), b"one two");
    assert_eq!(decode(Coding::Gzip, &encode(Coding::Gzip, b"x"), Ceiling::of(0)).unwrap_err().code, Code::BodyTooLarge);
}

#[test]
fn headers_name_one_known_coding() {
    let of = |values: &[&str]| {
        let mut headers = http::HeaderMap::new();
        for value in values {
            headers.append(CONTENT_ENCODING, value.parse().unwrap());
        }
        coding(&headers)
    };
    assert_eq!(of(&[]), Ok(None));
    assert_eq!(of(&["identity"]), Ok(None));
    assert_eq!(of(&["GZip"]), Ok(Some(Coding::Gzip)));
    assert_eq!(of(&["identity, br"]), Ok(Some(Coding::Brotli)));
    for bad in [&["gzip, gzip"][..], &["gzip", "br"], &["compress"], &["aws-chunked"], &["zstd;q=1"]] {
        assert_eq!(of(bad).unwrap_err().code, Code::UnsupportedCoding, "{bad:?}");
    }
}

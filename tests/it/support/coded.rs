//! Bodies under a content coding, as an upstream would send them.

use std::io::Write;

/// `body` under this coding.
pub(crate) fn encode(coding: &str, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    match coding {
        "gzip" => {
            let mut encoder = flate2::write::GzEncoder::new(&mut out, flate2::Compression::default());
            encoder.write_all(body).unwrap();
            encoder.finish().unwrap();
        }
        "deflate" => {
            let mut encoder = flate2::write::ZlibEncoder::new(&mut out, flate2::Compression::default());
            encoder.write_all(body).unwrap();
            encoder.finish().unwrap();
        }
        "br" => brotli::CompressorWriter::new(&mut out, 4096, 5, 22).write_all(body).unwrap(),
        "zstd" => out = zstd::encode_all(body, 1).unwrap(),
        other => panic!("no encoder for {other}"),
    }
    out
}

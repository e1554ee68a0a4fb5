//! What each part of the guard costs alone, beside what the whole sidecar costs over the bare proxy.

use std::path::Path;

/// Prints the shares, given the extra CPU per request by body size.
pub(crate) fn print(_pact: &Path, extra_us: &[(usize, f64)]) {
    for (size, extra) in extra_us {
        println!("{} KiB: {extra:.1} µs of CPU over bare", size >> 10);
    }
}

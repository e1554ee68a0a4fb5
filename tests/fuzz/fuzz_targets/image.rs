//! Images: whatever the bytes, either refused or whole; one that is read says the same when read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use servanda::pact::Packs;
use servanda::program::image::Image;

fuzz_target!(|data: &[u8]| {
    if let Ok(image) = Image::read(data) {
        let again = Image::read(data).expect("read before");
        assert_eq!(image.digest(), again.digest());
        let _ = image.program_unsigned(Packs::shipped());
    }
});

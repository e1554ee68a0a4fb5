//! Second opinions on a match, in one table.
//!
//! Promises: a check sees the match, at most `CONTEXT` bytes before it and [`look_ahead`] bytes after
//! it, so that it says the same however a stream was cut; its work is linear in what it sees. It may
//! narrow a match, never widen it.

mod address;
mod americas;
mod asia;
mod coin;
mod digits;
mod east;
mod number;
mod phone;
mod south;
mod thing;
mod token;
mod west;

use super::pattern::Verify;
pub(super) use token::base64_digit;

/// Bytes before a match that its second opinion may look at.
pub(super) const CONTEXT: usize = 64;

/// What a check sees.
#[derive(Clone, Copy, Debug)]
struct Sight<'t> {
    before: &'t [u8],
    text: &'t [u8],
    after: &'t [u8],
}

/// The part of the match that counts, counted from its start.
type Part = Option<(usize, usize)>;

/// Bytes after the match that a check looks at.
pub(super) fn look_ahead(verify: Verify) -> usize {
    match verify {
        Verify::Phone => phone::LOOK_AHEAD,
        Verify::Email => 1,
        Verify::Iban
        | Verify::Isbn
        | Verify::Token
        | Verify::AssignedSecret
        | Verify::Filled
        | Verify::Jwt
        | Verify::Login
        | Verify::BasicAuth => 0,
        _ => 2,
    }
}

/// Whether no match counts that a digit and a full stop stand right before.
pub(super) fn refuses_fraction(verify: Verify) -> bool {
    let own = [Verify::PaymentCard, Verify::UsSsn, Verify::Phone, Verify::Coordinates, Verify::Alone];
    own.contains(&verify) || numbering(verify).is_some()
}

#[cfg(test)]
thread_local! {
    static LOOKED_AT: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
}

/// Counts bytes that a look beyond the pass has seen, so that a test can tell how the work grows.
#[cfg(test)]
pub(super) fn count(bytes: usize) {
    LOOKED_AT.set(LOOKED_AT.get() + bytes as u64);
}

/// The bytes that second opinions and looks for words have seen so far on this thread.
#[cfg(test)]
pub(crate) fn bytes_looked_at() -> u64 {
    LOOKED_AT.get()
}

/// The part of the match that counts, or none.
pub(super) fn verify(verify: Verify, bytes: &[u8], (start, end): (usize, usize)) -> Option<(usize, usize)> {
    let ahead = (end + look_ahead(verify)).min(bytes.len());
    let sight = Sight {
        before: bytes.get(start.saturating_sub(CONTEXT)..start)?,
        text: bytes.get(start..end)?,
        after: bytes.get(end..ahead)?,
    };
    #[cfg(test)]
    count(sight.before.len() + sight.text.len() + sight.after.len());
    let whole = |yes: bool| yes.then_some((0, sight.text.len()));
    let (from, to) = match verify {
        Verify::PaymentCard => whole(number::payment_card(sight)),
        Verify::Iban => number::iban(sight),
        Verify::UsSsn => whole(number::us_ssn(sight)),
        Verify::Ipv4 => whole(address::ipv4(sight)),
        Verify::Ipv6 => address::ipv6(sight),
        Verify::Email => whole(address::email(sight)),
        Verify::Phone => phone::phone(sight),
        Verify::Token => whole(token::random(sight.text)),
        Verify::Filled => whole(token::filled(sight.text) && !token::in_blob(sight.before)),
        Verify::AssignedSecret => token::assigned(sight),
        Verify::NamedSecret => token::named(sight),
        Verify::Login => token::login(sight),
        Verify::BasicAuth => token::basic(sight),
        Verify::Crc32Tail => whole(token::crc32_tail(sight.text)),
        Verify::Jwt => whole(token::jwt(sight)),
        Verify::Mac => whole(thing::mac(sight)),
        Verify::Coordinates => whole(thing::coordinates(sight)),
        Verify::BirthDate => whole(thing::birth_date(sight)),
        Verify::Base58check => whole(coin::base58check(sight.text)),
        Verify::Bech32 => whole(coin::bech32(sight.text)),
        Verify::Isbn => thing::isbn(sight.text),
        Verify::Alone => whole(stands_alone(sight)),
        _ => whole(stands_alone(sight) && numbered(verify, sight.text)),
    }?;
    Some((start + from, start + to))
}

/// A check of digits, or of letters and digits without marks and in capitals.
enum Numbering {
    Digits(fn(&[u8]) -> bool),
    Code(fn(&[u8]) -> bool),
}

/// The numbering scheme behind a word.
fn numbering(verify: Verify) -> Option<Numbering> {
    use Numbering::{Code, Digits};
    Some(match verify {
        Verify::Luhn => Digits(digits::luhn),
        Verify::UsSsnRange => Digits(number::us_ssn_range),
        Verify::UsItin => Digits(americas::us_itin),
        Verify::UsAba => Digits(americas::us_aba),
        Verify::UsNpi => Digits(americas::us_npi),
        Verify::UsDea => Code(americas::us_dea),
        Verify::CaSin => Digits(americas::ca_sin),
        Verify::MxCurp => Code(americas::mx_curp),
        Verify::MxRfc => Code(americas::mx_rfc),
        Verify::MxClabe => Digits(americas::mx_clabe),
        Verify::BrCpf => Digits(americas::br_cpf),
        Verify::BrCnpj => Digits(americas::br_cnpj),
        Verify::ClRut => Code(americas::cl_rut),
        Verify::ArCuit => Digits(americas::ar_cuit),
        Verify::UkNhs => Digits(west::uk_nhs),
        Verify::UkUtr => Digits(west::uk_utr),
        Verify::UkNino => Code(west::uk_nino),
        Verify::UkDrivingLicence => Code(west::uk_driving_licence),
        Verify::IePps => Code(west::ie_pps),
        Verify::FrNir => Code(west::fr_nir),
        Verify::FrSiren => Digits(west::fr_siren),
        Verify::DeTaxId => Digits(west::de_tax_id),
        Verify::DeVat => Digits(west::de_vat),
        Verify::DeIdCard => Code(west::de_id_card),
        Verify::DeSerial => Code(west::de_serial),
        Verify::DeSocialSecurity => Code(west::de_social_security),
        Verify::DeHealthInsurance => Code(west::de_health_insurance),
        Verify::EsNif => Code(west::es_nif),
        Verify::EsCif => Code(west::es_cif),
        Verify::ItFiscalCode => Code(west::it_fiscal_code),
        Verify::ItVat => Digits(west::it_vat),
        Verify::PtNif => Digits(west::pt_nif),
        Verify::NlBsn => Digits(west::nl_bsn),
        Verify::BeNational => Digits(west::be_national),
        Verify::ChAhv => Digits(west::ch_ahv),
        Verify::AtSvnr => Digits(west::at_svnr),
        Verify::PlPesel => Digits(east::pl_pesel),
        Verify::PlNip => Digits(east::pl_nip),
        Verify::CzBirthNumber => Digits(east::cz_birth_number),
        Verify::CzTin => Digits(east::cz_tin),
        Verify::SePersonnummer => Digits(east::se_personnummer),
        Verify::NoFodselsnummer => Digits(east::no_fodselsnummer),
        Verify::DkCpr => Digits(east::dk_cpr),
        Verify::FiHetu => Code(east::fi_hetu),
        Verify::GrAfm => Digits(east::gr_afm),
        Verify::GrAmka => Digits(east::gr_amka),
        Verify::RoCnp => Digits(east::ro_cnp),
        Verify::LtPersonalCode => Digits(east::lt_personal_code),
        Verify::BgEgn => Digits(east::bg_egn),
        Verify::HrOib => Digits(east::hr_oib),
        Verify::TrTckn => Digits(east::tr_tckn),
        Verify::IlId => Digits(asia::il_id),
        Verify::InAadhaar => Digits(asia::in_aadhaar),
        Verify::InGstin => Code(asia::in_gstin),
        Verify::CnId => Code(asia::cn_id),
        Verify::JpMyNumber => Digits(asia::jp_my_number),
        Verify::KrBorn => Digits(asia::kr_born),
        Verify::KrRrn => Digits(asia::kr_rrn),
        Verify::KrBrn => Digits(asia::kr_brn),
        Verify::SgNric => Code(asia::sg_nric),
        Verify::SgUen => Code(asia::sg_uen),
        Verify::ThId => Digits(asia::th_id),
        Verify::IdNik => Digits(asia::id_nik),
        Verify::AuAbn => Digits(south::au_abn),
        Verify::AuAcn => Digits(south::au_acn),
        Verify::AuTfn => Digits(south::au_tfn),
        Verify::AuMedicare => Digits(south::au_medicare),
        Verify::NzIrd => Digits(south::nz_ird),
        Verify::NzNhi => Code(south::nz_nhi),
        Verify::ZaId => Digits(south::za_id),
        Verify::Imei => Digits(thing::imei),
        Verify::Vin => Code(thing::vin),
        Verify::Bic => Code(thing::bic),
        _ => return None,
    })
}

/// Whether a text keeps the numbering scheme behind a word.
fn numbered(verify: Verify, text: &[u8]) -> bool {
    match numbering(verify) {
        Some(Numbering::Digits(check)) => check(&digits::Digits::of(text)),
        Some(Numbering::Code(check)) => {
            // The mark of the century is part of the Finnish code.
            let kept = |b: &&u8| b.is_ascii_alphanumeric() || verify == Verify::FiHetu;
            check(&text.iter().filter(kept).map(u8::to_ascii_uppercase).collect::<Vec<u8>>())
        }
        None => false,
    }
}

/// Whether a number is no part of a larger one, of a name, a path, an amount or a telephone number.
fn stands_alone(sight: Sight<'_>) -> bool {
    let before = match sight.before {
        [.., b'+' | b'#' | b'$' | b'&' | b'%'] => true,
        [.., one, b'.' | b'_' | b'/'] => one.is_ascii_alphanumeric(),
        [.., one, b'-' | b','] => one.is_ascii_digit(),
        _ => false,
    };
    let after = matches!(sight.after, [b'.' | b'-' | b'/' | b',' | b'_' | b':', next, ..] if next.is_ascii_digit())
        || matches!(sight.after, [b'_' | b'@' | b'%', ..]);
    !before && !after
}

/// The digits of a text.
fn digits(text: &[u8]) -> Vec<u8> {
    text.iter().filter(|b| b.is_ascii_digit()).map(|b| b - b'0').collect()
}

/// Whether one of these lower-case words stands whole in the text.
fn has_word(text: &[u8], words: &[&str]) -> bool {
    text.split(|b| !b.is_ascii_alphanumeric())
        .any(|word| !word.is_empty() && words.iter().any(|wanted| word.eq_ignore_ascii_case(wanted.as_bytes())))
}

/// Whether what stands before and after makes a number part of a larger one: `1.` or `1-` before, `.5`
/// or `-1` after.
fn inside_number(sight: Sight<'_>, marks: &[u8]) -> bool {
    let before = match sight.before {
        [.., digit, mark] => digit.is_ascii_alphanumeric() && marks.contains(mark),
        _ => false,
    };
    let after = match sight.after {
        [mark, digit, ..] => digit.is_ascii_digit() && marks.contains(mark),
        _ => false,
    };
    before || after
}

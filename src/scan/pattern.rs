//! What is looked for: patterns with a name, and topics.
//!
//! A pattern is one detector: a regular expression, a list of phrases, or a long form that is swallowed
//! from its opening to its close, or groups of weighted phrases whose sum tips over. A topic is such groups too.

use crate::base::names::{DataCategory, words};

/// One detector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    /// What a hit is called, such as `pii.email`.
    pub label: String,
    /// The entry that defines it, such as `pii.email.common`.
    pub detector: String,
    /// The pack it comes from; `own` for a pact's own.
    pub pack: String,
    /// How it is matched.
    pub kind: Kind,
    /// A second opinion on each match.
    pub verify: Option<Verify>,
    /// How sure a hit is, in hundredths of a percent.
    pub score_bp: u16,
    /// The category of the data that a hit is.
    pub category: DataCategory,
    /// What must, may and must not stand around it. Of regular expressions only.
    pub context: Option<Context>,
    /// Longest match in bytes. Must be given for a regular expression without a finite longest match;
    /// of a match that could be longer, the longest that fits counts.
    pub bytes_max: Option<usize>,
}

impl Pattern {
    /// A list of phrases without a name, sure of nothing and of no category.
    pub(super) fn phrases(list: Vec<String>) -> Self {
        Self {
            label: String::new(),
            detector: String::new(),
            pack: String::new(),
            kind: Kind::Phrases(list),
            verify: None,
            score_bp: 0,
            category: DataCategory::Public,
            context: None,
            bytes_max: None,
        }
    }
}

/// What stands around a match, and what it scores then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Context {
    /// Words of which one nearby makes the match score `score_bp`.
    pub words: Vec<String>,
    /// Words of which one nearby, and none of `words`, makes it count for nothing.
    pub not: Vec<String>,
    /// Bytes behind the match in which words are looked for; a stream waits for them.
    pub after: usize,
    /// The score beside one of `words`, in hundredths of a percent. Beside none it is the pattern's own;
    /// where that is 0, the match counts for nothing.
    pub score_bp: u16,
    /// The score of a match beside which the text holds nothing.
    pub lone_bp: Option<u16>,
}

/// How a pattern is matched. Per pattern the leftmost match counts, of those at one place the longest,
/// and matches do not overlap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A regular expression in the syntax of the `regex` crate. `\d \w \s \b` mean ASCII.
    Regex(String),
    /// Phrases: whole words, ASCII case ignored, any short run of white space and punctuation between words.
    Phrases(Vec<String>),
    /// From a match of the regular expression `open` to the end of the literal `close`, or of the text.
    Long {
        /// Regular expression of the opening.
        open: String,
        /// Literal that ends the form.
        close: String,
    },
    /// Weighted phrases: the hit is the phrase with which the sum reaches the threshold, and the sum begins anew.
    Weighted(Weighted),
}

/// Groups of phrases whose weights are summed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Weighted {
    /// The groups; each counts once in a window.
    pub groups: Vec<Group>,
    /// The sum that is asked for, at least 1.
    pub threshold: u32,
    /// What is summed over.
    pub window: Window,
}

/// Phrases that mean the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// What any of them adds; less than nothing for what speaks against it.
    pub weight: i32,
    /// The phrases.
    pub phrases: Vec<String>,
}

/// What weights are summed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Window {
    /// From one end of a sentence to the next: a full stop, an exclamation or question mark before white space, a closing
    /// quote or bracket or the end of the text; a CJK full stop; an empty line; and at most 240 bytes.
    Sentence,
    /// The last so many bytes.
    Bytes(u32),
    /// The whole text.
    Text,
}

/// A list of weighted phrases that together speak of one subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topic {
    /// Its name, such as `topic.legal_interpretation`.
    pub label: String,
    /// The pack it comes from.
    pub pack: String,
    /// Its phrases, and the sum from which a text speaks of it.
    pub weighted: Weighted,
}

words! {
    /// A second opinion on a match, by name.
    Verify {
        /// Payment card: scheme, length, Luhn.
        PaymentCard = "payment_card",
        /// IBAN: country, length, mod 97.
        Iban = "iban",
        /// US social security number: ranges that are given out.
        UsSsn = "us_ssn",
        /// IPv4 address, not a version.
        Ipv4 = "ipv4",
        /// IPv6 address.
        Ipv6 = "ipv6",
        /// Telephone number: country plans and common national shapes.
        Phone = "phone",
        /// E-mail address: lengths and labels.
        Email = "email",
        /// A token that looks random.
        Token = "token",
        /// The value of an assignment, if it looks random: the hit is the value alone.
        AssignedSecret = "assigned_secret",
        /// A JSON Web Token: the header decodes to a JSON object.
        Jwt = "jwt",
        /// Any number with a Luhn check digit.
        Luhn = "luhn",
        /// Nine digits in the ranges of US social security numbers.
        UsSsnRange = "us_ssn_range",
        /// US individual taxpayer number.
        UsItin = "us_itin",
        /// US bank routing number.
        UsAba = "us_aba",
        /// US health care provider number.
        UsNpi = "us_npi",
        /// US registration to prescribe.
        UsDea = "us_dea",
        /// Canadian social insurance number.
        CaSin = "ca_sin",
        /// Mexican population code.
        MxCurp = "mx_curp",
        /// Mexican taxpayer code.
        MxRfc = "mx_rfc",
        /// Mexican bank account.
        MxClabe = "mx_clabe",
        /// Brazilian person number.
        BrCpf = "br_cpf",
        /// Brazilian firm number.
        BrCnpj = "br_cnpj",
        /// Argentine tax number.
        ArCuit = "ar_cuit",
        /// Chilean person number.
        ClRut = "cl_rut",
        /// British NHS number.
        UkNhs = "uk_nhs",
        /// British taxpayer reference.
        UkUtr = "uk_utr",
        /// British insurance number.
        UkNino = "uk_nino",
        /// British driving licence.
        UkDrivingLicence = "uk_driving_licence",
        /// Irish personal number.
        IePps = "ie_pps",
        /// French registration number.
        FrNir = "fr_nir",
        /// French firm or place of business.
        FrSiren = "fr_siren",
        /// German tax number.
        DeTaxId = "de_tax_id",
        /// German VAT number.
        DeVat = "de_vat",
        /// German identity card or passport.
        DeIdCard = "de_id_card",
        /// Serial number of a German passport, which has no check digit of its own.
        DeSerial = "de_serial",
        /// German pension insurance number.
        DeSocialSecurity = "de_social_security",
        /// German health insurance number.
        DeHealthInsurance = "de_health_insurance",
        /// Spanish person's or foreigner's number.
        EsNif = "es_nif",
        /// Spanish firm number.
        EsCif = "es_cif",
        /// Italian person code.
        ItFiscalCode = "it_fiscal_code",
        /// Italian VAT number.
        ItVat = "it_vat",
        /// Portuguese taxpayer number.
        PtNif = "pt_nif",
        /// Dutch citizen number.
        NlBsn = "nl_bsn",
        /// Belgian national number.
        BeNational = "be_national",
        /// Swiss insurance number.
        ChAhv = "ch_ahv",
        /// Austrian insurance number.
        AtSvnr = "at_svnr",
        /// Polish person number.
        PlPesel = "pl_pesel",
        /// Polish taxpayer number.
        PlNip = "pl_nip",
        /// Czech and Slovak birth number.
        CzBirthNumber = "cz_birth_number",
        /// Czech taxpayer number of a firm or of a person without a birth number.
        CzTin = "cz_tin",
        /// Swedish person number.
        SePersonnummer = "se_personnummer",
        /// Norwegian birth number.
        NoFodselsnummer = "no_fodselsnummer",
        /// Danish person number.
        DkCpr = "dk_cpr",
        /// Finnish person code.
        FiHetu = "fi_hetu",
        /// Greek taxpayer number.
        GrAfm = "gr_afm",
        /// Greek insurance number.
        GrAmka = "gr_amka",
        /// Romanian person number.
        RoCnp = "ro_cnp",
        /// Lithuanian and Estonian person code.
        LtPersonalCode = "lt_personal_code",
        /// Bulgarian person number.
        BgEgn = "bg_egn",
        /// Croatian person number.
        HrOib = "hr_oib",
        /// Turkish person number.
        TrTckn = "tr_tckn",
        /// Israeli identity number.
        IlId = "il_id",
        /// Indian Aadhaar.
        InAadhaar = "in_aadhaar",
        /// Indian tax number of a firm.
        InGstin = "in_gstin",
        /// Chinese identity number.
        CnId = "cn_id",
        /// Japanese individual number.
        JpMyNumber = "jp_my_number",
        /// Korean registration number by its date alone.
        KrBorn = "kr_born",
        /// Korean registration number with its check digit.
        KrRrn = "kr_rrn",
        /// Korean business number.
        KrBrn = "kr_brn",
        /// Identity number of Singapore.
        SgNric = "sg_nric",
        /// Entity number of Singapore.
        SgUen = "sg_uen",
        /// Thai identity number.
        ThId = "th_id",
        /// Indonesian identity number.
        IdNik = "id_nik",
        /// Australian business number.
        AuAbn = "au_abn",
        /// Australian company number.
        AuAcn = "au_acn",
        /// Australian tax file number.
        AuTfn = "au_tfn",
        /// Australian Medicare card.
        AuMedicare = "au_medicare",
        /// New Zealand tax number.
        NzIrd = "nz_ird",
        /// New Zealand health index.
        NzNhi = "nz_nhi",
        /// South African identity number.
        ZaId = "za_id",
        /// Number of a mobile device.
        Imei = "imei",
        /// Number of a vehicle.
        Vin = "vin",
        /// Number of a book.
        Isbn = "isbn",
        /// Bank code: its country.
        Bic = "bic",
        /// Hardware address.
        Mac = "mac",
        /// Latitude and longitude in decimal degrees.
        Coordinates = "coordinates",
        /// A day that there is.
        BirthDate = "birth_date",
        /// Address with the check sum `Base58Check`.
        Base58check = "base58check",
        /// Address with the check sum `Bech32`.
        Bech32 = "bech32",
        /// No part of a larger number, a name or a path.
        Alone = "alone",
        /// The value behind a vendor's name and an assignment: the hit is the value alone.
        NamedSecret = "named_secret",
        /// A token with a body, no placeholder.
        Filled = "filled",
        /// A user and a password as a command line has them.
        Login = "login",
        /// The value of a header `Authorization: Basic`.
        BasicAuth = "basic_auth",
        /// A token whose last eight digits are the CRC-32 of what stands before them.
        Crc32Tail = "crc32_tail",
    }
}

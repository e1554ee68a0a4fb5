//! Pact templates that come with the binary: each compiles, passes its own cases and needs only names.

/// Name and text of each template.
pub const TEMPLATES: &[(&str, &str)] = &[
    ("customer-support", include_str!("../../config/templates/customer-support.pact.yaml")),
    ("transactional", include_str!("../../config/templates/transactional.pact.yaml")),
    ("research", include_str!("../../config/templates/research.pact.yaml")),
    ("code-generation", include_str!("../../config/templates/code-generation.pact.yaml")),
    ("minimal", include_str!("../../config/templates/minimal.pact.yaml")),
];

/// The text of a template; `trading` is another name of `transactional`.
pub fn template(name: &str) -> Option<&'static str> {
    let name = if name == "trading" { "transactional" } else { name };
    TEMPLATES.iter().find(|(n, _)| *n == name).map(|(_, text)| *text)
}

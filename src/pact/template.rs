//! Pact templates that come with the binary: each compiles, passes its own cases and needs only names.

/// Name and text of each template.
pub const TEMPLATES: &[(&str, &str)] = &[
    ("customer-support", include_str!("../../config/templates/customer-support.pact.yaml")),
    ("minimal", include_str!("../../config/templates/minimal.pact.yaml")),
];

/// The text of a template.
pub fn template(name: &str) -> Option<&'static str> {
    TEMPLATES.iter().find(|(n, _)| *n == name).map(|(_, text)| *text)
}

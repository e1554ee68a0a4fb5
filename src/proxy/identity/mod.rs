//! Identities of the trust file whose keys stand in a `did:web` document: pinned in a file, or fetched.
//!
//! Promises: a document adds keys to an identity that the trust file lists, in the roles that it gives, and to
//! nobody else; what is fetched is kept, and used for as long as the trust file says, and beyond that only while
//! it cannot be fetched, which is told. Fetching itself is handed in; a build without `did-web` has none.

mod cache;
mod resolve;
#[cfg(feature = "did-web")]
mod web;
#[cfg(not(feature = "did-web"))]
#[path = "unbuilt.rs"]
mod web;

pub(crate) use resolve::Resolver;
pub(crate) use web::Web;

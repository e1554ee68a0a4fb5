//! The admin token: made on first run, readable by its owner alone, compared in constant time.

use std::fmt;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use http::HeaderMap;
use http::header::AUTHORIZATION;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::proxy::error::ProxyError;

/// Shortest token that counts as one.
const TOKEN_MIN: usize = 16;

/// The token. Never printed.
pub struct Token(Zeroizing<String>);

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

impl Token {
    /// Reads the file, or makes it with mode 0600. Gives whether it was made.
    ///
    /// # Errors
    /// It cannot be read or made, holds no token, or others may read it.
    pub fn open(path: &Path) -> Result<(Self, bool), ProxyError> {
        let wrong = |why: String| ProxyError::File { path: path.to_owned(), why };
        match fs::read_to_string(path) {
            Ok(text) => {
                let mode = fs::metadata(path).map_err(|e| wrong(e.to_string()))?.permissions().mode();
                if mode & 0o007 != 0 {
                    return Err(wrong("is readable by everybody: chmod 600 it".to_owned()));
                }
                let token = text.trim();
                if token.len() < TOKEN_MIN {
                    return Err(wrong(format!("holds no token of at least {TOKEN_MIN} characters; remove it to get a new one")));
                }
                Ok((Self(Zeroizing::new(token.to_owned())), false))
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok((Self::make(path)?, true)),
            Err(error) => Err(wrong(error.to_string())),
        }
    }

    fn make(path: &Path) -> Result<Self, ProxyError> {
        let wrong = |why: String| ProxyError::File { path: path.to_owned(), why };
        let mut secret = Zeroizing::new([0u8; 32]);
        getrandom::fill(secret.as_mut()).map_err(|e| wrong(e.to_string()))?;
        let token = Zeroizing::new(crate::seal::Digest(*secret).hex());
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(|e| wrong(e.to_string()))?;
        }
        let mut file =
            fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(|e| wrong(e.to_string()))?;
        file.write_all(format!("{}\n", token.as_str()).as_bytes()).map_err(|e| wrong(e.to_string()))?;
        Ok(Self(token))
    }

    /// Whether a request carries it.
    pub fn allows(&self, headers: &HeaderMap) -> bool {
        let given = headers.get(AUTHORIZATION).and_then(|v| v.to_str().ok()).and_then(|v| v.split_once(' '));
        given.is_some_and(|(scheme, token)| {
            scheme.eq_ignore_ascii_case("bearer") && bool::from(token.trim().as_bytes().ct_eq(self.0.as_bytes()))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(value: &str) -> HeaderMap {
        [(AUTHORIZATION, value.parse().unwrap())].into_iter().collect()
    }

    #[test]
    fn made_once_and_kept_private() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sub/admin.token");
        let (token, made) = Token::open(&path).unwrap();
        assert!(made);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let text = fs::read_to_string(&path).unwrap();
        assert!(
            token.allows(&with(&format!("Bearer {}", text.trim()))) && token.allows(&with(&format!("bearer {}", text.trim())))
        );
        for bad in ["", "Bearer", "Bearer ", "Bearer x", text.trim()] {
            assert!(!token.allows(&with(bad)), "{bad}");
        }
        assert!(!token.allows(&HeaderMap::new()));
        let (again, made) = Token::open(&path).unwrap();
        assert!(!made && again.allows(&with(&format!("Bearer {}", text.trim()))));
        assert!(!format!("{token:?}").contains(text.trim()));
    }

    #[test]
    fn refuses_what_protects_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("t");
        fs::write(&path, "short\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert!(Token::open(&path).unwrap_err().to_string().contains("no token"));
        fs::write(&path, "long enough to be a token\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(Token::open(&path).unwrap_err().to_string().contains("chmod"));
    }
}

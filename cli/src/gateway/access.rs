//! Who may hand in items: holders of a token from a file.

use std::path::Path;

use hyper::HeaderMap;
use hyper::header::AUTHORIZATION;
use ring::digest::{SHA256, digest};
use subtle::{Choice, ConstantTimeEq};

use super::secret_file;
use crate::failure::Failure;

/// Shorter ones can be guessed: 128 bits in hexadecimal.
const SHORTEST_TOKEN: usize = 32;

/// Digests of the tokens. Comparing them takes as long whatever the given one is like.
pub(super) struct Tokens(Vec<[u8; 32]>);

impl Tokens {
    /// One token a line; empty lines and those that begin with `#` do not count.
    pub(super) fn read(path: &Path) -> Result<Self, Failure> {
        let text = secret_file::read(path, "the file of tokens")?;
        let text = std::str::from_utf8(&text).map_err(|_| unusable("it is no text"))?;
        let mut tokens = Vec::new();
        for token in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
            if token.len() < SHORTEST_TOKEN {
                return Err(unusable("a token has fewer than 32 characters"));
            }
            if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
                return Err(unusable("a token holds other characters than visible ASCII"));
            }
            tokens.push(sha256(token.as_bytes()));
        }
        if tokens.is_empty() { Err(unusable("it holds no token")) } else { Ok(Self(tokens)) }
    }

    /// Does the request carry one of them, as RFC 6750 has it?
    pub(super) fn admit(&self, headers: &HeaderMap) -> bool {
        let mut given = headers.get_all(AUTHORIZATION).iter();
        let (Some(value), None) = (given.next(), given.next()) else { return false };
        let Some((scheme, token)) = value.as_bytes().split_at_checked(7) else { return false };
        let given = sha256(token);
        let known = self.0.iter().fold(Choice::from(0), |known, token| known | token.ct_eq(&given));
        scheme.eq_ignore_ascii_case(b"Bearer ") && known.into()
    }
}

pub(super) fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut digested = [0; 32];
    digested.copy_from_slice(digest(&SHA256, bytes).as_ref());
    digested
}

fn unusable(why: &str) -> Failure {
    Failure::usage("gateway-tokens", format!("the file of tokens cannot be used: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "0123456789abcdef0123456789abcdef";

    fn headers(values: &[&str]) -> HeaderMap {
        values.iter().map(|value| (AUTHORIZATION, value.parse().unwrap())).collect()
    }

    #[test]
    fn only_a_known_token_is_admitted() {
        let tokens = Tokens(vec![sha256(b"another one"), sha256(TOKEN.as_bytes())]);
        assert!(tokens.admit(&headers(&[&format!("Bearer {TOKEN}")])));
        assert!(tokens.admit(&headers(&[&format!("bearer {TOKEN}")])));
        for wrong in [
            &[][..],
            &[""],
            &["Bearer "],
            &["Bearer"],
            &[TOKEN],
            &[&format!("Basic {TOKEN}")],
            &[&format!("Bearer  {TOKEN}")],
            &[&format!("Bearer {TOKEN}0")],
            &[&format!("Bearer {}", &TOKEN[1..])],
            &[&format!("Bearer {TOKEN}"), &format!("Bearer {TOKEN}")],
        ] {
            assert!(!tokens.admit(&headers(wrong)), "{wrong:?}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn files_that_protect_nothing_are_refused() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens");
        let read = |content: &str, mode| {
            std::fs::write(&path, content).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            Tokens::read(&path).map(|tokens| tokens.0.len()).map_err(|failure| failure.code)
        };
        assert_eq!(read(&format!("# phones of ward 7\n\n{TOKEN}\n {TOKEN}x \n"), 0o600), Ok(2));
        for (content, mode, code) in [
            (TOKEN, 0o640, "gateway-file-open"),
            (TOKEN, 0o604, "gateway-file-open"),
            ("# nothing\n", 0o600, "gateway-tokens"),
            ("short", 0o600, "gateway-tokens"),
            ("ä0123456789abcdef0123456789abcdef", 0o600, "gateway-tokens"),
        ] {
            assert_eq!(read(content, mode), Err(code), "{content} {mode:o}");
        }
    }
}

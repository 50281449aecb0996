//! Planted strings, looked for in every coding that they may hide in.

use memchr::memmem;

/// Something that is in a source and must be in nothing that is made of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sentinel {
    /// Looked for as UTF-8, UTF-16 (both byte orders), hexadecimal and base64 (all three alignments), and in lower and upper case.
    Text(String),
    /// Looked for as it is and in hexadecimal.
    Bytes(Vec<u8>),
}

impl From<&str> for Sentinel {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

/// Where and how each sentinel is found in `data`: nothing, when it is clean. The texts name the sentinel's number, not its value.
#[must_use]
pub fn find(data: &[u8], sentinels: &[Sentinel]) -> Vec<String> {
    let mut hits = Vec::new();
    for (k, sentinel) in sentinels.iter().enumerate() {
        for (form, bytes) in forms(sentinel) {
            hits.extend(memmem::find(data, &bytes).map(|at| format!("sentinel {k} as {form} at byte {at}")));
        }
    }
    hits
}

/// Files below a folder that hold, or whose names hold, something readable: a JPEG's start, DICOM's mark, the canaries of our objects.
///
/// # Panics
/// When the folder cannot be read.
#[must_use]
pub fn in_folder(folder: &std::path::Path) -> Vec<String> {
    // Long enough not to be in gigabytes of cipher text by chance, as `DICM` alone would be.
    let sentinels = [
        Sentinel::Bytes(b"\0\0\0\0DICM".to_vec()),
        Sentinel::Bytes(b"\xFF\xD8\xFF\xE0\0\x10JFIF".to_vec()),
        Sentinel::from("CANARY^PATIENT"),
    ];
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder that can be read") {
        let path = entry.expect("an entry that can be read").path();
        if path.is_dir() {
            found.extend(in_folder(&path));
            continue;
        }
        let bytes = [std::fs::read(&path).unwrap_or_default(), path.as_os_str().as_encoded_bytes().to_vec()];
        let hits = bytes.iter().flat_map(|bytes| find(bytes, &sentinels));
        found.extend(hits.map(|hit| format!("{hit}: {}", path.display())));
    }
    found
}

fn forms(sentinel: &Sentinel) -> Vec<(&'static str, Vec<u8>)> {
    let texts = match sentinel {
        Sentinel::Bytes(bytes) => {
            return vec![
                ("bytes", bytes.clone()),
                ("hexadecimal", hex(bytes, false)),
                ("hexadecimal", hex(bytes, true)),
            ];
        }
        Sentinel::Text(text) => {
            let mut texts = vec![text.clone(), text.to_lowercase(), text.to_uppercase()];
            texts.sort();
            texts.dedup();
            texts
        }
    };
    let mut forms = Vec::new();
    for text in texts {
        let utf8 = text.as_bytes();
        forms.push(("UTF-8", utf8.to_vec()));
        forms.push(("UTF-16 LE", text.encode_utf16().flat_map(u16::to_le_bytes).collect()));
        forms.push(("UTF-16 BE", text.encode_utf16().flat_map(u16::to_be_bytes).collect()));
        forms.push(("hexadecimal", hex(utf8, false)));
        forms.push(("hexadecimal", hex(utf8, true)));
        forms.extend((0..3).map(|shift| ("base64", base64_core(utf8, shift))));
    }
    forms
}

fn hex(bytes: &[u8], upper: bool) -> Vec<u8> {
    let digit = |v: u8| if upper { b"0123456789ABCDEF"[usize::from(v)] } else { b"0123456789abcdef"[usize::from(v)] };
    bytes.iter().flat_map(|b| [digit(b >> 4), digit(b & 15)]).collect()
}

/// The characters of the base64 of `shift` unknown bytes followed by `bytes` that depend on `bytes` alone.
fn base64_core(bytes: &[u8], shift: usize) -> Vec<u8> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let padded = [&[0; 2][..shift], bytes].concat();
    let bit = |k: usize| padded[k / 8] >> (7 - k % 8) & 1;
    let (first, last) = ((shift * 8).div_ceil(6), padded.len() * 8 / 6);
    (first..last).map(|k| ALPHABET[(0..6).fold(0, |v, b| v << 1 | usize::from(bit(6 * k + b)))]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_coding_is_found_and_clean_data_is_clean() {
        let sentinels = [Sentinel::from("LEAK_Owner"), Sentinel::Bytes(vec![0, 0, 0, 47, 1])];
        let utf16: Vec<u8> = "xLEAK_Owner".encode_utf16().flat_map(u16::to_be_bytes).collect();
        for (data, how) in [
            (b"..LEAK_Owner..".to_vec(), "UTF-8"),
            (b"..leak_owner..".to_vec(), "UTF-8"),
            (utf16, "UTF-16 BE"),
            (b"4c45414b5f4f776e6572".to_vec(), "hexadecimal"),
            (b"TEVBS19Pd25lcg==".to_vec(), "base64"),
            (b"eExFQUtfT3duZXI=".to_vec(), "base64"),
            (b"eHhMRUFLX093bmVy".to_vec(), "base64"),
        ] {
            let hits = find(&data, &sentinels);
            assert!(hits.iter().any(|hit| hit.starts_with(&format!("sentinel 0 as {how}"))), "{how}: {hits:?}");
        }
        assert_eq!(find(b"9\0\0\0\x2f\x01", &sentinels).len(), 1);
        assert_eq!(find(b"LEAK-Owner, leak_own, TEVBS19", &sentinels), [""; 0]);
    }
}

//! Flags that take one word of a few.

use clap::builder::{PossibleValuesParser, TypedValueParser};

/// Reads one of the words as what it stands for.
pub(crate) fn choice<T: Copy + Send + Sync>(words: &'static [(&'static str, T)]) -> impl TypedValueParser<Value = T> {
    PossibleValuesParser::new(words.iter().map(|(word, _)| *word)).try_map(|given| {
        words.iter().find(|(word, _)| *word == given).map(|(_, meaning)| *meaning).ok_or("not one of the words")
    })
}

/// What somebody saw.
pub(crate) const YES_OR_NO: &[(&str, bool)] = &[("yes", true), ("no", false)];

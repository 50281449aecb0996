//! Unique identifiers of the form `2.25.<UUID>` (PS3.5 B.2).

use crate::clock::{Randomness, RandomnessUnavailable};

/// ImplementationClassUID (0002,0012) of this library: a UUID drawn once, the same in all versions.
pub(super) const IMPLEMENTATION_CLASS: &str = "2.25.14655567556581410242235713519128448086";

/// A new unique identifier of the form `2.25.<UUID>` (PS3.5 B.2), from a random (version 4) UUID.
///
/// # Errors
/// [`RandomnessUnavailable`].
pub fn mint(randomness: &dyn Randomness) -> Result<String, RandomnessUnavailable> {
    let mut bytes = [0; 16];
    randomness.fill(&mut bytes)?;
    Ok(format!("2.25.{}", uuid::Builder::from_random_bytes(bytes).into_uuid().as_u128()))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed(u8);

    impl Randomness for Fixed {
        fn fill(&self, bytes: &mut [u8]) -> Result<(), RandomnessUnavailable> {
            bytes.fill(self.0);
            Ok(())
        }
    }

    struct Broken;

    impl Randomness for Broken {
        fn fill(&self, _: &mut [u8]) -> Result<(), RandomnessUnavailable> {
            Err(RandomnessUnavailable)
        }
    }

    #[test]
    fn a_uid_is_a_version_4_uuid_in_decimal() {
        // 00000000-0000-4000-8000-000000000000 and ffffffff-ffff-4fff-bfff-ffffffffffff
        assert_eq!(mint(&Fixed(0)).unwrap(), "2.25.302240678275694148452352");
        assert_eq!(mint(&Fixed(255)).unwrap(), "2.25.340282366920937632322261936355783213055");
        assert!(mint(&Fixed(255)).unwrap().len() <= 44);
    }

    #[test]
    fn nothing_is_minted_without_randomness() {
        assert_eq!(mint(&Broken), Err(RandomnessUnavailable));
    }
}

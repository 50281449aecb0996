//! Made photographs and oracles that the tests of all stages share.

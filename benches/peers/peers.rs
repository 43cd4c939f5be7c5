//! Compares podmeter with the crates that read expositions, too: see `benches/parsers.rs`.

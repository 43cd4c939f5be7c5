//! The `podmeter` program: reads the command line and makes one call into the library.
fn main() {}

//! The built program as a process, with what the kernel says of it.

//! Tells a pod from JSON that was made to cost memory, before it is read.
//!
//! Read into values, `[1,1,1,...]` takes more than ten times its bytes. A pod has few values for its
//! bytes: the largest are largest by the texts in them.

/// More values than the largest pod has. Read, they take a few megabytes.
pub(super) const MOST: usize = 50_000;

/// Whether `json` has more values than any pod.
pub(super) fn is_heavy(json: &str) -> bool {
    let (mut values, mut in_text, mut escaped) = (0, false, false);
    for byte in json.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = in_text,
            b'"' => in_text = !in_text,
            // Each begins a value or comes before one.
            b',' | b'[' | b'{' if !in_text => values += 1,
            _ => {}
        }
    }
    values > MOST
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_small_values_are_heavy_and_one_long_text_is_not() {
        assert!(is_heavy(&format!("[{}1]", "1,".repeat(MOST))));
        assert!(is_heavy(&"[".repeat(MOST + 1)));
        assert!(!is_heavy(&format!("[{}1]", "1,".repeat(MOST - 1))));
        assert!(!is_heavy(&format!("{{\"a\":\"{}\"}}", ",[{\\\"".repeat(MOST))));
    }
}

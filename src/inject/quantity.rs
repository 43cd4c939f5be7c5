//! Amounts of CPU and memory in the notation of Kubernetes: `100m`, `0.5`, `64Mi`, `1e3`.

/// An amount, for comparing.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub(super) struct Quantity(f64);

impl Quantity {
    /// Reads one that is not negative.
    pub(super) fn read(text: &str) -> Option<Self> {
        let end = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
        let (digits, suffix) = text.split_at(end);
        if !digits.bytes().any(|byte| byte.is_ascii_digit()) || text.len() > MAX_BYTES {
            return None;
        }
        let number: f64 = digits.parse().ok()?;
        let known = SUFFIXES.iter().find(|(known, _)| *known == suffix);
        let factor = if let Some((_, factor)) = known { *factor } else { exponent(suffix)? };
        Some(Self(number * factor))
    }
}

/// The factor that an exponent stands for: `e3`, `E-3`.
fn exponent(suffix: &str) -> Option<f64> {
    let exponent = suffix.strip_prefix(['e', 'E'])?;
    let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
    let few = (1..=2).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    few.then(|| exponent.parse().ok()).flatten().map(|exponent| 10_f64.powi(exponent))
}

/// The least memory with which the proxy starts. What is below is mostly a slip: `64m`, which is
/// less than a byte, or a number without its `Mi`.
pub(super) const LEAST_MEMORY: Quantity = Quantity(8.0 * 1_048_576.0);

const MAX_BYTES: usize = 64;
const SUFFIXES: [(&str, f64); 16] = [
    ("", 1.0),
    ("n", 1e-9),
    ("u", 1e-6),
    ("m", 1e-3),
    ("k", 1e3),
    ("M", 1e6),
    ("G", 1e9),
    ("T", 1e12),
    ("P", 1e15),
    ("E", 1e18),
    ("Ki", 1024.0),
    ("Mi", 1_048_576.0),
    ("Gi", 1_073_741_824.0),
    ("Ti", 1_099_511_627_776.0),
    ("Pi", 1_125_899_906_842_624.0),
    ("Ei", 1_152_921_504_606_846_976.0),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_compare_in_every_notation() {
        for (one, other) in
            [("1000m", "1"), ("0.5", "500m"), ("1Ki", "1024"), ("1e3", "1k"), ("1E+3", "1000.")]
        {
            assert_eq!(Quantity::read(one), Quantity::read(other), "{one} and {other}");
        }
        assert!(Quantity::read("32Mi") < Quantity::read("1G"));
        assert_eq!(Quantity::read("8Mi"), Some(LEAST_MEMORY));
    }

    #[test]
    fn what_is_no_quantity_is_none() {
        for text in ["", "m", "-1", "+1", "1 Mi", "1mi", "1KB", ".", "1.2.3", "1e", "1e999", "0x1"]
        {
            assert_eq!(Quantity::read(text), None, "{text:?}");
        }
    }
}

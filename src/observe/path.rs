//! Finds the template of a request's path, so that a path can be a label and labels stay few.
//!
//! Three kinds of templates, tried in this order: those of the configuration ([`Templates`]), those
//! learned before, and a new one, made by folding what varies from request to request: numbers,
//! UUIDs, hashes, dates and random tokens. A new one gets its place only once the app has answered it,
//! so whoever asks for a million paths that do not exist takes no place from those that do. Until
//! then it is kept with its request. Whatever has no template is [`PathId::OTHER`].

mod fold;
mod learned;
mod templates;

pub use fold::{LONGEST as LONGEST_TEMPLATE, fold};
pub use templates::{TemplateError, Templates};

use learned::Learned;

/// A number of a template of [`Paths`], or one of the constants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PathId(pub u16);

impl PathId {
    /// No template: nobody wants to know, or the path is not one of the many of its kind.
    pub const OTHER: Self = Self(u16::MAX);
    /// There was one, but it was given up for want of series.
    pub const FOLDED: Self = Self(u16::MAX - 1);
}

/// What is kept of a request's path until its answer has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Path {
    /// It has a template, or will not get one.
    Known(PathId),
    /// It gets this template if the app answers.
    New(Box<str>),
}

impl Path {
    /// No path that is told from others.
    pub(super) const OTHER: Self = Self::Known(PathId::OTHER);
}

/// Every template that is known, shared by all connections.
#[derive(Debug)]
pub struct Paths {
    templates: Templates,
    learned: Option<Learned>,
}

impl Paths {
    /// The templates of the configuration, and room to learn some more.
    pub fn new(templates: Templates, learn: Option<u16>) -> Self {
        let first = templates.len();
        Self { templates, learned: learn.map(|most| Learned::new(first, most)) }
    }

    /// The template of a request target (RFC 9112, 3.2). One that is new is only kept where there
    /// is room to wait for its answer.
    pub(super) fn find(&self, target: &[u8], has_room: bool) -> Path {
        let Some(path) = path_of(target) else { return Path::OTHER };
        if let Some(known) = self.templates.find(path) {
            return Path::Known(known);
        }
        let Some(learned) = &self.learned else { return Path::OTHER };
        // A path of words alone is a template as it is, and most are known.
        let is_words = !path.iter().any(|b| b.is_ascii_digit() || *b == b'{');
        if is_words && let Some(known) = str::from_utf8(path).ok().and_then(|p| learned.find(p)) {
            return Path::Known(known);
        }
        let mut buffer = [0; LONGEST_TEMPLATE];
        match fold(path, &mut buffer) {
            Some(template) => Self::find_in(learned, template, has_room),
            None => Path::OTHER,
        }
    }

    /// The same for a template that was made before.
    pub(super) fn find_again(&self, template: &str, has_room: bool) -> Path {
        match &self.learned {
            Some(learned) => Self::find_in(learned, template, has_room),
            None => Path::OTHER,
        }
    }

    fn find_in(learned: &Learned, template: &str, has_room: bool) -> Path {
        match learned.find(template) {
            Some(known) => Path::Known(known),
            None if has_room && learned.has_room() => Path::New(template.into()),
            None => Path::OTHER,
        }
    }

    /// What a path comes to, now that its request was answered with `status` (0 for not at all).
    pub(super) fn settle(&self, path: Path, status: u16) -> PathId {
        match (path, &self.learned) {
            (Path::Known(known), _) => known,
            (Path::New(template), Some(learned)) => learned.answered(&template, status),
            (Path::New(_), None) => PathId::OTHER,
        }
    }

    /// The template with this number.
    pub fn name(&self, id: PathId) -> Option<String> {
        let configured = self.templates.name(id).map(str::to_owned);
        configured.or_else(|| self.learned.as_ref()?.name(id))
    }

    /// How many templates there are by now.
    pub fn len(&self) -> usize {
        usize::from(self.templates.len()) + self.learned.as_ref().map_or(0, Learned::len)
    }

    /// Whether there are none yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The path of a request target, without its query: of `/path?query`, of `http://host/path`, or
/// `*`; the target of CONNECT has none.
fn path_of(target: &[u8]) -> Option<&[u8]> {
    if target == b"*" {
        return Some(target);
    }
    let path = if target.first() == Some(&b'/') {
        target
    } else {
        let authority = memchr::memmem::find(target, b"://")? + 3;
        let rest = &target[authority..];
        match memchr::memchr3(b'/', b'?', b'#', rest) {
            Some(at) if rest[at] == b'/' => &rest[at..],
            _ => return Some(b"/"),
        }
    };
    let end = memchr::memchr2(b'?', b'#', path).unwrap_or(path.len());
    Some(&path[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(templates: &[&str], learn: Option<u16>) -> Paths {
        Paths::new(Templates::read(templates.iter().copied()).unwrap(), learn)
    }

    fn ask(paths: &Paths, target: &str, status: u16) -> Option<String> {
        let path = paths.find(target.as_bytes(), true);
        paths.name(paths.settle(path, status))
    }

    #[test]
    fn a_target_has_the_path_that_its_form_says() {
        for (target, expected) in [
            ("/", Some("/")),
            ("/a/b?c=/d", Some("/a/b")),
            ("/a#b?c", Some("/a")),
            ("//a", Some("//a")),
            ("http://shop/a?b", Some("/a")),
            ("http://shop", Some("/")),
            ("http://shop?a/b", Some("/")),
            ("/go?to=http://shop/a", Some("/go")),
            ("*", Some("*")),
            ("shop:443", None),
            ("", None),
        ] {
            assert_eq!(path_of(target.as_bytes()), expected.map(str::as_bytes), "{target}");
        }
    }

    #[test]
    fn a_template_of_the_configuration_comes_first_and_the_others_are_learned() {
        let paths = paths(&["/users/{name}"], Some(10));
        assert_eq!(ask(&paths, "/users/7", 200).as_deref(), Some("/users/{name}"));
        assert_eq!(ask(&paths, "/users/ann", 404).as_deref(), Some("/users/{name}"));
        assert_eq!(ask(&paths, "/orders/7", 200).as_deref(), Some("/orders/{id}"));
        assert_eq!(ask(&paths, "/orders/8", 500).as_deref(), Some("/orders/{id}"));
        assert_eq!(ask(&paths, "/admin.php", 404).as_deref(), Some("/admin.php"));
        assert_eq!(ask(&paths, "/gone", 0), None);
        assert_eq!(paths.len(), 3);
    }

    #[test]
    fn nothing_is_learned_unless_asked_for() {
        let paths = paths(&["/users/{name}"], None);
        assert_eq!(ask(&paths, "/orders/7", 200), None);
        assert_eq!(paths.len(), 1);
    }

    #[test]
    fn without_room_to_wait_only_what_is_known_is_told_apart() {
        let paths = paths(&[], Some(10));
        assert_eq!(paths.find(b"/a", false), Path::OTHER);
        assert_eq!(ask(&paths, "/a", 200).as_deref(), Some("/a"));
        assert!(matches!(paths.find(b"/a", false), Path::Known(id) if id != PathId::OTHER));
    }
}

//! Path templates of the configuration, and which of them a path is of.

use super::PathId;

/// Templates such as `/users/{id}` and `/static/{file...}`, at most [`Templates::MOST`].
///
/// They are a tree of segments, each of which is looked at once at most, so finding one takes no
/// longer than there are templates, whatever the path.
#[derive(Clone, Debug, Default)]
pub struct Templates {
    names: Vec<String>,
    nodes: Vec<Node>,
}

/// What may follow after some segments.
#[derive(Clone, Debug, Default)]
struct Node {
    /// Segments that are just so, in order.
    literal: Vec<(Box<[u8]>, usize)>,
    /// Any one segment.
    any: Option<usize>,
    /// All that remains.
    rest: Option<PathId>,
    /// Nothing.
    end: Option<PathId>,
}

/// Why a text is no template.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// It is of another form.
    #[error(
        "paths such as /users/{{id}} and /static/{{file...}}, where a name in braces stands for a \
         whole segment and dots for all that remain"
    )]
    Form(String),
    /// It says the same as one before.
    #[error("each template once, and {1} means the same paths")]
    Twice(String, String),
    /// There are too many.
    #[error("at most {} templates", Templates::MOST)]
    TooMany(String),
}

impl TemplateError {
    /// The text that is at fault.
    pub fn template(&self) -> &str {
        match self {
            Self::Form(template) | Self::Twice(template, _) | Self::TooMany(template) => template,
        }
    }
}

/// A segment of a template.
enum Segment<'a> {
    Literal(&'a str),
    Any,
    Rest,
}

impl Templates {
    /// More than any app has routes.
    pub const MOST: u16 = 1000;

    /// Reads templates.
    pub fn read<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Self, TemplateError> {
        let mut this = Self { names: Vec::new(), nodes: vec![Node::default()] };
        for text in texts {
            this.add(text)?;
        }
        Ok(this)
    }

    /// How many there are.
    pub fn len(&self) -> u16 {
        u16::try_from(self.names.len()).unwrap_or(Self::MOST)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// Each as it was written, in order.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The template with this number.
    pub fn name(&self, id: PathId) -> Option<&str> {
        self.names.get(usize::from(id.0)).map(String::as_str)
    }

    /// The template of a path. Where several are, segment by segment what is just so comes before
    /// what stands for one segment, and that before what stands for all that remain.
    pub fn find(&self, path: &[u8]) -> Option<PathId> {
        if self.names.is_empty() {
            return None;
        }
        self.find_from(0, Some(path.strip_prefix(b"/")?))
    }

    fn find_from(&self, node: usize, rest: Option<&[u8]>) -> Option<PathId> {
        let node = self.nodes.get(node)?;
        let Some(rest) = rest else { return node.end };
        let (segment, after) = match memchr::memchr(b'/', rest) {
            Some(slash) => (&rest[..slash], Some(&rest[slash + 1..])),
            None => (rest, None),
        };
        let literal = node.literal.binary_search_by(|(text, _)| (**text).cmp(segment));
        let literal = literal.ok().map(|at| node.literal[at].1);
        let any = node.any.filter(|_| !segment.is_empty());
        literal
            .and_then(|next| self.find_from(next, after))
            .or_else(|| self.find_from(any?, after))
            .or(node.rest)
    }

    fn add(&mut self, text: &str) -> Result<(), TemplateError> {
        let segments = segments(text).ok_or_else(|| TemplateError::Form(text.to_owned()))?;
        if self.len() == Self::MOST {
            return Err(TemplateError::TooMany(text.to_owned()));
        }
        let id = PathId(self.len());
        let mut at = 0;
        for segment in &segments {
            let next = self.nodes.len();
            let node = &mut self.nodes[at];
            at = match segment {
                Segment::Rest => break,
                Segment::Any => *node.any.get_or_insert(next),
                Segment::Literal(text) => {
                    let text = text.as_bytes();
                    match node.literal.binary_search_by(|(known, _)| (**known).cmp(text)) {
                        Ok(found) => node.literal[found].1,
                        Err(place) => {
                            node.literal.insert(place, (text.into(), next));
                            next
                        }
                    }
                }
            };
            if at == next {
                self.nodes.push(Node::default());
            }
        }
        let node = &mut self.nodes[at];
        let place = match segments.last() {
            Some(Segment::Rest) => &mut node.rest,
            _ => &mut node.end,
        };
        if let Some(known) = *place {
            let known = self.name(known).unwrap_or_default().to_owned();
            return Err(TemplateError::Twice(text.to_owned(), known));
        }
        *place = Some(id);
        self.names.push(text.to_owned());
        Ok(())
    }
}

fn segments(text: &str) -> Option<Vec<Segment<'_>>> {
    let is_plain = |b: u8| b.is_ascii_graphic() && !b"?#,{}".contains(&b);
    let mut segments = Vec::new();
    for segment in text.strip_prefix('/')?.split('/') {
        if matches!(segments.last(), Some(Segment::Rest)) || segments.len() == DEEPEST {
            return None;
        }
        let braced = segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
        segments.push(match braced {
            None if segment.bytes().all(is_plain) => Segment::Literal(segment),
            None => return None,
            Some(name) => {
                let (name, kind) = match name.strip_suffix("...") {
                    Some(name) => (name, Segment::Rest),
                    None => (name, Segment::Any),
                };
                let is_word = |b: u8| b.is_ascii_alphanumeric() || b"_-".contains(&b);
                if name.is_empty() || !name.bytes().all(is_word) {
                    return None;
                }
                kind
            }
        });
    }
    (text.len() <= LONGEST).then_some(segments)
}

/// Segments of one template.
const DEEPEST: usize = 32;
/// Bytes of one template.
const LONGEST: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn templates(texts: &[&str]) -> Templates {
        Templates::read(texts.iter().copied()).unwrap()
    }

    #[test]
    fn the_most_exact_template_is_found() {
        let templates = templates(&[
            "/",
            "/users",
            "/users/{id}",
            "/users/{id}/orders",
            "/users/me",
            "/static/{file...}",
            "/{page}",
            "/users/{id}/{rest...}",
            "/a%20b",
        ]);
        for (path, expected) in [
            ("/", "/"),
            ("/users", "/users"),
            ("/users/7", "/users/{id}"),
            ("/users/me", "/users/me"),
            // What is just so leads nowhere here, so what is not comes to its right.
            ("/users/me/orders", "/users/{id}/orders"),
            ("/users/7/a/b", "/users/{id}/{rest...}"),
            ("/static/", "/static/{file...}"),
            ("/static/a/b.js", "/static/{file...}"),
            ("/about", "/{page}"),
            ("/static", "/{page}"),
            ("/a%20b", "/a%20b"),
        ] {
            let found = templates.find(path.as_bytes());
            assert_eq!(found.and_then(|id| templates.name(id)), Some(expected), "{path}");
        }
        for path in ["", "*", "/a/b", "/users/", "//", "users"] {
            assert_eq!(templates.find(path.as_bytes()), None, "{path}");
        }
    }

    #[test]
    fn what_is_no_template_is_refused() {
        for text in [
            "",
            "users",
            "/a b",
            "/a?b",
            "/{}",
            "/{a b}",
            "/x{id}",
            "/{a}x",
            "/{a...}/b",
            "/{",
            "/}",
        ] {
            let refused = Templates::read([text]).unwrap_err();
            assert_eq!(refused, TemplateError::Form(text.to_owned()));
        }
        let twice = Templates::read(["/a/{b}", "/a/{c}"]).unwrap_err();
        assert_eq!(twice, TemplateError::Twice("/a/{c}".into(), "/a/{b}".into()));
        let many: Vec<String> = (0..=1000).map(|n| format!("/{n}")).collect();
        let refused = Templates::read(many.iter().map(String::as_str)).unwrap_err();
        assert_eq!(refused, TemplateError::TooMany("/1000".into()));
    }

    proptest! {
        #[test]
        fn a_path_is_of_the_template_that_it_is_made_from(
            segments in prop::collection::vec((any::<bool>(), "[a-z]{1,3}"), 1..6),
        ) {
            let (template, path): (Vec<_>, Vec<_>) = segments.iter()
                .map(|(any, text)| (if *any { "{x}" } else { text.as_str() }, text.as_str()))
                .unzip();
            let template = format!("/{}", template.join("/"));
            let path = format!("/{}", path.join("/"));
            let known = templates(&[&template]);
            prop_assert_eq!(known.find(path.as_bytes()), Some(PathId(0)));
            prop_assert_eq!(known.find(format!("{path}/").as_bytes()), None);
        }

        #[test]
        fn any_bytes_find_what_a_plain_comparison_finds(
            texts in prop::collection::btree_set("(/([ab]|\\{x\\})){1,3}(/\\{y\\.\\.\\.\\})?", 0..6),
            path in "(/[abc]?){0,4}",
        ) {
            // The order of `btree_set` is the order of the texts; a brace comes after any letter.
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            let known = Templates::read(texts.iter().copied()).unwrap();
            let matching: Vec<&str> =
                texts.iter().copied().filter(|text| plainly_matches(text, &path)).collect();
            let found = known.find(path.as_bytes()).and_then(|id| known.name(id));
            prop_assert_eq!(found.is_some(), !matching.is_empty(), "{:?} {:?}", found, matching);
            prop_assert!(found.is_none_or(|found| matching.contains(&found)));
        }
    }

    fn plainly_matches(template: &str, path: &str) -> bool {
        let mut segments = path.split('/');
        for part in template.split('/') {
            if part.ends_with("...}") {
                return segments.next().is_some();
            }
            match segments.next() {
                Some(segment) if part == "{x}" && !segment.is_empty() => {}
                Some(segment) if part == segment => {}
                _ => return false,
            }
        }
        segments.next().is_none()
    }
}

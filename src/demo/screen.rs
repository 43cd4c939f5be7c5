//! Where the demo is shown: a terminal, on which a table is redrawn in place, or plain lines.

use std::io::{self, Write};

/// Takes what is to be read.
#[derive(Debug)]
pub(crate) struct Screen<W> {
    out: W,
    in_place: bool,
    /// Lines of the table that stands last on the screen.
    drawn: usize,
}

impl<W: Write> Screen<W> {
    /// A screen; `in_place` says that it understands the escape sequences of a terminal.
    pub(crate) fn new(out: W, in_place: bool) -> Self {
        Self { out, in_place, drawn: 0 }
    }

    /// Whether a table takes the place of the one before.
    pub(super) fn redraws(&self) -> bool {
        self.in_place
    }

    /// Writes text, which stays.
    pub(super) fn say(&mut self, text: &str) -> io::Result<()> {
        self.drawn = 0;
        self.out.write_all(text.as_bytes())?;
        self.out.flush()
    }

    /// Writes lines that the next ones take the place of, where that can be.
    pub(super) fn draw(&mut self, lines: &str) -> io::Result<()> {
        if self.in_place && self.drawn > 0 {
            // Up to where it began, and away with it (ECMA-48: CPL, ED). A `^C` goes with it.
            write!(self.out, "\x1b[{}F\x1b[J", self.drawn)?;
        }
        self.say(lines)?;
        self.drawn = lines.lines().count();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(in_place: bool) -> String {
        let mut written = Vec::new();
        let mut screen = Screen::new(&mut written, in_place);
        screen.say("hello\n").unwrap();
        screen.draw("one\ntwo\n").unwrap();
        screen.draw("three\nfour\n").unwrap();
        screen.say("bye\n").unwrap();
        screen.draw("five\n").unwrap();
        String::from_utf8(written).unwrap()
    }

    #[test]
    fn on_a_terminal_a_table_takes_the_place_of_the_one_before() {
        let redrawn = "hello\none\ntwo\n\x1b[2F\x1b[Jthree\nfour\nbye\nfive\n";
        assert_eq!(shown(true), redrawn);
    }

    #[test]
    fn elsewhere_there_are_plain_lines() {
        assert_eq!(shown(false), "hello\none\ntwo\nthree\nfour\nbye\nfive\n");
    }
}

//! Reads `--forward LISTEN=TARGET`, and sees to it that no bytes go round in a loop.

use std::fmt;
use std::net::SocketAddr;

use super::Forward;
use super::address::{self, EVERYWHERE, LOOPBACK, Resolve, WrongAddress};
use super::error::{ConfigError, shown};

/// Reads one forward.
pub(super) fn read(text: &str, resolve: Resolve<'_>) -> Result<Forward, ConfigError> {
    let sentence = |wrong: WrongAddress| {
        wrong.of("forward", text, || {
            "LISTEN=TARGET, such as 8080=8081 or 0.0.0.0:8080=127.0.0.1:8081".to_owned()
        })
    };
    let (listen, target) = text.split_once('=').ok_or(WrongAddress::Shape).map_err(sentence)?;
    let listen = address::address(listen, EVERYWHERE, resolve).map_err(sentence)?;
    let target = address::address(target, LOOPBACK, resolve).map_err(sentence)?;
    if target.port() == 0 {
        return Err(ConfigError::TargetPortZero { value: shown(text) });
    }
    Ok(Forward { listen, target })
}

/// Refuses forwards that lead to each other in a circle, or to a listener of our own.
pub(super) fn check_targets(
    forwards: &[Forward],
    own: &[(&'static str, SocketAddr)],
) -> Result<(), ConfigError> {
    for start in forwards {
        if let Some(&(setting, address)) =
            own.iter().find(|(_, listen)| address::reaches(start.target, *listen))
        {
            let forward = start.to_string();
            return Err(ConfigError::ForwardToItself { forward, setting, address });
        }
        let mut path = vec![start];
        // Without a loop a path meets each forward once at most, so it ends.
        while let Some(next) = forwards.iter().find(|next| path[path.len() - 1].reaches(next)) {
            if path.iter().any(|seen| std::ptr::eq(*seen, next)) {
                let path: Vec<String> = path.iter().map(ToString::to_string).collect();
                return Err(ConfigError::Loop { forwards: path.join(", ") });
            }
            path.push(next);
        }
    }
    Ok(())
}

impl Forward {
    fn reaches(&self, next: &Self) -> bool {
        address::reaches(self.target, next.listen)
    }
}

/// As `--forward` takes it.
impl fmt::Display for Forward {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.listen, self.target)
    }
}

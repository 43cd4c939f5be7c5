//! The law of what a person writes to intercept something: it is refused in one line that names the
//! flag, or rules come of it in which nothing stands that is not a rule.

use podmeter::config::RedirectArgs;
use podmeter::redirect::{Backend, Plan, describe};

/// Checks the law for these texts, one for each flag that takes one.
pub(crate) fn check(texts: &[String; 11]) -> Result<(), String> {
    let list = |index: usize| -> Vec<String> {
        if texts[index].is_empty() { Vec::new() } else { vec![texts[index].clone()] }
    };
    let one = |index: usize| (!texts[index].is_empty()).then(|| texts[index].clone());
    let args = RedirectArgs {
        include_inbound_ports: list(0),
        exclude_inbound_ports: list(1),
        only_listening: texts[2].len() > 3,
        mode: one(2),
        redirect_outbound: true,
        include_outbound_ports: list(3),
        exclude_outbound_ports: list(4),
        include_outbound_cidrs: list(5),
        exclude_outbound_cidrs: list(6),
        exclude_interfaces: list(7),
        proxy_uid: list(8),
        proxy_gid: list(8),
        inbound_port: one(9),
        outbound_port: one(10),
        proxy_ports: list(10),
    };
    let plan = match Plan::try_from(&args) {
        Ok(plan) => plan,
        Err(error) => {
            let sentence = error.to_string();
            let is_line = sentence.starts_with("--") && !sentence.contains(char::is_control);
            return if is_line { Ok(()) } else { Err(format!("{args:?}: {sentence:?}")) };
        }
    };
    for (backend, others) in [(Backend::Nftables, "\t\n{}\"#;<="), (Backend::Iptables, "\n#*[]")] {
        let script = describe(&plan, backend);
        let is_plain = |c: char| c.is_ascii_alphanumeric() || " .:/-_,".contains(c);
        if let Some(odd) = script.chars().find(|c| !is_plain(*c) && !others.contains(*c)) {
            return Err(format!("{args:?}: {odd:?} in {script}"));
        }
        // A list has at most so many items, and a rule or two for each.
        if script.lines().count() > 12_000 {
            return Err(format!("{args:?}: {} lines", script.lines().count()));
        }
    }
    Ok(())
}

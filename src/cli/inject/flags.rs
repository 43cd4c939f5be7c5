//! One flag for each setting of the sidecar, from the same table as the annotations.

use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};

use crate::inject::settings;

/// What the command line says of the sidecar.
#[derive(Clone, Debug, Default)]
pub(in crate::cli) struct SettingFlags(Vec<(&'static str, String)>);

impl SettingFlags {
    /// Pairs of a setting's name and its value.
    pub(in crate::cli) fn said(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (*name, value.as_str()))
    }
}

impl Args for SettingFlags {
    fn augment_args(command: Command) -> Command {
        let flag = |setting: crate::inject::Setting| {
            let flag = Arg::new(setting.name)
                .long(setting.name)
                .value_name(setting.value)
                .help(setting.about)
                .help_heading("Settings, also annotations podmeter.io/NAME")
                .allow_hyphen_values(false)
                .allow_negative_numbers(true)
                .action(ArgAction::Append);
            if BARE.contains(&setting.name) {
                flag.num_args(0..=1).require_equals(true).default_missing_value("true")
            } else {
                flag
            }
        };
        command.args(settings().into_iter().map(flag))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for SettingFlags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut flags = Self::default();
        flags.update_from_arg_matches(matches)?;
        Ok(flags)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        for setting in settings() {
            let Some(values) = matches.get_many::<String>(setting.name) else { continue };
            // A list may be one text with white space between its items.
            let values: Vec<&str> = values.map(String::as_str).collect();
            self.0.push((setting.name, values.join(" ")));
        }
        Ok(())
    }
}

/// What needs no value here, as for `podmeter redirect apply`.
const BARE: [&str; 2] = ["only-listening", "redirect-outbound"];

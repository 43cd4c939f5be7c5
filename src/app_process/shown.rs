//! The app's processes as the families that Prometheus's own clients have for theirs.

use super::{AppTask, Reading};
use crate::config::AppProcess;
use crate::exposition::{Family, FamilyBuilder, Kind, Labels};

/// The names of all these families.
pub(crate) const NAMES: [&str; 6] = [CPU, RESIDENT, VIRTUAL, OPEN_FDS, MAX_FDS, STARTED];

/// Adds those of the families that are `wanted` to what is shown.
pub(super) fn show(
    reading: &Reading,
    mode: AppProcess,
    wanted: impl Fn(&str) -> bool,
    families: &mut Vec<Family<'_>>,
) {
    let cpu = cpu(reading, mode);
    if wanted(CPU) && !cpu.samples().is_empty() {
        families.push(cpu);
    }
    let each: Vec<(Labels, &AppTask)> =
        reading.tasks.iter().map(|task| (task.labels(), task)).collect();
    let none = Labels::from_pairs::<&str, &str>([]);
    let is_sum = mode == AppProcess::Sum;
    let values = |of: fn(&AppTask) -> Option<f64>, join: fn(f64, f64) -> f64| {
        let told = each.iter().map(|(labels, task)| (labels, of(task)));
        if is_sum {
            // Of what is not known of one, the sum is not known.
            let all = told.map(|(_, value)| value).collect::<Option<Vec<f64>>>();
            let sum = all.into_iter().flatten().reduce(join);
            return sum.map(|sum| (none.clone(), sum)).into_iter().collect();
        }
        let told = told.filter_map(|(labels, value)| Some((labels.clone(), value?)));
        told.collect::<Vec<_>>()
    };
    let add_up = |one, other| one + other;
    let mut add = |name, help, values: &[(Labels, f64)]| {
        if values.is_empty() || !wanted(name) {
            return;
        }
        let mut family = FamilyBuilder::new(name, Kind::Gauge, help);
        for (labels, value) in values {
            family.gauge(labels, *value);
        }
        families.push(family.build());
    };
    let resident = values(|task| Some(task.resident_bytes as f64), add_up);
    add(RESIDENT, "Memory of the app that is resident, in bytes.", &resident);
    let size = values(|task| Some(task.virtual_bytes as f64), add_up);
    add(VIRTUAL, "Address space of the app, in bytes.", &size);
    let open = values(|task| task.open_fds.map(|fds| fds as f64), add_up);
    add(OPEN_FDS, "File descriptors that the app has open.", &open);
    // Added up as well, so that the quotient of the two says how close the app is to it.
    let most = values(|task| task.max_fds.map(|fds| fds as f64), add_up);
    add(MAX_FDS, "File descriptors that the app may have open.", &most);
    let started = values(|task| Some(task.started.as_secs_f64()), f64::min);
    add(STARTED, "When the app started, in seconds since 1970.", &started);
}

/// A process has used its time since it began, and all of them since the first did.
fn cpu(reading: &Reading, mode: AppProcess) -> Family<'static> {
    let mut family =
        FamilyBuilder::new(CPU, Kind::Counter, "CPU time that the app has used, in seconds.");
    if mode == AppProcess::Sum {
        let none = Labels::from_pairs::<&str, &str>([]);
        family.since(reading.since).amount(&none, reading.cpu_seconds);
    } else {
        for task in &reading.tasks {
            family.since(Some(task.started)).amount(&task.labels(), task.cpu_seconds);
        }
    }
    family.build()
}

impl AppTask {
    fn labels(&self) -> Labels {
        Labels::from_pairs([("process", self.name.as_str()), ("pid", &self.pid.to_string())])
    }
}

const CPU: &str = "process_cpu_seconds_total";
const RESIDENT: &str = "process_resident_memory_bytes";
const VIRTUAL: &str = "process_virtual_memory_bytes";
const OPEN_FDS: &str = "process_open_fds";
const MAX_FDS: &str = "process_max_fds";
const STARTED: &str = "process_start_time_seconds";

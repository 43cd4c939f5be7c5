//! Decides which processes are the app's: those that listen on its ports, and their children.
//!
//! A socket's owner is seen in `/proc/PID/fd` by who runs as the same user or may trace it. Others
//! see the socket's user, and take a process of that user for the owner, if all of them are in one
//! container.

use super::proc::{Has, Listener, Task};
use std::collections::{BTreeSet, HashMap};
use std::net::{IpAddr, SocketAddr};

/// What must be known of a process beyond what everybody sees.
pub(super) trait Look {
    /// Which of these sockets it has open.
    fn has(&self, pid: u32, inodes: &[u64]) -> Has;
    /// Whose it is.
    fn uid(&self, pid: u32) -> Option<u32>;
    /// The container that it is in.
    fn container(&self, pid: u32) -> Option<String>;
}

/// Why nothing is said of the app's processes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unseen {
    #[error("nobody listens on a port of the app")]
    NobodyListens,
    #[error("podmeter itself listens there")]
    Ourselves,
    #[error(
        "no process but podmeter's can be seen; share the pod's process namespace \
         (shareProcessNamespace: true)"
    )]
    NotShared,
    #[error(
        "the process that listens cannot be told: none that can be seen runs as its user ({uid}); \
         share the pod's process namespace, or run podmeter as that user"
    )]
    Hidden { uid: u32 },
    #[error(
        "the process that listens cannot be told: its user ({uid}) has processes in {containers} \
         containers; run podmeter as that user, or each container as another"
    )]
    Ambiguous { uid: u32, containers: usize },
}

/// The numbers of the app's processes, of which `targets` are the ports.
pub(super) fn choose(
    tasks: &[Task],
    listeners: &[Listener],
    targets: &[SocketAddr],
    own: u32,
    look: &impl Look,
) -> Result<BTreeSet<u32>, Unseen> {
    let listeners: Vec<&Listener> = listeners
        .iter()
        .filter(|l| targets.iter().any(|target| leads_to(*target, l.addr)))
        .collect();
    let inodes: Vec<u64> = listeners.iter().map(|listener| listener.inode).collect();
    if inodes.is_empty() {
        return Err(Unseen::NobodyListens);
    }
    let family = Family::of(tasks);
    let ours = family.with_children([own]);
    let others: Vec<u32> =
        tasks.iter().map(|task| task.pid).filter(|pid| !ours.contains(pid)).collect();
    if others.is_empty() {
        let is_ours = look.has(own, &inodes) == Has::One;
        return Err(if is_ours { Unseen::Ourselves } else { Unseen::NotShared });
    }
    let looked: Vec<(u32, Has)> =
        others.iter().map(|pid| (*pid, look.has(*pid, &inodes))).collect();
    let mut owners: BTreeSet<u32> =
        looked.iter().filter(|(_, has)| *has == Has::One).map(|(pid, _)| *pid).collect();
    if owners.is_empty() && look.has(own, &inodes) == Has::One {
        return Err(Unseen::Ourselves);
    }
    if owners.is_empty() {
        let hidden = looked.iter().filter(|(_, has)| *has == Has::Unknown).map(|(pid, _)| *pid);
        let hidden: Vec<u32> = hidden.filter(|pid| !is_pause(*pid, tasks)).collect();
        owners = by_user(&listeners, &hidden, own, look)?;
    }
    let mut chosen = family.with_children(owners);
    chosen.retain(|pid| !ours.contains(pid));
    Ok(chosen)
}

/// The processes of the user that the sockets belong to.
fn by_user(
    listeners: &[&Listener],
    hidden: &[u32],
    own: u32,
    look: &impl Look,
) -> Result<BTreeSet<u32>, Unseen> {
    let our_container = look.container(own);
    let mut owners = BTreeSet::new();
    let users: BTreeSet<u32> = listeners.iter().map(|listener| listener.uid).collect();
    let mut unseen = None;
    for uid in users {
        let of_user: Vec<(u32, String)> = hidden
            .iter()
            .filter(|pid| look.uid(**pid) == Some(uid))
            .filter_map(|pid| Some((*pid, look.container(*pid)?)))
            // Beside us in our own container may be anything.
            .filter(|(_, container)| Some(container) != our_container.as_ref())
            .collect();
        let containers: BTreeSet<&str> = of_user.iter().map(|(_, c)| c.as_str()).collect();
        match containers.len() {
            0 => unseen = unseen.or(Some(Unseen::Hidden { uid })),
            1 => owners.extend(of_user.iter().map(|(pid, _)| *pid)),
            containers => return Err(Unseen::Ambiguous { uid, containers }),
        }
    }
    match unseen {
        Some(unseen) if owners.is_empty() => Err(unseen),
        _ => Ok(owners),
    }
}

/// Whether connections to `target` reach who listens on `addr`.
fn leads_to(target: SocketAddr, addr: SocketAddr) -> bool {
    let is_any = |ip: IpAddr| ip.to_canonical().is_unspecified();
    let is_loopback = |ip: IpAddr| ip.to_canonical().is_loopback();
    // To an address that is not the pod's own, somebody else may listen on the port.
    target.port() != 0
        && target.port() == addr.port()
        && (is_any(target.ip())
            || target.ip().to_canonical() == addr.ip().to_canonical()
            || is_loopback(target.ip()) && is_any(addr.ip()))
}

/// The container that holds a pod's namespaces together; it may be of the app's user.
fn is_pause(pid: u32, tasks: &[Task]) -> bool {
    pid == 1 && tasks.iter().any(|task| task.pid == 1 && task.name == "pause")
}

/// Who is whose child.
struct Family(HashMap<u32, Vec<u32>>);

impl Family {
    fn of(tasks: &[Task]) -> Self {
        let mut children = HashMap::<u32, Vec<u32>>::new();
        for task in tasks {
            children.entry(task.parent).or_default().push(task.pid);
        }
        Self(children)
    }

    /// These, their children, and so on.
    fn with_children(&self, roots: impl IntoIterator<Item = u32>) -> BTreeSet<u32> {
        let mut found = BTreeSet::new();
        let mut next: Vec<u32> = roots.into_iter().collect();
        while let Some(pid) = next.pop() {
            if found.insert(pid) {
                next.extend(self.0.get(&pid).into_iter().flatten());
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A pod, each process as its number, parent, name, user, container, and the sockets that it
    /// has open, if we may look.
    struct Pod(Vec<Process>);

    type Process = (u32, u32, &'static str, u32, &'static str, Option<&'static [u64]>);

    impl Look for Pod {
        fn has(&self, pid: u32, inodes: &[u64]) -> Has {
            match self.0.iter().find(|process| process.0 == pid).and_then(|process| process.5) {
                None => Has::Unknown,
                Some(open) if open.iter().any(|inode| inodes.contains(inode)) => Has::One,
                Some(_) => Has::None,
            }
        }

        fn uid(&self, pid: u32) -> Option<u32> {
            self.0.iter().find(|process| process.0 == pid).map(|process| process.3)
        }

        fn container(&self, pid: u32) -> Option<String> {
            self.0.iter().find(|process| process.0 == pid).map(|process| process.4.to_owned())
        }
    }

    impl Pod {
        /// The app listens on port 8080 as user 1000.
        fn choose(&self) -> Result<Vec<u32>, Unseen> {
            let task = |&(pid, parent, name, ..): &Process| Task {
                pid,
                parent,
                name: name.to_owned(),
                started: 1,
                ticks: 0,
                waited_ticks: 0,
                resident_bytes: 0,
                virtual_bytes: 0,
            };
            let tasks: Vec<_> = self.0.iter().map(task).collect();
            let listener = |port: u16, uid, inode| {
                let addr = SocketAddr::from(([0, 0, 0, 0], port));
                Listener { addr, uid, inode }
            };
            let listeners = [listener(8080, 1000, 7), listener(9000, 1001, 8)];
            let target = SocketAddr::from(([127, 0, 0, 1], 8080));
            choose(&tasks, &listeners, &[target], US, self).map(|pids| pids.into_iter().collect())
        }
    }

    const US: u32 = 50;
    const PAUSE: Process = (1, 0, "pause", 65_535, "/../pause", None);
    const PODMETER: Process = (US, 0, "podmeter", 1337, "/", Some(&[3]));

    #[test]
    fn who_has_the_socket_is_the_app_with_all_its_children() {
        let pod = Pod(vec![
            PAUSE,
            (10, 0, "sh", 1000, "/../app", Some(&[])),
            (11, 10, "gunicorn", 1000, "/../app", Some(&[7])),
            (12, 11, "gunicorn", 1000, "/../app", Some(&[7])),
            (13, 12, "convert", 1000, "/../app", None),
            (20, 0, "agent", 1001, "/../agent", Some(&[8])),
            PODMETER,
        ]);
        assert_eq!(pod.choose(), Ok(vec![11, 12, 13]));
    }

    #[test]
    fn where_sockets_cannot_be_seen_the_user_tells_if_it_is_one_containers() {
        let mut pod = vec![
            (1, 0, "pause", 1000, "/../pause", None),
            (10, 0, "java", 1000, "/../app", None),
            (20, 0, "agent", 1001, "/../agent", None),
            (30, 0, "sh", 1000, "/", None),
            PODMETER,
        ];
        assert_eq!(Pod(pod.clone()).choose(), Ok(vec![10]));
        pod.push((21, 0, "other", 1000, "/../other", None));
        assert_eq!(Pod(pod.clone()).choose(), Err(Unseen::Ambiguous { uid: 1000, containers: 2 }));
        // One that may be looked into and has no such socket is not it.
        pod[1].5 = Some(&[]);
        assert_eq!(Pod(pod.clone()).choose(), Ok(vec![21]));
        pod[5].5 = Some(&[9]);
        assert_eq!(Pod(pod).choose(), Err(Unseen::Hidden { uid: 1000 }));
    }

    #[test]
    fn what_cannot_be_seen_is_said() {
        assert_eq!(Pod(vec![PODMETER]).choose(), Err(Unseen::NotShared));
        let mut ourselves = PODMETER;
        ourselves.5 = Some(&[7]);
        assert_eq!(Pod(vec![ourselves]).choose(), Err(Unseen::Ourselves));
        assert_eq!(Pod(vec![PAUSE, ourselves]).choose(), Err(Unseen::Ourselves));
        let none = choose(&[], &[], &[], US, &Pod(vec![]));
        assert_eq!(none, Err(Unseen::NobodyListens));
    }

    #[test]
    fn neither_podmeter_nor_its_children_are_the_app_whoever_started_them() {
        let pod = Pod(vec![
            (10, 0, "supervisor", 1000, "/", Some(&[7])),
            (11, 10, "worker", 1000, "/", Some(&[])),
            (US, 10, "podmeter", 1000, "/", Some(&[3])),
            (51, US, "helper", 1000, "/", Some(&[7])),
        ]);
        assert_eq!(pod.choose(), Ok(vec![10, 11]));
    }

    #[test]
    fn circles_among_parents_do_not_go_on_for_ever() {
        let pod = Pod(vec![
            (10, 11, "a", 1000, "/../app", Some(&[7])),
            (11, 10, "b", 1000, "/../app", None),
            PODMETER,
        ]);
        assert_eq!(pod.choose(), Ok(vec![10, 11]));
    }

    #[test]
    fn a_port_elsewhere_is_not_one_here() {
        let at = |text: &str| text.parse::<SocketAddr>().unwrap();
        for (target, listens, leads) in [
            ("127.0.0.1:80", "127.0.0.1:80", true),
            ("127.0.0.1:80", "0.0.0.0:80", true),
            ("127.0.0.1:80", "[::]:80", true),
            ("127.0.0.1:80", "[::ffff:127.0.0.1]:80", true),
            ("[::1]:80", "[::]:80", true),
            ("0.0.0.0:80", "10.0.0.1:80", true),
            ("10.0.0.1:80", "10.0.0.1:80", true),
            ("10.0.0.1:80", "0.0.0.0:80", false),
            ("127.0.0.1:80", "127.0.0.1:81", false),
            ("127.0.0.1:80", "10.0.0.1:80", false),
            ("0.0.0.0:0", "0.0.0.0:80", false),
        ] {
            assert_eq!(leads_to(at(target), at(listens)), leads, "{target} {listens}");
        }
    }
}

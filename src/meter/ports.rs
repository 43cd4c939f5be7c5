//! The ports that are metered: known from the start, or met as intercepted connections lead to them.

use super::series::RouteId;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Mutex, PoisonError};

/// What is metered: one port, on one side of the pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Who connects.
    pub side: Side,
    /// Where clients connect to. The unspecified address stands for any, and port 0 for all ports
    /// that have no route of their own.
    pub listen: SocketAddr,
    /// Where they are carried.
    pub target: SocketAddr,
    /// Never parsed (`--opaque-ports`).
    pub opaque: bool,
}

/// Which way connections go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Side {
    /// From others to the pod's app.
    Inbound,
    /// From the pod's app to others.
    Outbound,
}

impl Side {
    /// As a metric label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Inbound => "inbound",
            Self::Outbound => "outbound",
        }
    }
}

impl Route {
    /// Intercepted connections to `port`, whatever their address.
    pub fn intercepted(side: Side, port: u16, opaque: bool) -> Self {
        let any = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), port);
        Self { side, listen: any, target: any, opaque }
    }

    /// Intercepted connections to ports without a route of their own: those on which nobody has
    /// answered yet, and those that are too many.
    pub fn others(side: Side) -> Self {
        Self::intercepted(side, 0, false)
    }
}

/// All routes so far, each under the number that is its [`RouteId`].
#[derive(Debug)]
pub(super) struct Ports(Mutex<Vec<Route>>);

impl Ports {
    pub(super) fn new(known: &[Route]) -> Self {
        Self(Mutex::new(known.to_vec()))
    }

    /// The number of `route`, if it has one.
    pub(super) fn find(&self, route: &Route) -> Option<RouteId> {
        let routes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        routes.iter().position(|known| known == route).map(RouteId::from_index)
    }

    /// The number of `route`, which gets one unless there are too many; then, and where the number
    /// is new, says so.
    pub(super) fn admit(&self, route: &Route) -> Option<(RouteId, bool)> {
        // What a panicking thread left behind is still a list of routes.
        let mut routes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(index) = routes.iter().position(|known| known == route) {
            return Some((RouteId::from_index(index), false));
        }
        if routes.len() >= MAX_ROUTES {
            return None;
        }
        routes.push(route.clone());
        Some((RouteId::from_index(routes.len() - 1), true))
    }

    pub(super) fn all(&self) -> Vec<Route> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// No app listens on as many ports; who calls that many ports of others is counted together.
const MAX_ROUTES: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_keeps_its_number_and_too_many_get_none() {
        let known = Route::others(Side::Inbound);
        let ports = Ports::new(std::slice::from_ref(&known));
        assert_eq!(ports.find(&known), Some(RouteId(0)));
        for port in 1..1000 {
            let route = Route::intercepted(Side::Inbound, port, false);
            assert_eq!(ports.find(&route), None);
            assert_eq!(ports.admit(&route), Some((RouteId(port), true)));
            assert_eq!(ports.admit(&route), Some((RouteId(port), false)));
        }
        assert_eq!(ports.admit(&Route::intercepted(Side::Outbound, 1, false)), None);
        assert_eq!(ports.all().len(), MAX_ROUTES);
    }
}

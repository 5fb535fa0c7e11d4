//! Telling those who wait for a key what has become of it: what one client says or does not say any more is an answer to others.

use crate::client::Client;
use crate::register::Register;

/// Until nobody is to be told anything: who cannot be told has gone, which is news to the next.
pub(crate) fn spread(clients: &mut Vec<Client>, register: &mut Register, is_verbose: bool) {
    loop {
        let all = register.keys.take_news();
        if all.is_empty() {
            return;
        }
        for (holder, news) in all {
            let Some(at) = clients.iter().position(|client| client.is(holder)) else { continue };
            if !clients[at].tell(&news) {
                clients.remove(at).leave(register, is_verbose);
            }
        }
    }
}

//! A place as one line for another process of this program, which has neither the settings that named it nor the same
//! folder.

use std::io;

use super::place::Place;
#[cfg(feature = "tls")]
use super::secured::{Files, Secured};
use super::ssh::Destination;
#[cfg(feature = "tls")]
use crate::settings::Found;

/// What stands before a place that takes more than its address.
#[cfg(feature = "tls")]
const TLS: &str = "tls";

impl Place {
    /// As it is shown to people, and with TLS what it takes besides: `tls://host:port verified /folder`.
    pub(crate) fn write(&self) -> String {
        match self {
            #[cfg(feature = "tls")]
            Self::Tls(Secured { address, files: Files { folder, verified }, .. }) => {
                // The other process is in a folder of its own.
                let folder =
                    std::path::absolute(&folder.value).unwrap_or_else(|_| folder.value.clone().into());
                format!("{TLS}://{address} {verified} {}", folder.display())
            }
            place => place.to_string(),
        }
    }

    /// The same backwards.
    pub(crate) fn read(text: &str) -> io::Result<Self> {
        let place = match text.split_once("://") {
            Some(("unix", path)) => Some(Self::Socket(path.into())),
            Some(("npipe", path)) => Some(Self::Pipe(path.to_owned())),
            Some(("tcp", address)) => Some(Self::Tcp(address.to_owned())),
            Some(("ssh", address)) => Destination::parse(address).map(Self::Ssh),
            #[cfg(feature = "tls")]
            Some((TLS, rest)) => secured(rest),
            _ => None,
        };
        place.ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidInput, format!("{text:?} is no engine's place"))
        })
    }
}

#[cfg(feature = "tls")]
fn secured(text: &str) -> Option<Place> {
    let mut words = text.splitn(3, ' ');
    let (address, verified, folder) = (words.next()?, words.next()?.parse().ok()?, words.next()?);
    let folder =
        Found::named("the folder with certificates", "the process before this one", folder.to_owned());
    Some(Place::Tls(Secured::new(address.to_owned(), Files { folder, verified })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_as_it_was_written() {
        let ssh = Destination::parse("me@build.example:2222/run/docker.sock").unwrap();
        for place in [
            Place::Socket("/home/of somebody/docker.sock".into()),
            Place::Pipe("//./pipe/docker_engine".into()),
            Place::Tcp("[::1]:2375".into()),
            Place::Ssh(ssh),
        ] {
            assert_eq!(Place::read(&place.write()).unwrap(), place);
        }
        for none in ["nowhere", "", "ssh://-oProxyCommand=x"] {
            assert!(Place::read(none).is_err(), "{none}");
        }
    }

    #[cfg(feature = "tls")]
    #[test]
    fn a_place_with_tls_has_its_certificates_with_it() {
        let text = "tls://[::1]:2376 true /home/of somebody/.docker";
        let place = Place::read(text).unwrap();
        let Place::Tls(secured) = &place else { panic!("{place:?}") };
        assert_eq!((secured.address.as_str(), secured.files.verified), ("[::1]:2376", true));
        assert_eq!(secured.files.folder.value, "/home/of somebody/.docker");
        assert_eq!(place.write(), text);
        assert!(Place::read("tls://h:1").is_err() && Place::read("tls://h:1 maybe /f").is_err());
    }
}

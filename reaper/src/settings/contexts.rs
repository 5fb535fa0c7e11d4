//! The contexts of the docker command: engines by name, one of which is chosen.
//!
//! The command takes its engine from `DOCKER_CONTEXT`, else from `currentContext` in its `config.json`, and finds what a context
//! is in a folder that is named by a hash. Its own `docker context inspect` was not asked: it is another program to be
//! started by every test, and need not be there.

use std::io;
use std::path::{Path, PathBuf};

use hmac_sha256::Hash;
use serde::Deserialize;

use super::certificates::Certificates;
use super::sources::Found;
use crate::error::{Error, Result};

/// The context that is no context: the engine is found as without any.
const DEFAULT: &str = "default";

/// What chooses a context, in this order.
const VARIABLE: &str = "DOCKER_CONTEXT";
const MEMBER: &str = "currentContext";

/// Another place for the command's files.
const FOLDER: &str = "DOCKER_CONFIG";

#[derive(Deserialize)]
struct CommandConfig {
    #[serde(default, rename = "currentContext")]
    current_context: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Meta {
    endpoints: Endpoints,
}

#[derive(Deserialize)]
struct Endpoints {
    docker: DockerEndpoint,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DockerEndpoint {
    #[serde(default)]
    host: String,
    #[serde(default, rename = "SkipTLSVerify")]
    skip_tls_verify: bool,
}

/// The engine of the context that is chosen, if one is, and its files for TLS.
pub(super) fn engine(
    environment: &dyn Fn(&str) -> Option<String>,
    home: Option<&Path>,
) -> Result<Option<(Found, Certificates)>> {
    let variable =
        |name| environment(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
    let folder = variable(FOLDER).map(PathBuf::from).or_else(|| home.map(|home| home.join(".docker")));
    let chosen = match (variable(VARIABLE), &folder) {
        (Some(name), _) => Some(Found::named(VARIABLE, "the environment", name)),
        (None, Some(folder)) => current(&folder.join("config.json"))?,
        (None, None) => None,
    };
    let Some(chosen) = chosen.filter(|chosen| chosen.value != DEFAULT) else { return Ok(None) };
    let Some(folder) = folder else {
        return Err(chosen
            .refuse(format!("the name of a context, of which there is none without {FOLDER} or a home")));
    };
    let id: String = Hash::hash(chosen.value.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    let meta = folder.join("contexts/meta").join(&id).join("meta.json");
    let text = match std::fs::read(&meta) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(chosen.refuse(format!(
                "the name of a context of the docker command, as `docker context ls` lists them; there is none of that name in {}",
                folder.join("contexts").display()
            )));
        }
        Err(error) => return Err(unreadable(&chosen, &meta, &error)),
    };
    let meta: Meta = serde_json::from_slice(&text).map_err(|error| unreadable(&chosen, &meta, &error))?;
    let DockerEndpoint { host, skip_tls_verify } = meta.endpoints.docker;
    let found = Found::named(
        &format!("context {}", chosen.value),
        &format!("{} ({})", chosen.name, chosen.origin),
        host,
    );
    if found.value.is_empty() {
        return Err(
            found.refuse("the address of an engine: make it with `docker context update --docker host=…`")
        );
    }
    let files = folder.join("contexts/tls").join(id).join("docker");
    let has_files = ["ca.pem", "cert.pem", "key.pem"].iter().any(|name| files.join(name).exists());
    let files = Found::named(&found.name, &found.origin, files.to_string_lossy().into_owned());
    let certificates = Certificates {
        demanded: has_files || skip_tls_verify,
        folder: Some(files),
        verified: !skip_tls_verify,
    };
    Ok(Some((found, certificates)))
}

/// The context that the command's file says is in use.
fn current(path: &Path) -> Result<Option<Found>> {
    let text = match std::fs::read(path) {
        Ok(text) => text,
        // Of a home that is a file, or none that this user may look into, there are no settings.
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(error) => return Err(unparsed(path, &error)),
    };
    let config: CommandConfig = serde_json::from_slice(&text).map_err(|error| unparsed(path, &error))?;
    let name = config.current_context;
    Ok((!name.is_empty()).then(|| Found::named(MEMBER, &path.display().to_string(), name)))
}

fn unparsed(path: &Path, problem: &dyn std::fmt::Display) -> Error {
    Found::named(MEMBER, &path.display().to_string(), String::new())
        .refuse(format!("in a file that can be read as JSON ({problem}); DOCKER_HOST is obeyed without it"))
}

fn unreadable(chosen: &Found, path: &Path, problem: &dyn std::fmt::Display) -> Error {
    chosen.refuse(format!(
        "a context that can be read: {}: {problem}; make it anew with `docker context rm` and `docker context create`, or name the \
         engine with DOCKER_HOST",
        path.display()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A home with these contexts, and what is chosen in it.
    struct Home(tempfile::TempDir);

    impl Home {
        fn new(config: Option<&str>) -> Self {
            let home = Self(tempfile::tempdir().unwrap());
            std::fs::create_dir(home.folder()).unwrap();
            if let Some(config) = config {
                std::fs::write(home.folder().join("config.json"), config).unwrap();
            }
            home
        }

        fn folder(&self) -> PathBuf {
            self.0.path().join(".docker")
        }

        fn context(&self, id: &str, meta: &str) {
            let folder = self.folder().join("contexts/meta").join(id);
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(folder.join("meta.json"), meta).unwrap();
        }

        fn engine(&self, variables: &[(&str, &str)]) -> Result<Option<Found>> {
            Ok(self.engine_with_files(variables)?.map(|(found, _)| found))
        }

        fn engine_with_files(&self, variables: &[(&str, &str)]) -> Result<Option<(Found, Certificates)>> {
            let environment = |name: &str| {
                variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
            };
            engine(&environment, Some(self.0.path()))
        }

        fn refusal(&self, variables: &[(&str, &str)]) -> String {
            self.engine(variables).unwrap_err().to_string()
        }
    }

    /// As `docker context create colima --docker host=unix:///a.sock` names and writes it.
    const COLIMA: &str = "f24fd3749c1368328e2b149bec149cb6795619f244c5b584e844961215dadd16";
    const META: &str = r#"{"Name":"colima","Metadata":{},"Endpoints":{"docker":{"Host":"unix:///a.sock","SkipTLSVerify":false}}}"#;

    #[test]
    fn a_context_is_chosen_by_the_variable_and_then_by_the_commands_file() {
        let home = Home::new(Some(r#"{"auths":{},"currentContext":"colima"}"#));
        home.context(COLIMA, META);
        let by_file = home.engine(&[]).unwrap().unwrap();
        assert_eq!((by_file.value.as_str(), by_file.name.as_str()), ("unix:///a.sock", "context colima"));
        assert!(by_file.origin.starts_with("currentContext (") && by_file.origin.contains("config.json"));
        let by_variable = home.engine(&[(VARIABLE, "colima")]).unwrap().unwrap();
        assert_eq!(by_variable.origin, "DOCKER_CONTEXT (the environment)");
        // What the variable says counts, also that there is to be none.
        assert_eq!(home.engine(&[(VARIABLE, "default")]).unwrap(), None);
        assert!(
            home.refusal(&[(VARIABLE, "other")]).contains("DOCKER_CONTEXT from the environment is \"other\"")
        );
        let elsewhere = Home::new(None);
        let folder = home.folder().display().to_string();
        assert_eq!(elsewhere.engine(&[(FOLDER, &folder)]).unwrap().unwrap().value, "unix:///a.sock");
    }

    #[test]
    fn without_a_choice_there_is_no_context() {
        for config in
            [None, Some("{}"), Some(r#"{"currentContext":""}"#), Some(r#"{"currentContext":"default"}"#)]
        {
            assert_eq!(Home::new(config).engine(&[]).unwrap(), None, "{config:?}");
        }
        assert!(engine(&|_| None, None).unwrap().is_none());
    }

    #[test]
    fn what_is_wrong_is_said_with_its_source() {
        let home = Home::new(Some("{"));
        let said = home.refusal(&[]);
        assert!(said.contains("config.json") && said.contains("can be read as JSON"), "{said}");
        let home = Home::new(Some(r#"{"currentContext":"colima"}"#));
        let said = home.refusal(&[]);
        assert!(said.contains("currentContext from ") && said.contains("docker context ls"), "{said}");
        for (meta, part) in [
            ("{", "can be read"),
            (r#"{"Name":"colima","Endpoints":{}}"#, "missing field `docker`"),
            (r#"{"Endpoints":{"docker":{"Host":""}}}"#, "the address of an engine"),
        ] {
            home.context(COLIMA, meta);
            let said = home.refusal(&[]);
            assert!(said.contains(part) && said.contains("colima"), "{said}");
        }
    }

    #[test]
    fn a_context_has_files_of_its_own_and_no_others() {
        let home = Home::new(Some(r#"{"currentContext":"colima"}"#));
        home.context(COLIMA, META);
        let certificates = |home: &Home| home.engine_with_files(&[]).unwrap().unwrap().1;
        assert!(!certificates(&home).demanded);
        let files = home.folder().join("contexts/tls").join(COLIMA).join("docker");
        std::fs::create_dir_all(&files).unwrap();
        std::fs::write(files.join("ca.pem"), "").unwrap();
        let found = certificates(&home);
        assert!(found.demanded && found.verified);
        assert_eq!(found.folder.unwrap().value, files.display().to_string());
        home.context(COLIMA, &META.replace("\"SkipTLSVerify\":false", "\"SkipTLSVerify\":true"));
        assert!(!certificates(&home).verified);
    }
}

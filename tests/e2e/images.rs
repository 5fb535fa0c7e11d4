//! The images of `cargo xtask images`: that they behave as the public ones do wherever projects rely on it. Where images
//! can be pulled these are the public ones, and have to pass as well.

use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use reaper_tests::suite::{succeeded, text};
use reaper_tests::{engine, until};

const READY: &str = "database system is ready to accept connections";
const READY_WITHIN: Duration = Duration::from_secs(60);

/// A server in the background, which goes with this run.
struct Server(String);

impl Server {
    fn start(image: &str, variables: &[&str], arguments: &[&str]) -> Self {
        let variables = variables.iter().map(|variable| format!("--env={variable}"));
        let mut run = labelled(&["run", "--detach"]);
        let output = run.args(variables).arg(image).args(arguments).output().unwrap();
        Self(succeeded(&output).trim().to_owned())
    }

    fn exec(&self, variables: &[&str], command: &[&str]) -> Output {
        let variables = variables.iter().map(|variable| format!("--env={variable}"));
        let mut exec = Command::new("docker");
        exec.arg("exec").args(variables).arg(&self.0).args(command).output().unwrap()
    }

    /// What a query gives, whoever it is that asks over the network, with a password.
    fn psql(&self, user: &str, password: &str, database: &str, query: &str) -> Output {
        let command = format!("psql -h $(hostname -i) -U {user} -d {database} -Atc \"{query}\"");
        self.exec(&[&format!("PGPASSWORD={password}")], &["sh", "-c", &command])
    }

    fn mariadb(&self, user: &str, password: &str, query: &str) -> Output {
        let command = format!("mariadb -h $(hostname -i) -u {user} -p{password} shop -Ne \"{query}\"");
        self.exec(&[], &["sh", "-c", &command])
    }

    /// What it has written on one of its streams.
    fn said(&self, stream: &str) -> String {
        let docker = Command::new("docker").args(["logs", &self.0]).output().unwrap();
        assert!(docker.status.success(), "{}", text(&docker));
        let bytes = if stream == "stdout" { docker.stdout } else { docker.stderr };
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn until_said(&self, stream: &str, line: &str) {
        until(&format!("{line:?} on {stream}"), READY_WITHIN, || {
            let said = self.said(stream);
            let runs = engine::inspect(&format!("/containers/{}/json", self.0)).unwrap();
            assert_eq!(runs["State"]["Running"], true, "{}{}", self.said("stdout"), self.said("stderr"));
            if said.contains(line) { Ok(()) } else { Err(said) }
        });
    }

    fn until_ready(&self) {
        self.until_said("stderr", READY);
        self.until_said("stdout", READY);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = Command::new("docker").args(["rm", "--force", "--volumes", &self.0]).output();
    }
}

/// `docker` with the labels of this run behind the first words.
fn labelled(words: &[&str]) -> Command {
    let labels = reaper::labels().iter().map(|(key, value)| format!("--label={key}={value}"));
    let mut docker = Command::new("docker");
    docker.args(words).args(labels);
    docker
}

/// An image on top of a public one, as a project's Dockerfile has it.
fn build(name: &str, base: &str, files: &[(&str, &str)]) -> String {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in files {
        write(&folder.path().join(name), content);
    }
    succeeded(&Command::new("gzip").arg(folder.path().join("3_zipped.sql")).output().unwrap());
    let lines =
        format!("FROM {base}\nRUN mkdir /of-a-project\nCOPY *.sql *.sh *.gz /docker-entrypoint-initdb.d/\n");
    std::fs::write(folder.path().join("Dockerfile"), lines).unwrap();
    let image = format!("{name}-{}", std::process::id());
    let mut build = labelled(&["build", "--tag", &image]);
    succeeded(&build.arg(folder.path()).env("DOCKER_BUILDKIT", "0").output().unwrap());
    image
}

/// What begins as a script can be run as one.
fn write(path: &Path, content: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::write(path, content).unwrap();
    let mode = if content.starts_with("#!") { 0o755 } else { 0o644 };
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// As testcontainers-modules waits: for a line on each stream, since a new server is started twice.
#[test]
fn a_new_postgres_says_that_it_is_ready_on_both_streams() {
    let server = Server::start("postgres:11-alpine", &["POSTGRES_PASSWORD=postgres"], &["-c", "fsync=off"]);
    server.until_ready();
    let (out, errors) = (server.said("stdout"), server.said("stderr"));
    assert_eq!((out.matches(READY).count(), errors.matches(READY).count()), (1, 1), "{out}\n---\n{errors}");
    // The second is for everybody, at once.
    assert_eq!(succeeded(&server.psql("postgres", "postgres", "postgres", "show fsync")).trim(), "off");
}

#[test]
fn a_dockerfile_on_top_of_postgres_brings_files_that_are_run_once_in_their_order() {
    let image = build(
        "adopted-postgres",
        "postgres",
        &[
            ("1_tables.sql", "CREATE TABLE items (name text);"),
            (
                "2_bash.sh",
                "#!/bin/bash\nset -e\nwords=(kettle)\npsql -v ON_ERROR_STOP=1 --username \"$POSTGRES_USER\" \
              --dbname \"$POSTGRES_DB\" -c \"INSERT INTO items VALUES ('${words[0]}')\"\n",
            ),
            ("3_zipped.sql", "INSERT INTO items VALUES ('teapot');"),
            (
                "4_sourced.sh",
                "psql -U \"$POSTGRES_USER\" -d \"$POSTGRES_DB\" -c \"INSERT INTO items VALUES ('cup')\"\n",
            ),
        ],
    );
    let variables = ["POSTGRES_USER=alice", "POSTGRES_PASSWORD=it's", "POSTGRES_DB=the shop"];
    let server = Server::start(&image, &variables, &[]);
    server.until_ready();
    let names =
        server.exec(&[], &["psql", "-U", "alice", "-d", "the shop", "-Atc", "SELECT name FROM items"]);
    assert_eq!(succeeded(&names), "kettle\nteapot\ncup\n", "{}", server.said("stdout"));
    // The one user is the one that was asked for, whoever started it, and has to say the password.
    let users = "SELECT rolname, rolsuper FROM pg_roles WHERE rolcanlogin";
    let users = server.exec(&[], &["psql", "-U", "alice", "-d", "postgres", "-Atc", users]);
    assert_eq!(succeeded(&users), "alice|t\n");
    assert_eq!(succeeded(&server.psql("alice", "it's", "postgres", "SELECT 1")).trim(), "1");
    let refused = server.psql("alice", "wrong", "postgres", "SELECT 1");
    assert!(text(&refused).contains("password authentication failed"), "{}", text(&refused));
    // It is no new server any more.
    succeeded(&Command::new("docker").args(["restart", &server.0]).output().unwrap());
    let ready =
        || server.exec(&[], &["psql", "-U", "alice", "-d", "the shop", "-Atc", "SELECT count(*) FROM items"]);
    until("it answers again", READY_WITHIN, || {
        let answer = text(&ready());
        if answer == "3\n" { Ok(()) } else { Err(answer) }
    });
}

#[test]
fn postgres_is_made_anew_where_the_variables_ask_for_what_the_prepared_files_are_not() {
    let variables = ["POSTGRES_HOST_AUTH_METHOD=trust", "POSTGRES_INITDB_ARGS=--data-checksums --locale='C'"];
    let server = Server::start("postgres", &variables, &[]);
    server.until_ready();
    assert_eq!(succeeded(&server.psql("postgres", "none", "postgres", "show data_checksums")).trim(), "on");
    let refused = Server::start("postgres", &[], &[]);
    let wait = Command::new("docker").args(["wait", &refused.0]).output().unwrap();
    assert_eq!(succeeded(&wait).trim(), "1");
    let said = refused.said("stderr");
    assert!(said.contains("POSTGRES_PASSWORD") && said.contains("POSTGRES_HOST_AUTH_METHOD=trust"), "{said}");
}

#[test]
fn redis_says_that_it_is_ready_on_its_output() {
    let server = Server::start("redis:5.0", &[], &[]);
    server.until_said("stdout", "Ready to accept connections");
    let answer = server.exec(&[], &["sh", "-c", "redis-cli -h $(hostname -i) ping"]);
    assert_eq!(succeeded(&answer).trim(), "PONG");
}

#[test]
fn a_new_mariadb_says_what_is_waited_for_and_runs_the_files_that_a_dockerfile_brings() {
    let image = build(
        "adopted-mariadb",
        "mariadb:11.3",
        &[
            ("1_tables.sql", "CREATE TABLE items (name text);"),
            (
                "2_bash.sh",
                "#!/bin/bash\nmariadb -uroot -p\"$MARIADB_ROOT_PASSWORD\" \"$MARIADB_DATABASE\" \
              -e \"INSERT INTO items VALUES ('kettle')\"\n",
            ),
            ("3_zipped.sql", "INSERT INTO items VALUES ('teapot');"),
        ],
    );
    let of_shop = ["MARIADB_DATABASE=shop", "MARIADB_USER=alice", "MARIADB_PASSWORD=secret"];
    let server = Server::start(&image, &[&of_shop[..], &["MARIADB_ROOT_PASSWORD=it's"]].concat(), &[]);
    server.until_said("stderr", "mariadbd: ready for connections.");
    server.until_said("stderr", "port: 3306");
    let names = server.mariadb("alice", "secret", "SELECT name FROM items");
    assert_eq!(succeeded(&names), "kettle\nteapot\n", "{}", server.said("stderr"));
    assert_eq!(succeeded(&server.mariadb("root", "\"it's\"", "SELECT 1")).trim(), "1");
    let refused = text(&server.mariadb("alice", "wrong", "SELECT 1"));
    assert!(refused.contains("Access denied for user 'alice'"), "{refused}");
    let refused = text(&server.exec(&[], &["mariadb", "-uroot", "-e", "SELECT 1"]));
    assert!(refused.contains("Access denied for user 'root'"), "{refused}");
}

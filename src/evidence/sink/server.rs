//! Other ends for the tests of sinks: real servers, started on a free port, killed without warning and started again; and a
//! receiver over HTTP that answers as it is told.
//!
//! Where a server's program is missing, a test says `skipped: no <program>` and ends; with `SERVANDA_REQUIRE_SERVICES=1`
//! it fails instead.

use std::path::{Path, PathBuf};

#[cfg(any(feature = "sink-nats", feature = "sink-postgres"))]
pub(crate) use process::Between;

/// A certificate of our own for `localhost`, as files.
pub(crate) fn certificate(dir: &Path) -> (PathBuf, PathBuf) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (cert, key) = (dir.join("cert.pem"), dir.join("key.pem"));
    std::fs::write(&cert, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    (cert, key)
}

/// Processes, and what stands between them and us.
#[cfg(any(feature = "sink-nats", feature = "sink-postgres"))]
mod process {
    use std::io::{BufRead, BufReader, Read, Write};
    use std::net::{Shutdown, TcpListener, TcpStream};
    use std::path::PathBuf;
    use std::process::{Child, Command, Stdio};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

    /// A program that is installed, wherever its packages put it.
    pub(crate) fn program(name: &str) -> Option<PathBuf> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
        let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
        folders.extend(versions.filter_map(|entry| Some(entry.ok()?.path().join("bin"))));
        folders.push("/usr/sbin".into());
        let found = folders.into_iter().map(|folder| folder.join(name)).find(|path| path.is_file());
        if found.is_none() {
            assert!(std::env::var_os("SERVANDA_REQUIRE_SERVICES").is_none_or(|v| v != "1"), "no {name}, and it is required");
            eprintln!("skipped: no {name}");
        }
        found
    }

    /// A port that is free now.
    pub(crate) fn free_port() -> u16 {
        TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
    }

    /// A process that is killed with its owner.
    pub(crate) struct Process(Child);

    impl Process {
        /// Starts it and waits for a line with these words on its standard error; without them it ended.
        pub(crate) fn start(command: &mut Command, ready: &str) -> Result<Self, String> {
            let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
            let mut lines = BufReader::new(child.stderr.take().unwrap());
            let (mut line, mut all) = (String::new(), String::new());
            while lines.read_line(&mut line).unwrap_or(0) > 0 {
                if line.contains(ready) {
                    // A pipe that nobody reads would stop it, and one that is closed would kill it.
                    std::thread::spawn(move || std::io::copy(&mut lines, &mut std::io::sink()));
                    return Ok(Self(child));
                }
                all.push_str(&std::mem::take(&mut line));
            }
            child.wait().unwrap();
            Err(all)
        }

        /// As a power cut of the process would end it.
        pub(crate) fn kill(&mut self) {
            self.0.kill().ok();
            self.0.wait().unwrap();
        }
    }

    impl Drop for Process {
        fn drop(&mut self) {
            self.kill();
        }
    }

    /// Stands between a client and a server, and loses what the server answers when it is told to: the server has done what
    /// it was asked, and nobody hears of it.
    pub(crate) struct Between {
        pub(crate) port: u16,
        deaf: Arc<AtomicBool>,
    }

    impl Between {
        pub(crate) fn start(server: u16) -> Self {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let port = listener.local_addr().unwrap().port();
            let deaf = Arc::new(AtomicBool::new(false));
            let told = Arc::clone(&deaf);
            std::thread::spawn(move || {
                for client in listener.incoming() {
                    let Ok(client) = client else { return };
                    let Ok(server) = TcpStream::connect(("127.0.0.1", server)) else { continue };
                    let (mut to, mut from) = (server.try_clone().unwrap(), client.try_clone().unwrap());
                    std::thread::spawn(move || {
                        std::io::copy(&mut from, &mut to).ok();
                        to.shutdown(Shutdown::Both).ok();
                    });
                    let told = Arc::clone(&told);
                    std::thread::spawn(move || answers(server, client, &told));
                }
            });
            Self { port, deaf }
        }

        /// The next answer is lost, and the connection with it.
        pub(crate) fn lose_an_answer(&self) {
            self.deaf.store(true, SeqCst);
        }
    }

    fn answers(mut server: TcpStream, mut client: TcpStream, deaf: &AtomicBool) {
        let mut bytes = vec![0; 64 << 10];
        while let Ok(read @ 1..) = server.read(&mut bytes) {
            if deaf.swap(false, SeqCst) || client.write_all(&bytes[..read]).is_err() {
                break;
            }
        }
        for end in [server, client] {
            end.shutdown(Shutdown::Both).ok();
        }
    }
}

#[cfg(feature = "sink-nats")]
pub(crate) use nats::Nats;

#[cfg(feature = "sink-nats")]
mod nats {
    use std::path::PathBuf;
    use std::process::Command;

    use super::process::{Process, free_port, program};

    /// A NATS server with JetStream.
    pub(crate) struct Nats {
        program: PathBuf,
        pub(crate) dir: tempfile::TempDir,
        pub(crate) port: u16,
        options: Vec<String>,
        process: Option<Process>,
    }

    impl Nats {
        /// None where the program is missing, which was said.
        pub(crate) fn start(options: &[&str]) -> Option<Self> {
            let program = program("nats-server")?;
            let dir = tempfile::tempdir().unwrap();
            let options = options.iter().map(|option| option.replace("{dir}", dir.path().to_str().unwrap())).collect();
            let mut nats = Self { program, dir, port: 0, options, process: None };
            // Another may take the port before the server does.
            nats.process = (0..5).find_map(|_| {
                nats.port = free_port();
                nats.begin().map_err(|why| eprintln!("{why}")).ok()
            });
            assert!(nats.process.is_some(), "nats-server does not start");
            Some(nats)
        }

        /// Starts it again, on its port and its folder.
        pub(crate) fn up(&mut self) {
            self.process = Some(self.begin().unwrap());
        }

        fn begin(&self) -> Result<Process, String> {
            let mut command = Command::new(&self.program);
            command.args(["-js", "-a", "127.0.0.1", "-p", &self.port.to_string(), "-sd"]).arg(self.dir.path().join("store"));
            Process::start(command.args(&self.options), "Server is ready")
        }

        pub(crate) fn kill(&mut self) {
            self.process = None;
        }

        /// Goes back to the beginning: everything that it held is lost.
        pub(crate) fn wipe(&mut self) {
            self.kill();
            std::fs::remove_dir_all(self.dir.path().join("store")).unwrap();
            self.up();
        }
    }
}

#[cfg(feature = "sink-postgres")]
pub(crate) use postgres::{PASSWORD, Postgres};

#[cfg(feature = "sink-postgres")]
mod postgres {
    use std::os::unix::fs::{PermissionsExt as _, chown};
    use std::os::unix::process::CommandExt as _;
    use std::path::{Path, PathBuf};
    use std::process::Command;

    use super::process::{Process, free_port, program};

    /// The password of its superuser.
    pub(crate) const PASSWORD: &str = "open-sesame";

    /// A PostgreSQL server.
    pub(crate) struct Postgres {
        program: PathBuf,
        pub(crate) dir: tempfile::TempDir,
        pub(crate) port: u16,
        options: Vec<String>,
        process: Option<Process>,
    }

    /// Who the server is run as: it refuses root.
    fn servant() -> Option<(u32, u32)> {
        if !rustix::process::geteuid().is_root() {
            return None;
        }
        let users = std::fs::read_to_string("/etc/passwd").unwrap();
        let line = users.lines().find(|line| line.starts_with("postgres:")).expect("a user postgres, since root is refused");
        let ids: Vec<u32> = line.split(':').skip(2).take(2).map(|id| id.parse().unwrap()).collect();
        Some((ids[0], ids[1]))
    }

    fn as_servant(program: &Path) -> Command {
        let mut command = Command::new(program);
        if let Some((user, group)) = servant() {
            command.uid(user).gid(group);
        }
        command
    }

    impl Postgres {
        /// None where the program is missing, which was said. `files` are copied to where it may read them.
        pub(crate) fn start(options: &[&str], files: &[&Path]) -> Option<Self> {
            let (program, initdb) = (program("postgres")?, program("initdb")?);
            let dir = tempfile::tempdir().unwrap();
            let word = dir.path().join("word");
            std::fs::write(&word, PASSWORD).unwrap();
            let copies = files.iter().map(|file| {
                let to = dir.path().join(file.file_name().unwrap());
                std::fs::copy(file, &to).unwrap();
                std::fs::set_permissions(&to, std::fs::Permissions::from_mode(0o600)).unwrap();
                to
            });
            for path in copies.chain([dir.path().to_owned(), word.clone()]) {
                if let Some((user, group)) = servant() {
                    chown(&path, Some(user), Some(group)).unwrap();
                }
            }
            let mut make = as_servant(&initdb);
            make.current_dir(dir.path()).args(["-N", "-E", "UTF8", "--locale=C", "-U", "postgres", "-A", "scram-sha-256"]);
            let made = make.arg("--pwfile").arg(&word).arg("-D").arg(dir.path().join("data")).output().unwrap();
            assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
            let options = options.iter().map(|option| option.replace("{dir}", dir.path().to_str().unwrap())).collect();
            let mut postgres = Self { program, dir, port: 0, options, process: None };
            // Another may take the port before the server does.
            postgres.process = (0..5).find_map(|_| {
                postgres.port = free_port();
                postgres.begin().map_err(|why| eprintln!("{why}")).ok()
            });
            assert!(postgres.process.is_some(), "postgres does not start");
            Some(postgres)
        }

        /// Starts it again, on its port and its folder.
        pub(crate) fn up(&mut self) {
            self.process = Some(self.begin().unwrap());
        }

        fn begin(&self) -> Result<Process, String> {
            let mut command = as_servant(&self.program);
            command.current_dir(self.dir.path()).env("LC_ALL", "C").args([
                "-h",
                "127.0.0.1",
                "-k",
                "",
                "-p",
                &self.port.to_string(),
            ]);
            Process::start(command.arg("-D").arg(self.dir.path().join("data")).args(&self.options), "ready to accept connections")
        }

        /// Kills the process that all others of the server belong to; they end when they see it.
        pub(crate) fn kill(&mut self) {
            self.process = None;
        }
    }
}

#[cfg(feature = "proxy")]
pub(crate) use receiver::{Answer, Receiver};

#[cfg(feature = "proxy")]
mod receiver {
    use std::collections::{BTreeMap, VecDeque};
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::path::PathBuf;
    use std::sync::{Arc, Mutex};

    use rustls::pki_types::pem::PemObject as _;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    use rustls::{ServerConfig, ServerConnection, StreamOwned};

    /// What is answered to one request.
    pub(crate) enum Answer {
        /// This status, further lines of the head, and body.
        Say(u16, &'static str, String),
        /// It is taken in, and nobody hears of it.
        Lost,
        /// It is not answered, and the connection stays.
        Silence,
    }

    /// A request that came: its head, and its body.
    pub(crate) type Came = (String, Vec<u8>);

    #[derive(Default)]
    struct Told {
        /// Answered in turn; then 204.
        script: VecDeque<Answer>,
        came: Vec<Came>,
        /// What was taken, by id: the first of each.
        kept: BTreeMap<String, Vec<u8>>,
    }

    /// Takes events, one connection each.
    pub(crate) struct Receiver {
        pub(crate) port: u16,
        told: Arc<Mutex<Told>>,
    }

    impl Receiver {
        /// With a certificate and its key, or in clear.
        pub(crate) fn start(identity: Option<(PathBuf, PathBuf)>) -> Self {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let port = listener.local_addr().unwrap().port();
            let told = Arc::<Mutex<Told>>::default();
            let tls = identity.map(|(cert, key)| {
                let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
                let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
                let (cert, key) = (CertificateDer::from_pem_file(cert).unwrap(), PrivateKeyDer::from_pem_file(key).unwrap());
                Arc::new(builder.with_no_client_auth().with_single_cert(vec![cert], key).unwrap())
            });
            let shared = Arc::clone(&told);
            std::thread::spawn(move || {
                for stream in listener.incoming() {
                    let (Ok(stream), told) = (stream, Arc::clone(&shared)) else { return };
                    match &tls {
                        Some(tls) => {
                            let connection = ServerConnection::new(Arc::clone(tls)).unwrap();
                            serve(StreamOwned::new(connection, stream), &told);
                        }
                        None => serve(stream, &told),
                    }
                }
            });
            Self { port, told }
        }

        pub(crate) fn will(&self, answers: impl IntoIterator<Item = Answer>) {
            self.told.lock().unwrap().script.extend(answers);
        }

        /// All that came so far.
        pub(crate) fn came(&self) -> Vec<Came> {
            self.told.lock().unwrap().came.clone()
        }

        /// What was taken, by id: the first of each.
        pub(crate) fn kept(&self) -> BTreeMap<String, Vec<u8>> {
            self.told.lock().unwrap().kept.clone()
        }
    }

    /// One request, one answer, and the connection ends.
    fn serve(mut stream: impl Read + Write, told: &Mutex<Told>) {
        let (mut bytes, mut more) = (Vec::new(), [0; 4096]);
        let (head, body) = loop {
            match stream.read(&mut more) {
                Ok(read @ 1..) => bytes.extend_from_slice(&more[..read]),
                _ => return,
            }
            let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
            let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
            let length = head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
            let length: usize = length.unwrap_or(0);
            if bytes.len() - end - 4 >= length {
                break (head, bytes[end + 4..].to_vec());
            }
        };
        let mut told = told.lock().unwrap();
        let answer = told.script.pop_front().unwrap_or(Answer::Say(204, "", String::new()));
        if matches!(answer, Answer::Say(200..300, ..) | Answer::Lost)
            && let Some(id) = head.lines().find_map(|line| line.strip_prefix("ce-id: "))
        {
            told.kept.entry(id.to_owned()).or_insert_with(|| body.clone());
        }
        told.came.push((head, body));
        drop(told);
        if let Answer::Silence = answer {
            std::mem::forget(stream);
        } else if let Answer::Say(status, lines, body) = answer {
            let length = if status == 204 { String::new() } else { format!("content-length: {}\r\n", body.len()) };
            write!(stream, "HTTP/1.1 {status} \r\n{lines}{length}connection: close\r\n\r\n{body}").ok();
            stream.flush().ok();
        }
    }
}

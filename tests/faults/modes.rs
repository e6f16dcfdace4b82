//! What others may do with files and folders that are made.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::run::Run;
use crate::swarm::Swarm;

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn files_and_folders_keep_to_the_umask_and_the_state_is_private_anyway() {
    let swarm = Swarm::new("umask");
    let mut command = swarm.leecher_of_one();
    let (status, lines) = Run::start(command.args(["--umask", "027"])).end();
    assert!(status.success(), "{lines:#?}");
    let modes = ["main", "main/sub", "main/one", "main/sub/two"].map(|name| mode(&swarm.out().join(name)));
    assert_eq!(modes, [0o750, 0o750, 0o640, 0o640]);
    assert_eq!(mode(&swarm.state()), 0o700);
    fs::remove_dir_all(swarm.out()).unwrap();
    fs::remove_dir_all(swarm.state()).unwrap();
    let mut command = swarm.leecher_of_one();
    let (status, lines) = Run::start(command.args(["--umask", "0"])).end();
    assert!(status.success(), "{lines:#?}");
    assert_eq!([mode(&swarm.out().join("main/sub")), mode(&swarm.out().join("main/one"))], [0o777, 0o666]);
    assert_eq!(mode(&swarm.state()), 0o700);
}

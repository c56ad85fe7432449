//! Every knob and hook of the simulation as one typed command, for the library and the control
//! port alike.

mod run;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub(crate) use self::run::run;
use crate::{designer::Save, faults::Fault, pair::Activity, scan::Kind, sessions::NewSession};

/// One order to the simulation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum Command {
    /// Changes some knobs; what is not named stays.
    Set {
        /// A part of [`crate::Knobs`].
        knobs: Value,
    },
    /// Opens a session; answers `{"id"}`.
    Open {
        /// Which.
        session: NewSession,
    },
    /// Closes a session.
    Close {
        /// Its id.
        id: String,
    },
    /// A session goes silent, or talks again.
    Live {
        /// Its id.
        id: String,
        /// Whether it talks.
        live: bool,
    },
    /// A Designer saves, and answers when all is on disk.
    Save {
        /// What and how.
        save: Save,
    },
    /// Lets the web server do wrong.
    Fault {
        /// How and where.
        fault: Fault,
    },
    /// Ends all faults of the web server.
    ClearFaults,
    /// Somebody else triggers a scan.
    Scan {
        /// Which.
        kind: Kind,
    },
    /// Somebody else takes the lock; whoever holds it loses it.
    Lock {
        /// Which.
        kind: Kind,
        /// Who.
        actor: String,
        /// For how long.
        hold_ms: u64,
    },
    /// Ends a hold without a scan, as if its time were up.
    Unlock {
        /// Which.
        kind: Kind,
    },
    /// A resource shall not load: `module/type/name`, or a folder below `projects/`.
    Refuse {
        /// Which.
        resource: String,
    },
    /// All resources may load again.
    ClearRefusals,
    /// The log says something.
    Log {
        /// `INFO`, …
        level: String,
        /// Who says it.
        logger: String,
        /// What.
        message: String,
        /// How often.
        #[serde(default = "once")]
        times: u32,
    },
    /// Sets the state of a module; takes it away when there is none.
    Module {
        /// Its id.
        id: String,
        /// `ACTIVE`, `FAULTED`, …
        state: Option<String>,
    },
    /// A module is quarantined.
    Quarantine {
        /// Its id.
        id: String,
        /// Why.
        reason: String,
    },
    /// A change waits for a restart.
    PendingRestart {
        /// As the list shows it.
        what: String,
    },
    /// Leaves the trial this many seconds; 0 is expired.
    Trial {
        /// Seconds.
        seconds_left: u64,
    },
    /// Restarts, as somebody in the web page would.
    Restart,
    /// Stops serving now: STARTING.
    Down,
    /// Stops serving now: connections are reset.
    Dark,
    /// Boots now.
    Up,
    /// Marks it commissioned or not.
    Commissioned {
        /// Whether.
        yes: bool,
    },
    /// A token appears, in files and in memory; answers `{"token"}`.
    Token {
        /// Its name.
        name: String,
        /// Its custom level below `Authenticated`; only `Deploy` may write.
        level: String,
        /// Whether it is refused over plain http.
        #[serde(default)]
        secure_only: bool,
    },
    /// A token is gone.
    RevokeToken {
        /// Its name.
        name: String,
    },
    /// Where the other node of a pair listens for its peer.
    Peer {
        /// Its address.
        address: Option<std::net::SocketAddr>,
    },
    /// Fixes who serves on this node, or lets the pair decide again.
    Activity {
        /// The fixed level.
        level: Option<Activity>,
    },
    /// Cuts or mends the network between the two nodes.
    Link {
        /// Whether it works.
        up: bool,
    },
    /// The master withdraws or gives its approval.
    Approve {
        /// Whether it is given.
        yes: bool,
    },
    /// What the node says of its synchronisation.
    ProjectState {
        /// `Good`, `SyncError`, `OutOfDate`, …
        state: String,
    },
    /// Whether the node says that a synchronisation is pending.
    SyncPending {
        /// Whether.
        yes: bool,
    },
    /// Hands the work to the other node.
    Failover,
    /// A `WebDev` resource answers.
    WebDev {
        /// `project/route`.
        path: String,
        /// Its status.
        status: u16,
        /// Its body.
        body: String,
    },
    /// Somebody edits tags in a Designer: they reach the disk late, in `core`.
    EditTags {
        /// The provider.
        provider: String,
        /// Folder below it; empty for its root.
        #[serde(default)]
        path: String,
        /// `tags.json` as text.
        tags: String,
    },
    /// Holds a file: renames onto it fail. An error where that is not possible.
    Hold {
        /// Path below the data directory.
        path: String,
    },
    /// Lets all held files go.
    LetGo,
    /// Somebody writes files behind the gateway's back; text by path below the data directory.
    Write {
        /// Which.
        files: BTreeMap<String, String>,
    },
}

fn once() -> u32 {
    1
}

#[cfg(test)]
mod tests {
    use super::Command;

    /// Tests in other languages write these.
    const ALL: &str = r#"{"do":"set","knobs":{"scan":{"minMs":1}}}
{"do":"open","session":{"kind":"designer","user":"ann","project":"p"}}
{"do":"close","id":"d-1"}
{"do":"live","id":"d-1","live":false}
{"do":"save","save":{"id":"d-1","resource":"m/t/r","files":{"view.json":"{}"},"order":["resource.json"],"delayMs":5,"onConflict":"theirs"}}
{"do":"fault","fault":{"path":"/data","method":"GET","skip":1,"times":2,"what":{"status":{"code":500}}}}
{"do":"fault","fault":{"path":"/data","what":"hang"}}
{"do":"fault","fault":{"path":"/data","what":{"reset":{"after":10}}}}
{"do":"fault","fault":{"path":"/data","what":{"truncate":{"to":10}}}}
{"do":"fault","fault":{"path":"/data","what":{"slow":{"ms":10}}}}
{"do":"fault","fault":{"path":"/data","what":{"answer":{"code":200,"body":"{}"}}}}
{"do":"clearFaults"}
{"do":"scan","kind":"config"}
{"do":"lock","kind":"projects","actor":"x","holdMs":1000}
{"do":"unlock","kind":"projects"}
{"do":"refuse","resource":"ignition/database-connection/X"}
{"do":"clearRefusals"}
{"do":"log","level":"WARN","logger":"a","message":"b"}
{"do":"module","id":"m","state":null}
{"do":"quarantine","id":"m","reason":"r"}
{"do":"pendingRestart","what":"w"}
{"do":"trial","secondsLeft":0}
{"do":"restart"}
{"do":"down"}
{"do":"dark"}
{"do":"up"}
{"do":"commissioned","yes":false}
{"do":"token","name":"t","level":"Viewer"}
{"do":"revokeToken","name":"t"}
{"do":"peer","address":"127.0.0.1:1"}
{"do":"activity","level":"Cold"}
{"do":"activity","level":null}
{"do":"link","up":false}
{"do":"approve","yes":false}
{"do":"projectState","state":"Good"}
{"do":"syncPending","yes":true}
{"do":"failover"}
{"do":"webDev","path":"p/r","status":200,"body":"[]"}
{"do":"editTags","provider":"P","tags":"[]"}
{"do":"hold","path":"projects/p/project.json"}
{"do":"letGo"}
{"do":"write","files":{"projects/p/project.json":"{}"}}"#;

    #[test]
    fn every_command_can_be_written_by_hand() {
        for line in ALL.lines() {
            let parsed: Result<Command, _> = serde_json::from_str(line);
            assert!(parsed.is_ok(), "{line}: {parsed:?}");
        }
        assert!(serde_json::from_str::<Command>(r#"{"do":"scan","kind":"tags"}"#).is_err());
    }
}
